"""Forms of the run pages."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.conf import settings

from accounts.models import User
from governance.rulebook import current_ruleset
from registry.forms import COMMERCIAL_CHOICES, USE_LABELS, split_words
from registry.models import BaseModel, RightsStatement, Version
from registry.models.adapters import ContentLevel, Visibility
from registry.services.adapters import NAME_PATTERN
from training.engine.checks import FAMILIES
from training.engine.config import TrainConfig
from training.engine.presets import Preset, preset, purposes
from training.forms.recipes import config_of, recipe_fields
from training.machines import machine_classes
from training.models import Dataset, Priority, TrainingRun
from training.selectors.datasets import datasets_trainable_by
from training.selectors.run_pages import flattened
from training.services.results import declaration_of
from training.services.runs import RunPlan
from training.services.standing import INTENDED

USE_CHOICES = [(use.value, USE_LABELS[use.value]) for use in INTENDED]


def trainable_bases() -> Any:
    """Base models that this registry has the weights of, and that can be trained."""
    here = list(settings.BASE_MODEL_LOCATIONS)
    return BaseModel.objects.filter(slug__in=here, family__in=list(FAMILIES))


@dataclass(frozen=True)
class Start:
    """What the preset follows from."""

    dataset: Dataset
    base_model: BaseModel
    purpose: str

    def preset(self) -> Preset:
        """The preset for what the dataset holds now."""
        used = self.dataset.pictures.filter(left_out=False)
        training = used.filter(is_prior=False, is_validation=False).count()
        return preset(
            self.purpose,
            self.base_model.family,
            max(training, 1),
            trigger=self.dataset.trigger,
            class_pictures=used.filter(is_prior=True).count(),
        )


class StartForm(forms.Form):
    """Dataset, base and purpose: enough to propose all the rest."""

    dataset = forms.ModelChoiceField(Dataset.objects.none(), empty_label="Choose…", to_field_name="public_id")
    base_model = forms.ModelChoiceField(
        BaseModel.objects.none(), label="Base model", empty_label=None, to_field_name="slug"
    )
    purpose = forms.ChoiceField(label="What it is to learn")

    def __init__(self, *args: Any, actor: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["dataset"].queryset = datasets_trainable_by(actor)  # type: ignore[attr-defined]
        self.fields["base_model"].queryset = trainable_bases()  # type: ignore[attr-defined]
        self.fields["purpose"].choices = [(one.name, one.title) for one in purposes()]  # type: ignore[attr-defined]

    def start(self) -> Start:
        data = self.cleaned_data
        return Start(data["dataset"], data["base_model"], data["purpose"])


class RunForm(StartForm):
    """A whole run: where its result goes, what for, on which machine, and every setting of the recipe."""

    title = forms.CharField(max_length=120, required=False, help_text="What people read. Empty: the name.")
    adapter_name = forms.RegexField(
        NAME_PATTERN.pattern,
        max_length=60,
        label="Name of the adapter in its address",
        help_text="An existing name gets a new version.",
        error_messages={
            "invalid": "Use lower-case letters and digits, with single hyphens, dots or underscores inside."
        },
    )
    trigger = forms.CharField(
        max_length=100, required=False, label="Trigger word", help_text="The word that calls for what is learned."
    )
    intended_use = forms.ChoiceField(
        choices=USE_CHOICES, label="What it is for", help_text="Decides, with every licence, whether it may be trained."
    )
    gpu_class = forms.ChoiceField(label="Machine")
    priority = forms.TypedChoiceField(
        choices=Priority.choices, coerce=int, initial=Priority.NORMAL, label="Among my runs"
    )

    def __init__(self, *args: Any, actor: User, start: Start | None = None, **kwargs: Any) -> None:
        super().__init__(*args, actor=actor, **kwargs)
        machines = machine_classes().values()
        self.fields["gpu_class"].choices = [(one.name, one.label) for one in machines]  # type: ignore[attr-defined]
        self.start_from = start
        if start is not None:
            self._propose(start)

    @property
    def purpose_title(self) -> str:
        """What it is to learn, in words."""
        titles = {one.name: one.title for one in purposes()}
        return titles.get(self.start_from.purpose, "") if self.start_from else ""

    def _propose(self, start: Start) -> None:
        self.proposal = start.preset()
        flat = flattened(self.proposal.config.to_json())
        self.fields |= recipe_fields(flat, self.proposal.reasons)
        self.initial = {
            "dataset": start.dataset.public_id,
            "base_model": start.base_model.slug,
            "purpose": start.purpose,
            "title": start.dataset.title,
            "adapter_name": start.dataset.name,
            "trigger": start.dataset.trigger,
            **self.initial,
        }

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if self.errors or self.start_from is None:
            return data
        try:
            data["config"] = config_of(data, family=data["base_model"].family, trigger=data["trigger"].strip())
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error
        return data

    def plan(self) -> RunPlan:
        """What the service takes; what was changed has no reason of the preset's any more."""
        data = self.cleaned_data
        config: TrainConfig = data["config"]
        kept, proposed = flattened(config.to_json()), flattened(self.proposal.config.to_json())
        reasons = {name: why for name, why in self.proposal.reasons.items() if kept.get(name) == proposed.get(name)}
        return RunPlan(
            dataset=data["dataset"],
            base_model=data["base_model"],
            config=config,
            adapter_name=data["adapter_name"],
            intended_use=data["intended_use"],
            gpu_class=data["gpu_class"],
            purpose=data["purpose"],
            title=data["title"],
            priority=data["priority"],
            reasons=reasons,
        )


class PublishForm(forms.Form):
    """The draft as its owner publishes it: what follows from the run is filled in."""

    title = forms.CharField(max_length=120)
    description = forms.CharField(widget=forms.Textarea(attrs={"rows": 4}), max_length=20_000, required=False)
    visibility = forms.ChoiceField(choices=Visibility.choices, initial=Visibility.PUBLIC)
    content_level = forms.ChoiceField(choices=ContentLevel.choices, initial=ContentLevel.GENERAL)
    licence = forms.ChoiceField(
        label="Licence", help_text="Proposed is the one that the base's and the pictures' licences allow."
    )
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
    strength = forms.FloatField(min_value=-4, max_value=4, help_text="The strength you recommend.")
    rights = forms.BooleanField(label="I affirm the statement above.")
    rights_edition = forms.CharField(widget=forms.HiddenInput)

    def __init__(
        self, *args: Any, run: TrainingRun, version: Version, statement: RightsStatement, **kwargs: Any
    ) -> None:
        declared = declaration_of(run)
        initial = {
            "title": version.adapter.title,
            "description": version.adapter.description,
            "content_level": version.adapter.content_level,
            "licence": declared.licence_id,
            "commercial_use": list(declared.commercial_use),
            "trigger_words": ", ".join(declared.trigger_words),
            "strength": declared.strength,
            "rights_edition": statement.edition,
        }
        super().__init__(*args, **{"initial": initial, **kwargs})
        licences = sorted(current_ruleset().licences.values(), key=lambda licence: licence.name)
        self.fields["licence"].choices = [(one.id, one.title) for one in licences]  # type: ignore[attr-defined]

    def declared(self) -> dict[str, Any]:
        """What changes the declaration that follows from the run."""
        data = self.cleaned_data
        kept = ["credit_required", "allow_derivatives", "allow_different_licence", "strength", "rights_edition"]
        return {name: data[name] for name in kept} | {
            "licence_id": data["licence"],
            "commercial_use": tuple(data["commercial_use"]),
            "trigger_words": tuple(split_words(data["trigger_words"])),
        }

    def about(self) -> dict[str, Any]:
        """What changes the adapter."""
        return {name: self.cleaned_data[name] for name in ("title", "description", "visibility", "content_level")}


class ReviewForm(forms.Form):
    """A moderator's decision about a run."""

    verdict = forms.ChoiceField(choices=[("allow", "Allow it"), ("refuse", "Refuse it")], widget=forms.RadioSelect)
    public_reasoning = forms.CharField(widget=forms.Textarea(attrs={"rows": 3}), max_length=2000, label="Reasons")
    private_notes = forms.CharField(widget=forms.Textarea(attrs={"rows": 2}), max_length=2000, required=False)
