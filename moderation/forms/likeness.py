"""Forms of likeness protection: enrolment, further pictures, and the invitation by a moderator."""

from typing import Any

from django import forms

from moderation.likeness_consent import LikenessConsent
from moderation.models import ActsAs
from moderation.models.likeness import SHORT
from moderation.services.enrolment import PICTURES_AT_ONCE
from registry.forms import PicturesField, split_words

ALIASES_MOST = 20


class EnrolmentPictures(PicturesField):
    """One to five pictures."""

    def clean(self, data: Any, initial: Any = None) -> list[Any]:
        if not data:
            raise forms.ValidationError("Choose at least one photograph.")
        given: list[Any] = super().clean(data, initial)
        if len(given) > PICTURES_AT_ONCE:
            raise forms.ValidationError(f"Send at most {PICTURES_AT_ONCE} pictures at once.")
        return given


class PicturesForm(forms.Form):
    """Further pictures of an enrolled face."""

    pictures = EnrolmentPictures(
        label="Photographs of the face",
        help_text="One to five: sharp, from the front, one person alone. They are deleted as soon as they are read.",
    )


class EnrolmentForm(PicturesForm):
    """Who is to be protected, who consents, the consent itself, and the pictures."""

    field_order = ["name", "aliases", "acts_as", "contact_email", "pictures", "consent", "consent_edition"]

    name = forms.CharField(max_length=SHORT, label="Name of the person")
    aliases = forms.CharField(
        max_length=1000,
        required=False,
        label="Other names",
        help_text="Stage names and spellings, separated by commas.",
    )
    acts_as = forms.ChoiceField(choices=ActsAs.choices, widget=forms.RadioSelect, label="Who consents?")
    contact_email = forms.EmailField(
        max_length=254,
        required=False,
        label="E-mail address",
        help_text="Kept encrypted. A consent that somebody asks of this address is recognised as this person’s.",
    )
    consent = forms.BooleanField(
        label="I consent to this.", error_messages={"required": "Without consent nothing can be enrolled."}
    )
    consent_edition = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, text: LikenessConsent, has_account: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.text = text
        self.fields["consent_edition"].initial = text.edition
        if has_account:
            del self.fields["contact_email"]  # it is the account's

    def clean_aliases(self) -> list[str]:
        aliases = split_words(self.cleaned_data["aliases"])
        if len(aliases) > ALIASES_MOST or any(len(alias) > SHORT for alias in aliases):
            raise forms.ValidationError(f"Name at most {ALIASES_MOST}, each of at most {SHORT} characters.")
        return aliases

    def clean_consent_edition(self) -> str:
        if self.cleaned_data["consent_edition"] != self.text.edition:
            raise forms.ValidationError("The text has a new edition. Read it and consent again.")
        return self.text.edition

    def given(self) -> dict[str, Any]:
        """What the services take."""
        data = self.cleaned_data
        return {
            "name": data["name"],
            "aliases": data["aliases"],
            "acts_as": ActsAs(data["acts_as"]),
            "consent": self.text,
            "contact_email": data.get("contact_email", ""),
        }


class InvitationForm(forms.Form):
    """A moderator invites somebody who has no account."""

    name = forms.CharField(max_length=SHORT, label="Name of the person")
    contact_email = forms.EmailField(
        max_length=254, required=False, label="E-mail address", help_text="Kept encrypted; the person can change it."
    )
