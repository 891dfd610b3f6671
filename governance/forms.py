"""The form in which people state the facts that licences ask for."""

from typing import Any

from django import forms

from governance.models import ActorProfile
from governance.policy import ASKED_USES, ConditionKind
from governance.policy.territories import is_known
from governance.rulebook import current_ruleset

YES_NO = [("", "Not said"), ("yes", "Yes"), ("no", "No")]
NONE_OF_THESE = "none"
REGISTRARS = {"stability-ai": "Stability AI", "kolors": "Kuaishou (Kolors)"}
NOT_SAID = "Leave it empty when you would rather not say: what depends on it is then not settled."

QUESTIONS = {
    "receives_payment": "Does anybody pay for what you do with adapters, directly or indirectly?",
    "serves_end_users": "Do people other than your own testers use it?",
    "offers_related_service": "Do you offer a service with it, such as generating or training, beside the files?",
    "filters_content": "Do you filter or review inputs and outputs?",
    "discloses_ai": "Do you disclose that content is AI-generated?",
    "trains_competing_model": "Do outputs go into training a model outside the family of the base model?",
    "biometric_processing": "Are models or outputs used to process biometric data, such as recognising faces?",
}


def registrars() -> list[str]:
    """Whom the catalogue's licences ask to register with."""
    conditions = (
        condition
        for licence in current_ruleset().licences.values()
        for claim in licence.claims.values()
        for condition in claim.conditions
        if condition.kind is ConditionKind.REGISTRATION
    )
    return sorted({condition.registrar or "" for condition in conditions})


def _registrar_name(name: str) -> str:
    return REGISTRARS.get(name, name.replace("-", " ").title())


def _yes_no(word: str) -> bool:
    return word == "yes"


class ActorFactsForm(forms.Form):
    """Facts about a person or an organisation; an empty answer is "not said", never "no"."""

    standing_use = forms.ChoiceField(
        choices=[("", "Ask me every time"), *((use.value, use.value.replace("-", " ")) for use in ASKED_USES)],
        required=False,
        label="Usual use",
        help_text="Chosen in advance when you download.",
    )
    annual_revenue_usd = forms.IntegerField(
        min_value=0,
        max_value=10**15,
        required=False,
        label="Yearly revenue in US dollars",
        help_text=f"Of the whole group of companies. {NOT_SAID}",
    )
    monthly_users = forms.IntegerField(
        min_value=0, max_value=10**11, required=False, label="Monthly active users", help_text="Of all your products."
    )
    territory = forms.CharField(
        max_length=2, required=False, label="Country", help_text="Two letters, such as JP or DE; EU is understood too."
    )
    registered_with = forms.MultipleChoiceField(
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label="Registered with",
        help_text="Licensors with whom you registered for commercial use.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [*((name, _registrar_name(name)) for name in registrars()), (NONE_OF_THESE, "None of these")]
        self.fields["registered_with"].choices = choices  # type: ignore[attr-defined]
        for name, question in QUESTIONS.items():
            self.fields[name] = forms.TypedChoiceField(
                choices=YES_NO, required=False, coerce=_yes_no, empty_value=None, label=question
            )

    def clean_territory(self) -> str:
        code = str(self.cleaned_data["territory"]).strip().upper()
        if code and not is_known(code):
            raise forms.ValidationError(f"{code} is no country code. Use the two letters of ISO 3166, such as JP.")
        return code

    def clean_registered_with(self) -> list[str] | None:
        chosen = self.cleaned_data["registered_with"]
        if NONE_OF_THESE in chosen and len(chosen) > 1:
            raise forms.ValidationError("Choose either registrations or “None of these”, not both.")
        return [name for name in chosen if name != NONE_OF_THESE] if chosen else None


def facts_initial(profile: ActorProfile | None) -> dict[str, Any]:
    """What was stated earlier, as the form shows it."""
    if profile is None:
        return {}
    plain = ("standing_use", "annual_revenue_usd", "monthly_users", "territory")
    words = {True: "yes", False: "no", None: ""}
    registered = profile.registered_with
    return {
        **{name: getattr(profile, name) for name in plain},
        **{name: words[getattr(profile, name)] for name in QUESTIONS},
        "registered_with": [NONE_OF_THESE] if registered == [] else registered or [],
    }
