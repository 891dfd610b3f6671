"""Forms of the pages of making: which adapters, how strongly, by which method, and where the result goes."""

from collections.abc import Iterator
from typing import Any, cast

from django import forms
from django.conf import settings
from django.http import QueryDict

from accounts.errors import DomainError
from accounts.models import Namespace, Organisation, User
from governance.rulebook import current_ruleset
from inference.errors import MakingRefused
from inference.making_options import DEFAULTS, FAMILY_MAX, LAYOUTS, MAX_PARTS, METHODS, MIN_PARTS, TYPES
from inference.models import Making, MakingJob
from inference.services.making_plans import Brought, Ingredient, MakingPlan
from inference.services.making_results import declaration_of
from registry.forms import COMMERCIAL_CHOICES
from registry.models import BaseModel, RightsStatement, Version
from registry.models.adapters import ContentLevel, Visibility
from registry.selectors.access import namespaces_for_upload
from registry.selectors.parents import version_at
from registry.services.adapters import NAME_PATTERN
from registry.services.uploads import access_upload, upload_from_stream

ROWS = 8
OPTION_FIELDS = ("method", "rank", "energy", "density", "seed", "layout", "dtype", "convolutions", "vectors")


def parts_initial(query: QueryDict) -> dict[str, Any]:
    """Rows from an address: ?with=owner/name/v/2@0.7&with=owner/other"""
    initial: dict[str, Any] = {}
    for place, text in enumerate(query.getlist("with")[:ROWS], start=1):
        address, _, weight = text.partition("@")
        initial |= {f"adapter_{place}": address, f"weight_{place}": weight or "1"}
    return initial


class PartsForm(forms.Form):
    """Rows of adapters with their weights; what is empty is left out."""

    kind: Making
    organisation = forms.ModelChoiceField(
        Organisation.objects.none(), required=False, label="On behalf of", empty_label="Myself"
    )

    def __init__(self, *args: Any, actor: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.actor = actor
        mine = Organisation.objects.filter(memberships__user=actor)
        self.fields["organisation"].queryset = mine  # type: ignore[attr-defined]
        self.parts: list[Ingredient] = []
        for place in range(1, ROWS + 1):
            self.fields[f"adapter_{place}"] = forms.CharField(
                required=False,
                max_length=300,
                label=f"Adapter {place}",
                widget=forms.TextInput(attrs={"list": "adapters", "placeholder": "owner/name", "autocomplete": "off"}),
            )
            self.fields[f"weight_{place}"] = forms.FloatField(
                required=False,
                initial=1.0,
                min_value=-FAMILY_MAX,
                max_value=FAMILY_MAX,
                label=f"Weight {place}",
                widget=forms.NumberInput(attrs={"step": "0.05"}),
            )

    @property
    def rows(self) -> Iterator[tuple[forms.BoundField, forms.BoundField]]:
        for place in range(1, ROWS + 1):
            yield self[f"adapter_{place}"], self[f"weight_{place}"]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        self.parts = []
        for place in range(1, ROWS + 1):
            address = (data.get(f"adapter_{place}") or "").strip()
            if not address:
                continue
            weight = data.get(f"weight_{place}")
            try:
                version = version_at(actor=self.actor, address=address)
            except DomainError as error:
                self.add_error(f"adapter_{place}", error.detail)
                continue
            self.parts.append(Ingredient(version, 1.0 if weight is None else weight))
        if not self.errors and not MIN_PARTS[self.kind] <= len(self.parts) <= MAX_PARTS[self.kind]:
            least = MIN_PARTS[self.kind]
            self.add_error(None, f"Name {least} adapter{'s' if least > 1 else ''} or more, at most {ROWS}.")
        return data

    def plan(self) -> MakingPlan:
        return MakingPlan(
            kind=self.kind,
            base_model=self.parts[0].version.base_model,
            parts=tuple(self.parts),
            organisation=self.cleaned_data.get("organisation"),
        )


class CompareForm(PartsForm):
    kind = Making.COMPARE


class CheckpointForm(PartsForm):
    kind = Making.CHECKPOINT


class _Placed(forms.Form):
    """Where a draft goes."""

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

    def _owners(self, actor: User) -> None:
        self.fields["owner"].queryset = namespaces_for_upload(actor).order_by("slug")  # type: ignore[attr-defined]

    def place(self) -> dict[str, Any]:
        data = self.cleaned_data
        return {"owner": data["owner"], "adapter_name": data["name"], "title": data["title"]}

    def options(self) -> dict[str, Any]:
        known = DEFAULTS[self.kind]  # type: ignore[attr-defined]
        return {name: self.cleaned_data[name] for name in OPTION_FIELDS if name in self.fields and name in known}


def _limits(rank: int) -> dict[str, forms.Field]:
    return {
        "rank": forms.IntegerField(
            required=False, initial=rank, min_value=1, max_value=1024, label="Rank", help_text="At most, on each layer."
        ),
        "energy": forms.FloatField(
            required=False,
            min_value=0.01,
            max_value=1,
            label="Share of the energy to keep",
            help_text="0.95 takes as few directions as keep 95 % of it, up to the rank.",
            widget=forms.NumberInput(attrs={"step": "0.01"}),
        ),
    }


class MergeForm(_Placed, PartsForm):
    """Several adapters as one."""

    kind = Making.MERGE
    method = forms.ChoiceField(choices=list(METHODS.items()), initial="svd")
    density = forms.FloatField(
        required=False,
        initial=0.5,
        min_value=0.01,
        max_value=1,
        label="Density",
        help_text="For TIES and DARE: the share of the changes that is kept.",
        widget=forms.NumberInput(attrs={"step": "0.05"}),
    )
    layout = forms.ChoiceField(choices=list(LAYOUTS.items()), initial="kohya")
    dtype = forms.ChoiceField(choices=list(TYPES.items()), initial="float16", label="Number type")

    def __init__(self, *args: Any, actor: User, **kwargs: Any) -> None:
        super().__init__(*args, actor=actor, **kwargs)
        self.fields |= _limits(32)
        # A draft is inspected as one safetensors file.
        self.fields["layout"].choices = [(slug, text) for slug, text in LAYOUTS.items() if slug != "peft"]  # type: ignore[attr-defined]
        self._owners(actor)

    def plan(self) -> MakingPlan:
        plan = super().plan()
        return MakingPlan(
            kind=plan.kind,
            base_model=plan.base_model,
            parts=plan.parts,
            organisation=plan.organisation,
            options=self.options(),
            **self.place(),
        )


class ExtractForm(_Placed):
    """An adapter out of the difference of two checkpoints."""

    kind = Making.EXTRACT
    base_model = forms.ModelChoiceField(
        BaseModel.objects.none(), to_field_name="slug", empty_label="Choose…", label="The base it was tuned from"
    )
    tuned = forms.ModelChoiceField(
        BaseModel.objects.none(), to_field_name="slug", required=False, empty_label="None: I bring a file",
        label="A fine-tuned base model of the catalogue",
    )  # fmt: skip
    file = forms.FileField(
        required=False,
        label="Or a checkpoint that you bring",
        help_text="One .safetensors file with the whole model. It is removed when the extraction has ended.",
        widget=forms.FileInput(attrs={"accept": ".safetensors"}),
    )
    upload_id = forms.UUIDField(required=False, widget=forms.HiddenInput)
    licence = forms.ChoiceField(required=False, label="Licence of the checkpoint")
    sources = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        max_length=2000,
        label="What is it, and what was it trained on?",
    )
    convolutions = forms.BooleanField(required=False, initial=True, label="Convolutions too")
    vectors = forms.BooleanField(required=False, label="Norms and biases too, whole")
    dtype = forms.ChoiceField(choices=list(TYPES.items()), initial="float16", label="Number type")

    def __init__(self, *args: Any, actor: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.actor = actor
        self.fields |= _limits(32)
        here = BaseModel.objects.filter(slug__in=settings.BASE_MODEL_LOCATIONS)
        for name in ("base_model", "tuned"):
            self.fields[name].queryset = here  # type: ignore[attr-defined]
        licences = sorted(current_ruleset().licences.values(), key=lambda licence: licence.name)
        self.fields["licence"].choices = [("", "Choose…"), *((one.id, one.title) for one in licences)]  # type: ignore[attr-defined]
        self._owners(actor)

    def plan(self) -> MakingPlan:
        data = self.cleaned_data
        return MakingPlan(
            kind=self.kind,
            base_model=data["base_model"],
            tuned=data["tuned"],
            brought=None if data["tuned"] else self._brought(),
            options=self.options(),
            **self.place(),
        )

    def _brought(self) -> Brought | None:
        """The file that came before the form by tus, or with it."""
        data = self.cleaned_data
        if data["upload_id"]:
            upload = access_upload(actor=self.actor, pk=data["upload_id"])
        elif data["file"]:
            file = data["file"]
            upload = upload_from_stream(
                actor=self.actor, namespace=data["owner"], filename=file.name, stream=file, length=file.size
            )
            kept = cast(QueryDict, self.data).copy()  # the form again need not send it again
            kept["upload_id"] = str(upload.pk)
            self.data = kept
        else:
            return None
        return Brought(upload, data["licence"], data["sources"])


class FormForm(forms.Form):
    """Another form of a file."""

    layout = forms.ChoiceField(choices=[("", "As it is"), *LAYOUTS.items()], required=False)
    dtype = forms.ChoiceField(choices=[("", "As it is"), *TYPES.items()], required=False, label="Number type")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields |= _limits(0)
        self.fields["rank"].initial = None
        self.fields["rank"].help_text = "Empty: the ranks it has. Otherwise the nearest LoRA, with its error."

    def options(self) -> dict[str, Any]:
        return {name: value for name, value in self.cleaned_data.items() if value not in ("", None)}


class PublishForm(forms.Form):
    """The draft as its maker publishes it: what follows from the parts is filled in, and cannot be widened."""

    title = forms.CharField(max_length=120)
    description = forms.CharField(widget=forms.Textarea(attrs={"rows": 4}), max_length=20_000, required=False)
    visibility = forms.ChoiceField(choices=Visibility.choices, initial=Visibility.PUBLIC)
    content_level = forms.ChoiceField(choices=ContentLevel.choices, initial=ContentLevel.GENERAL)
    licence = forms.ChoiceField(label="Licence", help_text="Proposed is the one that the parts and the base allow.")
    credit_required = forms.BooleanField(required=False, label="Users must credit me")
    allow_derivatives = forms.BooleanField(required=False, initial=True, label="Others may merge and change it")
    allow_different_licence = forms.BooleanField(required=False, label="Derivatives may carry another licence")
    commercial_use = forms.MultipleChoiceField(
        choices=COMMERCIAL_CHOICES,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label="Commercial use that I allow",
        help_text="Those that every part permits.",
    )
    trigger_words = forms.CharField(max_length=500, required=False, help_text="Separated by commas.")
    strength = forms.FloatField(initial=1.0, min_value=-4, max_value=4, help_text="The strength you recommend.")
    rights = forms.BooleanField(label="I affirm the statement above.")
    rights_edition = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, job: MakingJob, version: Version, statement: RightsStatement, **kwargs: Any) -> None:
        declared = declaration_of(job)
        initial = {
            "title": version.adapter.title,
            "description": version.adapter.description,
            "content_level": version.adapter.content_level,
            "licence": declared.licence_id,
            "credit_required": declared.credit_required,
            "allow_derivatives": True,
            "allow_different_licence": declared.allow_different_licence,
            "commercial_use": list(declared.commercial_use),
            "trigger_words": ", ".join(declared.trigger_words),
            "strength": declared.strength,
            "rights_edition": statement.edition,
        }
        super().__init__(*args, **{"initial": initial, **kwargs})
        licences = sorted(current_ruleset().licences.values(), key=lambda licence: licence.name)
        self.fields["licence"].choices = [(one.id, one.title) for one in licences]  # type: ignore[attr-defined]
        permitted = set(declared.commercial_use)
        self.fields["commercial_use"].choices = [  # type: ignore[attr-defined]
            choice for choice in COMMERCIAL_CHOICES if choice[0] in permitted
        ]

    def declared(self) -> dict[str, Any]:
        """What changes the declaration that follows from the parts."""
        data = self.cleaned_data
        kept = ["credit_required", "allow_derivatives", "allow_different_licence", "strength", "rights_edition"]
        words = [word.strip() for word in data["trigger_words"].split(",") if word.strip()]
        return {name: data[name] for name in kept} | {
            "licence_id": data["licence"],
            "commercial_use": tuple(data["commercial_use"]),
            "trigger_words": tuple(words),
        }

    def about(self) -> dict[str, Any]:
        """What changes the adapter."""
        return {name: self.cleaned_data[name] for name in ("title", "description", "visibility", "content_level")}


def add_refusal(form: forms.Form, error: MakingRefused | DomainError) -> None:
    """What the service refused, at the fields that it names."""
    errors = dict(error.data.get("errors", {}))
    placed = {name: text for name, text in errors.items() if name in form.fields}
    for name, text in placed.items():
        form.add_error(name, text)
    rest = [text for name, text in errors.items() if name not in placed]
    for text in rest or ([] if placed else [f"{error.detail} {error.remedy}"]):
        form.add_error(None, text)
