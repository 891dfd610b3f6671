"""Forms of the registry's pages."""

from typing import Any

from django import forms

from accounts.errors import NotFound
from accounts.models import Membership, Namespace, Organisation, User
from governance.policy import ASKED_USES
from governance.rulebook import current_ruleset
from registry.models import BaseModel, RightsStatement, SampleKind
from registry.models.adapters import ContentLevel, Visibility
from registry.models.outbox import Topic, every_topic
from registry.models.versions import Relation
from registry.selectors.access import namespaces_for_upload
from registry.selectors.parents import version_at
from registry.services.adapters import NAME_PATTERN
from registry.services.samples import Sample
from registry.services.versions import Declaration, Parent

USE_LABELS = {
    "personal": "Personal: for myself, nothing earned",
    "research": "Research",
    "commercial-outputs": "Commercial use of the pictures",
    "hosted-service": "Offer it as a hosted service",
    "redistribution": "Pass the file on",
    "merging": "Merge it with other adapters",
    "selling-weights": "Sell the weights",
}
USE_CHOICES = [(use.value, USE_LABELS[use.value]) for use in ASKED_USES]
COMMERCIAL_CHOICES = [
    ("image", "Sell pictures made with it"),
    ("rent", "Run it as a paid service"),
    ("sell", "Sell the adapter or merges with it"),
]


class _Several(forms.ClearableFileInput):
    allow_multiple_selected = True


class PicturesField(forms.FileField):
    """Several pictures at once, as a list; their content is looked at by the service that takes them."""

    widget = _Several(attrs={"accept": "image/jpeg,image/png,image/webp"})

    def clean(self, data: Any, initial: Any = None) -> list[Any]:
        files = data if isinstance(data, (list, tuple)) else [data] if data else []
        cleaned = [super(PicturesField, self).clean(file, initial) for file in files]
        if self.required and not cleaned:
            raise forms.ValidationError("Choose at least one picture.")
        return cleaned


class PicturesForm(forms.Form):
    """Pictures for a version that is there already."""

    pictures = PicturesField(label="Pictures", help_text="JPEG, PNG or WebP, up to 12 for a version.")
    kind = forms.ChoiceField(choices=SampleKind.choices, initial=SampleKind.EXAMPLE, label="What they are")

    def samples(self) -> list[Sample]:
        kind = SampleKind(self.cleaned_data["kind"])
        return [Sample(file.name, file.read(), kind) for file in self.cleaned_data["pictures"]]


class UploadForm(forms.Form):
    """One new version: where it goes, the file, and the declaration."""

    owner = forms.ModelChoiceField(Namespace.objects.none(), label="Owner", empty_label=None)
    name = forms.RegexField(
        NAME_PATTERN.pattern,
        max_length=60,
        label="Name in the address",
        help_text="Lower-case letters, digits, hyphens. An existing name gets a new version.",
        error_messages={
            "invalid": "Use lower-case letters and digits, with single hyphens, dots or underscores inside."
        },
    )
    title = forms.CharField(max_length=120, required=False, help_text="What people read. Empty: the name.")
    description = forms.CharField(widget=forms.Textarea(attrs={"rows": 4}), max_length=20_000, required=False)
    tags = forms.CharField(max_length=500, required=False, help_text="Separated by commas.")
    visibility = forms.ChoiceField(choices=Visibility.choices, initial=Visibility.PUBLIC)
    content_level = forms.ChoiceField(choices=ContentLevel.choices, initial=ContentLevel.GENERAL)
    file = forms.FileField(
        label="Adapter file",
        help_text="A .safetensors file, up to 2 GiB.",
        widget=forms.FileInput(attrs={"accept": ".safetensors"}),
        error_messages={"required": "Choose the adapter file."},
    )
    upload_id = forms.UUIDField(required=False, widget=forms.HiddenInput)
    pictures = PicturesField(
        required=False,
        label="Example pictures",
        help_text="What it makes: up to 12 JPEG, PNG or WebP pictures. They are checked before others see them.",
    )
    base_model = forms.ModelChoiceField(BaseModel.objects.all(), to_field_name="slug", empty_label="Choose…")
    licence = forms.ChoiceField(label="Licence of the adapter")
    credit_required = forms.BooleanField(required=False, initial=True, label="Users must credit me")
    allow_derivatives = forms.BooleanField(required=False, initial=True, label="Others may merge and change it")
    allow_different_licence = forms.BooleanField(required=False, label="Derivatives may carry another licence")
    commercial_use = forms.MultipleChoiceField(
        choices=COMMERCIAL_CHOICES,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label="Commercial use that I allow",
        help_text="This can only narrow what the base model's licence grants.",
    )
    trigger_words = forms.CharField(max_length=500, required=False, help_text="Separated by commas.")
    strength = forms.FloatField(initial=1.0, min_value=-4, max_value=4, help_text="The strength you recommend.")
    parents = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 2}),
        max_length=2000,
        required=False,
        label="Made from",
        help_text="Adapters it was merged or trained from, one in a line: owner/name or owner/name/v/2. "
        "Their licences bind this one.",
    )
    relation = forms.ChoiceField(choices=Relation.choices, initial=Relation.MERGE, label="How it was made from them")
    preview_prompt = forms.CharField(max_length=500, required=False, help_text="What the preview shows.")
    training_sources = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 3}),
        max_length=5000,
        label="What was it trained on?",
        help_text="Name the sources of the pictures and under which right you used them.",
    )
    depicts_real_person = forms.ChoiceField(
        choices=[("no", "No"), ("yes", "Yes, it depicts a real person")],
        widget=forms.RadioSelect,
        label="Does it depict a real person?",
    )
    rights = forms.BooleanField(label="I affirm the statement above.")
    rights_edition = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, actor: User, statement: RightsStatement, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.actor = actor
        # Its bytes may have come before the form.
        self.fields["file"].required = not (self.data or self.initial).get("upload_id")
        self.fields["owner"].queryset = namespaces_for_upload(actor).order_by("slug")  # type: ignore[attr-defined]
        licences = sorted(current_ruleset().licences.values(), key=lambda licence: licence.name)
        self.fields["licence"].choices = [("", "Choose…"), *((lic.id, lic.title) for lic in licences)]  # type: ignore[attr-defined]
        self.fields["rights_edition"].initial = statement.edition

    def declaration(self) -> Declaration:
        """What the form declares, as the service takes it."""
        data = self.cleaned_data
        return Declaration(
            base_model=data["base_model"].slug,
            licence_id=data["licence"],
            training_sources=data["training_sources"],
            depicts_real_person=data["depicts_real_person"] == "yes",
            rights_edition=data["rights_edition"],
            credit_required=data["credit_required"],
            allow_derivatives=data["allow_derivatives"],
            allow_different_licence=data["allow_different_licence"],
            commercial_use=tuple(data["commercial_use"]),
            trigger_words=tuple(split_words(data["trigger_words"])),
            strength=data["strength"],
            preview_prompts=(data["preview_prompt"],) if data["preview_prompt"] else (),
            parents=tuple(Parent(pk, data["relation"]) for pk in data["parents"]),
        )

    def clean_tags(self) -> list[str]:
        return split_words(self.cleaned_data["tags"])

    def clean_parents(self) -> list[int]:
        """The ids of the versions whose addresses were given."""
        addresses = [line for line in self.cleaned_data["parents"].splitlines() if line.strip()]
        try:
            return [version_at(actor=self.actor, address=address).pk for address in addresses]
        except NotFound as error:
            raise forms.ValidationError(f"{error.detail} {error.remedy}") from error


def split_words(text: str) -> list[str]:
    """Words separated by commas, without empty ones."""
    return [word.strip() for word in text.split(",") if word.strip()]


class UseForm(forms.Form):
    """Which use, and on whose behalf."""

    use = forms.ChoiceField(choices=USE_CHOICES, widget=forms.RadioSelect, label="What do you want to use it for?")
    organisation = forms.ModelChoiceField(
        Organisation.objects.none(), required=False, label="On behalf of", empty_label="Myself"
    )

    def __init__(self, *args: Any, actor: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        mine = Membership.objects.filter(user=actor).values("organisation")
        self.fields["organisation"].queryset = Organisation.objects.filter(pk__in=mine)  # type: ignore[attr-defined]


class PassForm(UseForm):
    """The use that a token states at the gate, and the agreement that it accepts terms."""

    agreed = forms.BooleanField(label="I agree that this token states this use and accepts these terms in my name.")


class EditForm(forms.Form):
    """What an owner may change about an adapter."""

    title = forms.CharField(max_length=120)
    description = forms.CharField(widget=forms.Textarea(attrs={"rows": 8}), max_length=20_000, required=False)
    tags = forms.CharField(max_length=500, required=False, help_text="Separated by commas.")
    visibility = forms.ChoiceField(choices=Visibility.choices)
    content_level = forms.ChoiceField(choices=ContentLevel.choices)
    discussions_on = forms.BooleanField(
        required=False,
        label="People may discuss it",
        help_text="Switched off, nobody opens discussions or comments; maintainers and moderators still read them.",
    )

    def clean_tags(self) -> list[str]:
        return split_words(self.cleaned_data["tags"])


class RatingForm(forms.Form):
    """How many stars somebody gives."""

    stars = forms.ChoiceField(choices=[(str(n), f"{n} star{'s' if n > 1 else ''}") for n in range(5, 0, -1)])


class ReasonForm(forms.Form):
    """Why somebody does what they do."""

    reason = forms.CharField(widget=forms.Textarea(attrs={"rows": 3}), max_length=2000)


class TopicsForm(forms.Form):
    """What an address is told of."""

    topics = forms.MultipleChoiceField(
        choices=Topic.choices, initial=every_topic, widget=forms.CheckboxSelectMultiple, label="Tell it of"
    )


class WebhookForm(TopicsForm):
    """Where an organisation wants to be told."""

    url = forms.URLField(
        max_length=500,
        assume_scheme="https",
        label="Address",
        help_text="An https address that answers 2xx within ten seconds.",
    )
    field_order = ["url", "topics"]


class AccessRequestForm(forms.Form):
    """What somebody wants an adapter for, in their own words."""

    reason = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 4}),
        max_length=2000,
        label="What you want it for",
        help_text="Its owner reads this together with your name.",
    )
