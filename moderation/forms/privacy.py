"""Forms of the privacy pages: an address to mail a link to, and the two erasures."""

from typing import Any

from django import forms

from accounts.models import User
from registry.models import Adapter


class PrivacyLinkForm(forms.Form):
    """The address that somebody wants to know about."""

    email = forms.EmailField(
        label="E-mail address",
        max_length=254,
        help_text="The link goes there. The answer on this page is the same for every address.",
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )


class AddressErasureForm(forms.Form):
    """The second confirmation, after the link."""

    never_ask = forms.BooleanField(
        required=False, initial=True, label="Never let anybody ask me for consent, or invite me to enrol, again"
    )
    sure = forms.BooleanField(label="Yes, erase it. I know that it cannot be undone.")


class AccountErasureForm(forms.Form):
    """What happens to what is published, and the password again."""

    left_public = forms.ModelMultipleChoiceField(
        queryset=Adapter.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label="Leave these public, under a pseudonym",
        help_text="What is not ticked is withdrawn, and its files are deleted. Texts of what you leave stay as they "
        "are: take your name out of them first if it stands there.",
    )
    password = forms.CharField(
        label="Your password", widget=forms.PasswordInput(attrs={"autocomplete": "current-password"})
    )
    sure = forms.BooleanField(label="Yes, delete my account. I know that it cannot be undone.")

    def __init__(self, data: Any = None, *, user: User) -> None:
        super().__init__(data)
        published = Adapter.objects.filter(owner__user=user, listed=True).select_related("owner").order_by("name")
        choices = self.fields["left_public"]
        assert isinstance(choices, forms.ModelMultipleChoiceField)
        choices.queryset = published
        if not published.exists():
            del self.fields["left_public"]
