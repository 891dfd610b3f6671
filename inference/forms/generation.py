"""The form of "Try it": everything that can be asked of a base model, with the axes of a grid."""

from typing import Any

from django import forms
from django.http import QueryDict

from inference.generation_options import PURPOSES, bases_here, defaults_of, limits_of
from inference.generation_plan import (
    AXIS_LABELS,
    MAX_PLACE,
    RANDOM,
    SEED_MAX,
    Axis,
    AxisKind,
    PlanRefused,
    Spec,
    axis_of,
)
from inference.models import Generation, GenerationPicture
from inference.prompts import MAX_PROMPT
from registry.forms import USE_LABELS
from registry.models import BaseModel

PURPOSE_CHOICES = [(use.value, USE_LABELS[use.value]) for use in PURPOSES]
AXIS_CHOICES = [("", "Nothing"), *((kind.value, AXIS_LABELS[kind]) for kind in AxisKind)]
OWN_SAMPLER = "The base model's own"


def base_of(given: dict[str, Any] | QueryDict) -> BaseModel | None:
    """The base model that is named, else the first whose weights are here."""
    here = bases_here()
    return here.filter(slug=str(given.get("base_model", ""))).first() or here.first()


class GenerationForm(forms.Form):
    """Limits and samplers are those of the base model that is chosen; a seed left empty is drawn."""

    prompt = forms.CharField(
        max_length=MAX_PROMPT,
        strip=True,
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "autocomplete": "off"}),
        help_text="Adapters go in by name: <lora:owner/name:0.7>, or te= and unet= for their parts.",
    )
    negative = forms.CharField(
        label="Negative prompt",
        max_length=MAX_PROMPT,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
        help_text="What is not to be seen.",
    )
    base_model = forms.ModelChoiceField(BaseModel.objects.none(), to_field_name="slug", empty_label=None)
    purpose = forms.ChoiceField(
        label="Purpose", choices=PURPOSE_CHOICES, help_text="What the pictures are for: licences answer by this."
    )
    count = forms.IntegerField(label="Pictures", min_value=1, initial=1)
    width = forms.IntegerField(min_value=1)
    height = forms.IntegerField(min_value=1)
    steps = forms.IntegerField(min_value=1)
    guidance = forms.FloatField(min_value=0)
    sampler = forms.ChoiceField(required=False)
    seed = forms.IntegerField(required=False, min_value=0, max_value=SEED_MAX, help_text="Empty: a new one each time.")
    x_kind = forms.ChoiceField(label="Across", choices=AXIS_CHOICES, required=False)
    x_place = forms.IntegerField(label="Adapter no.", min_value=1, max_value=MAX_PLACE, required=False, initial=1)
    x_values = forms.CharField(label="Values", max_length=2000, required=False)
    y_kind = forms.ChoiceField(label="Down", choices=AXIS_CHOICES, required=False)
    y_place = forms.IntegerField(label="Adapter no.", min_value=1, max_value=MAX_PLACE, required=False, initial=1)
    y_values = forms.CharField(label="Values", max_length=2000, required=False)

    def __init__(self, data: Any = None, *, base: BaseModel, **options: Any) -> None:
        defaults = defaults_of(base)
        given = {name: getattr(defaults, name) for name in ("steps", "guidance", "width", "height")}
        initial = {
            **given,
            "base_model": base.slug,
            "purpose": PURPOSES[0].value,
            **(options.pop("initial", None) or {}),
        }
        super().__init__(data, initial=initial, **options)
        limits = limits_of(base)
        fields: dict[str, Any] = self.fields
        fields["base_model"].queryset = bases_here()
        fields["sampler"].choices = [("", OWN_SAMPLER), *limits.samplers.items()]
        bounds = {"steps": limits.steps, "guidance": limits.guidance, "count": limits.pictures}
        for name, most in bounds.items():
            fields[name].max_value = most
            fields[name].widget.attrs["max"] = most
        fields["guidance"].widget.attrs["step"] = "0.5"
        for name in ("width", "height"):
            fields[name].widget.attrs |= {"step": limits.multiple, "min": limits.smallest}

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        for name in ("x", "y"):
            kind, values = data.get(f"{name}_kind"), data.get(f"{name}_values", "")
            data[name] = None
            if kind:
                try:
                    data[name] = axis_of(
                        AxisKind(kind), values, place=(data.get(f"{name}_place") or 1) - 1, name=f"{name}_values"
                    )
                except PlanRefused as refusal:
                    self.add_error(f"{name}_values", str(refusal))
        return data

    def spec(self) -> Spec:
        data = self.cleaned_data
        seed = data["seed"]
        plain = {name: data[name] for name in SPEC_FIELDS}
        base: BaseModel = data["base_model"]
        return Spec(base_model=base.slug, seed=RANDOM if seed is None else seed, **plain)

    def refuse(self, errors: dict[str, list[str]]) -> None:
        """Put what a service found to the fields that it is about."""
        for name, texts in errors.items():
            field = name if name in self.fields else f"{name}_values" if f"{name}_values" in self.fields else None
            for text in texts:
                self.add_error(field, text)


SPEC_FIELDS = "prompt negative purpose steps guidance sampler width height count x y".split()


def settings_again(source: Generation | GenerationPicture) -> dict[str, Any]:
    """What the form holds to make the same again: the whole of a generation, or one picture of it."""
    if isinstance(source, GenerationPicture):
        names = ("prompt", "negative", "seed", "steps", "guidance", "sampler", "width", "height")
        whole = source.generation
        again = {name: getattr(source, name) for name in names} | {"count": 1}
    else:
        whole = source
        again = {"prompt": source.prompt, "negative": source.negative, **source.settings}
        again |= {key: value for name in ("x", "y") for key, value in _axis_again(name, again.pop(name, None)).items()}
    return again | {"base_model": whole.base_model.slug, "purpose": whole.purpose}


def _axis_again(name: str, axis: dict[str, Any] | None) -> dict[str, Any]:
    if axis is None:
        return {}
    kept = Axis(AxisKind(axis["kind"]), tuple(axis["values"]), axis["place"])
    return {
        f"{name}_kind": kept.kind.value,
        f"{name}_values": ", ".join(kept.values),
        f"{name}_place": kept.place + 1,
    }


class BatchForm(forms.Form):
    """A file of requests."""

    file = forms.FileField(
        label="CSV or JSON",
        help_text="A line or object for each request. Only “prompt” has to be there; what is left out takes the base "
        "model's own values.",
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,.json,text/csv,application/json"}),
    )
    base_model = forms.ModelChoiceField(
        BaseModel.objects.none(), to_field_name="slug", empty_label=None, label="Base model where none is named"
    )
    purpose = forms.ChoiceField(label="What the pictures are for", choices=PURPOSE_CHOICES)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["base_model"].queryset = bases_here()  # type: ignore[attr-defined]
