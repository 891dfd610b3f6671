"""Forms of the discussions' pages."""

from typing import Any

from django import forms

from registry.models.discussions import TEXT_MOST, TITLE_MOST
from registry.services.discussion_comments import REASON_MOST
from registry.services.discussions import TITLE_LEAST

MARKDOWN = "Markdown: *emphasis*, **strong**, `code`, lists, links, quotes."


class CommentForm(forms.Form):
    """What somebody says in a discussion."""

    text = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 6}), max_length=TEXT_MOST, label="Your comment", help_text=MARKDOWN
    )


class EditCommentForm(CommentForm):
    """The same in the comment's place, where the keyboard goes on."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["text"].widget.attrs["autofocus"] = True


class DiscussionForm(CommentForm):
    """A new discussion."""

    title = forms.CharField(min_length=TITLE_LEAST, max_length=TITLE_MOST)
    field_order = ["title", "text"]


class TitleForm(forms.Form):
    """Another title of a discussion."""

    title = forms.CharField(min_length=TITLE_LEAST, max_length=TITLE_MOST)


class HideForm(forms.Form):
    """Why a moderator hides a comment."""

    reason = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 3, "autofocus": True}),
        max_length=REASON_MOST,
        help_text="Everybody who reads the discussion sees it in the comment's place.",
    )
