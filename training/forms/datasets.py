"""Forms of the dataset pages."""

import uuid
from typing import Any

from django import forms
from django.utils import timezone

from accounts.models import Namespace, User
from governance.rulebook import current_ruleset
from registry.selectors.access import namespaces_for_upload
from registry.services.adapters import NAME_PATTERN
from training.models import Dataset, EditKind, Origin, Protection, Purpose
from training.permissions import PICTURE_RIGHTS
from training.reporting.captions import CAPTION_MAX
from training.services.captioning import MODES, captioners
from training.services.captions import EditRule
from training.services.datasets import KEEP_LONGEST, DatasetDraft

SOURCE_HELP = "Where the pictures are from, one source in a line: addresses, archives, people."
PERSON_HELP = "A person who lives or lived, recognisable. Their consent has to be linked before anything is trained."


def licence_choices(empty: str) -> list[tuple[str, str]]:
    licences = sorted(current_ruleset().licences.values(), key=lambda licence: licence.title)
    return [("", empty), *((licence.id, licence.title) for licence in licences)]


class Several(forms.ClearableFileInput):
    """A file input for many files."""

    allow_multiple_selected = True


class FilesField(forms.FileField):
    """Many files at once, as a list."""

    widget = Several(attrs={"accept": "image/jpeg,image/png,image/webp,.txt,.caption,.json,.jsonl,.zip"})

    def clean(self, data: Any, initial: Any = None) -> list[Any]:
        files = data if isinstance(data, (list, tuple)) else [data] if data else []
        return [super(FilesField, self).clean(file, initial) for file in files]


class AboutFields(forms.Form):
    """What a dataset is for."""

    title = forms.CharField(max_length=120, required=False, help_text="What you call it. Empty: the name.")
    purpose = forms.ChoiceField(choices=Purpose.choices, label="What is to be learned")
    trigger = forms.CharField(
        max_length=60,
        required=False,
        label="Trigger word",
        help_text="Calls for it in a prompt: short, without a meaning.",
    )
    class_word = forms.CharField(
        max_length=60,
        required=False,
        label="What it is one of",
        help_text="“dog”, “person”, “mug”. Of a style: nothing.",
    )
    description = forms.CharField(widget=forms.Textarea(attrs={"rows": 3}), max_length=5000, required=False)


class RightsFields(forms.Form):
    """Whose the pictures are."""

    origin = forms.ChoiceField(choices=Origin.choices, label="Whose pictures they are", widget=forms.RadioSelect)
    licence_id = forms.ChoiceField(required=False, label="Licence of the pictures")
    source = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 3}), max_length=5000, required=False, help_text=SOURCE_HELP
    )
    depicts_real_person = forms.BooleanField(required=False, label="They show a real person", help_text=PERSON_HELP)
    fictional_statement = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 2}),
        max_length=1000,
        required=False,
        label="If one face repeats and is nobody’s: how the person came about",
    )
    protected = forms.BooleanField(
        required=False,
        label="Some are treated with Glaze, Nightshade or the like",
        help_text="Mark these on their pages: nothing is trained on them without their artist’s consent.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["licence_id"].choices = licence_choices("None named")  # type: ignore[attr-defined]


class DatasetForm(AboutFields, RightsFields):
    """A new dataset."""

    field_order = ["owner", "name", "title", "purpose", "trigger", "class_word", "description"]
    owner = forms.ModelChoiceField(Namespace.objects.none(), label="Owner", empty_label=None)
    name = forms.RegexField(
        NAME_PATTERN.pattern,
        max_length=60,
        label="Name in the address",
        help_text="Lower-case letters, digits, hyphens.",
        error_messages={"invalid": "Use lower-case letters and digits, with single hyphens inside."},
    )
    rights = forms.BooleanField(
        label="I affirm this statement", error_messages={"required": "Without it no pictures are taken."}
    )
    rights_edition = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, actor: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["owner"].queryset = namespaces_for_upload(actor).order_by("slug")  # type: ignore[attr-defined]
        self.initial.setdefault("origin", Origin.OWN)

    def draft(self) -> DatasetDraft:
        names = ("name", *AboutFields.base_fields, *RightsFields.base_fields, "rights_edition")
        return DatasetDraft(**{name: self.cleaned_data[name] for name in names})


class AboutForm(AboutFields):
    """What a dataset is for, and how much is set aside."""

    validation_share = forms.FloatField(
        min_value=0, max_value=0.5, label="Share set aside for validation", help_text="0.2 is usual; 0 sets none aside."
    )


class RightsForm(RightsFields):
    """The declaration, changed; the statement is affirmed anew with it."""

    rights = forms.BooleanField(label="I affirm this statement again, for what I say now")
    rights_edition = forms.CharField(widget=forms.HiddenInput)


class KeepForm(forms.Form):
    """Until when the pictures are to be kept."""

    keep_until = forms.DateTimeField(
        required=False,
        label="Keep the pictures at least until",
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="Empty: the house’s own rule.",
    )

    def clean_keep_until(self) -> Any:
        wanted = self.cleaned_data["keep_until"]
        if wanted and (wanted - timezone.now()).days > KEEP_LONGEST:
            raise forms.ValidationError(f"At most {KEEP_LONGEST} days from now.")
        return wanted


class UploadForm(forms.Form):
    """Files of a plain form, or those that have arrived by tus with their relative paths."""

    pictures = FilesField(required=False, label="Pictures, captions or a zip")


def upload_pairs(ids: list[str], paths: list[str]) -> list[tuple[uuid.UUID, str]]:
    """(upload, path) as the script sends them; raises ValidationError for what is no id."""
    try:
        return [(uuid.UUID(pk), path) for pk, path in zip(ids, paths, strict=True)]
    except ValueError as error:
        raise forms.ValidationError("The list of uploads is not complete. Send the files again.") from error


class PictureForm(forms.Form):
    """What is said of one picture."""

    caption = forms.CharField(widget=forms.Textarea(attrs={"rows": 3}), max_length=CAPTION_MAX, required=False)
    was = forms.CharField(widget=forms.HiddenInput, required=False, strip=False)


class PictureFactsForm(forms.Form):
    """Facts of one picture; those about rights in it are shown to who manages the set."""

    source = forms.CharField(max_length=2000, required=False, help_text="Where this one is from, if not as the set.")
    licence_id = forms.ChoiceField(required=False, label="Licence of this picture")
    depicts_person = forms.NullBooleanField(
        required=False,
        label="It shows a real person",
        widget=forms.Select(choices=[("unknown", "As the set says"), ("true", "Yes"), ("false", "No")]),
    )
    protection = forms.ChoiceField(
        choices=[(value, label or "No") for value, label in Protection.choices],
        required=False,
        label="Protected against training",
    )
    repeats = forms.IntegerField(min_value=1, max_value=1000, help_text="How often it is shown in an epoch.")
    is_prior = forms.BooleanField(required=False, label="A class picture, for prior preservation")
    consent = forms.ChoiceField(required=False, label="Consent that it rests on")

    def __init__(self, *args: Any, consents: list[tuple[str, str]], rights: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not rights:
            self.fields = {name: field for name, field in self.fields.items() if name not in PICTURE_RIGHTS}
            return
        self.fields["licence_id"].choices = licence_choices("As the set says")  # type: ignore[attr-defined]
        self.fields["consent"].choices = [("", "Only those of the set"), *consents]  # type: ignore[attr-defined]


class EditForm(forms.Form):
    """A change of many captions."""

    kind = forms.ChoiceField(
        choices=[
            (kind.value, kind.label) for kind in (EditKind.REPLACE, EditKind.PREFIX, EditKind.APPEND, EditKind.SHUFFLE)
        ],
        label="What is done",
        widget=forms.RadioSelect,
        initial=EditKind.REPLACE,
    )
    find = forms.CharField(max_length=200, required=False, label="Find")
    put = forms.CharField(
        max_length=500,
        required=False,
        label="Put",
        help_text="The replacement, the word in front, or the text at the end.",
    )
    whole_words = forms.BooleanField(required=False, initial=True, label="Whole words only")
    regard_case = forms.BooleanField(required=False, label="Regard case")
    keep = forms.IntegerField(
        min_value=0,
        max_value=50,
        initial=1,
        required=False,
        label="Tags in front that stay when the others are shuffled",
    )
    seed = forms.CharField(max_length=40, required=False, widget=forms.HiddenInput)

    def rule(self, dataset: Dataset) -> EditRule:
        data = self.cleaned_data
        return EditRule(
            kind=EditKind(data["kind"]),
            find=data["find"],
            put=data["put"],
            whole_words=data["whole_words"],
            regard_case=data["regard_case"],
            keep=1 if data["keep"] is None else data["keep"],
            seed=data["seed"] or str(dataset.edits.count()),
        )


class CaptionerForm(forms.Form):
    """Which captioner, over which pictures."""

    captioner = forms.ChoiceField()
    mode = forms.ChoiceField(choices=list(MODES.items()), label="Where", widget=forms.RadioSelect, initial="missing")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["captioner"].choices = [(name, name) for name in captioners()]  # type: ignore[attr-defined]


class RulingForm(forms.Form):
    """A moderator's word about what waits for a person."""

    verdict = forms.ChoiceField(choices=[("allow", "Let it pass"), ("refuse", "Refuse it")], widget=forms.RadioSelect)
    reasoning = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 3}), max_length=2000, label="Why", help_text="Its owner reads this."
    )
