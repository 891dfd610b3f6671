"""Forms of consents and recalls: what is asked, what is answered, how it was verified, why a recall is lifted."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from accounts.models import Organisation, User
from governance.policy.territories import is_known
from moderation.consent_terms import CHECKED, SCOPE_WORDS, ConsentScope, Terms
from moderation.models.consent import Consent, SubjectKind
from moderation.models.recall import Recall
from moderation.selectors.consent_pages import VERIFICATION_WORDS, organisations_asking
from moderation.services.consents import ConsentAsk
from moderation.services.evidence import Upload
from moderation.services.recall_lifting import Ground

SCOPE_CHOICES = [(scope.value, words) for scope, words in SCOPE_WORDS.items()]
DAY = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
WHERE = "Country codes such as DE, or EU, separated by commas. Empty: everywhere."
SUGGESTED_YEARS = 2
FILE = forms.ClearableFileInput(attrs={"accept": ".pdf,.png,.jpg,.jpeg,.webp,.gif,.txt"})


class _TermsForm(forms.Form):
    """Fields that make up terms."""

    scopes = forms.MultipleChoiceField(choices=SCOPE_CHOICES, widget=forms.CheckboxSelectMultiple, label="For what")
    adapters = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 2}),
        max_length=2000,
        required=False,
        label="Only for these adapters",
        help_text="One in a line: owner/name. Empty: for every adapter of whoever asks.",
    )
    territories = forms.CharField(max_length=600, required=False, label="Where", help_text=WHERE)
    until = forms.DateField(
        required=False, widget=DAY, help_text="The last day. Empty: until it is taken back.", label="Until"
    )

    def clean_adapters(self) -> list[str]:
        return sorted({line.strip().lower() for line in self.cleaned_data["adapters"].splitlines() if line.strip()})

    def clean_territories(self) -> list[str]:
        codes = self.cleaned_data["territories"].upper().replace(",", " ").split()
        if unknown := [code for code in codes if not is_known(code)]:
            raise forms.ValidationError(f"Not a country code: {', '.join(unknown)}.")
        return sorted(set(codes))

    def clean_until(self) -> datetime | None:
        day: date | None = self.cleaned_data["until"]
        if day is None:
            return None
        if day < timezone.now().date() or day.year > 9000:
            raise forms.ValidationError("Choose a day that lies ahead.")
        return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)

    def terms(self) -> Terms:
        """What was filled in."""
        data = self.cleaned_data
        return Terms(
            scopes=frozenset(ConsentScope(scope) for scope in data["scopes"]),
            adapters=frozenset(data["adapters"]),
            territories=frozenset(data["territories"]),
            until=data["until"],
        )


def last_day(until: datetime | None) -> date | None:
    """The last day of terms that end at `until`."""
    return (until - timedelta(microseconds=1)).astimezone(UTC).date() if until else None


class AskForm(_TermsForm):
    """A request to a person or an artist."""

    field_order = ["organisation", "kind", "name", "email", "work", "scopes", "adapters", "territories", "until"]
    organisation = forms.ModelChoiceField(
        Organisation.objects.none(), required=False, label="In the name of", empty_label="Myself"
    )
    kind = forms.ChoiceField(choices=SubjectKind.choices, widget=forms.RadioSelect, label="Whom do you ask?")
    name = forms.CharField(max_length=120, label="Their name")
    email = forms.EmailField(
        max_length=254, label="Their e-mail address", help_text="We send them a link. They need no account."
    )
    work = forms.CharField(
        max_length=300, required=False, label="Which body of work", help_text="When you ask an artist."
    )
    message = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 4}),
        max_length=2000,
        required=False,
        label="What you want to tell them",
        help_text="They read it beside the terms.",
    )

    def __init__(self, *args: Any, actor: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["organisation"].queryset = organisations_asking(actor=actor)  # type: ignore[attr-defined]
        self.fields["until"].initial = timezone.now().date() + timedelta(days=365 * SUGGESTED_YEARS)

    def ask(self) -> ConsentAsk:
        """The request, as the service takes it."""
        data = self.cleaned_data
        texts = {name: data[name].replace("\0", "") for name in ("name", "work", "message")}
        return ConsentAsk(email=data["email"], kind=data["kind"], terms=self.terms(), **texts)


class AnswerForm(_TermsForm):
    """What a subject grants: within the limit that was asked, or that holds already."""

    def __init__(self, *args: Any, consent: Consent, limit: Terms, **kwargs: Any) -> None:
        shown = consent.terms if consent.state == "granted" else limit
        kwargs.setdefault(
            "initial",
            {
                "scopes": sorted(shown.scopes),
                "adapters": "\n".join(sorted(shown.adapters)),
                "territories": ", ".join(sorted(shown.territories)),
                "until": last_day(shown.until),
            },
        )
        super().__init__(*args, **kwargs)
        self.fields["scopes"].choices = [(s.value, SCOPE_WORDS[s]) for s in ConsentScope if s in limit.scopes]  # type: ignore[attr-defined]
        self.fields["scopes"].label = "What you allow"
        if limit.until is not None:
            self.fields["until"].help_text = f"The last day, not after {last_day(limit.until):%-d %B %Y}."
            self.fields["until"].required = True
        if limit.adapters:
            self.fields["adapters"].help_text = "One in a line, of those that are asked for: take out what you refuse."
            self.fields["adapters"].required = True
        if limit.territories:
            self.fields["territories"].help_text = "Of those that are asked for: take out what you refuse."
            self.fields["territories"].required = True


class EvidenceForm(forms.Form):
    """A file that shows the consent."""

    file = forms.FileField(
        widget=FILE,
        label="A file that shows it",
        help_text="A signed page as PDF, a picture or plain text. It is kept encrypted; only moderators read it.",
    )

    def upload(self) -> Upload:
        """The file as the service takes it."""
        file = self.cleaned_data["file"]
        return Upload(name=file.name or "file", content=file.read())


class VerifyForm(forms.Form):
    """How a moderator made sure who answered."""

    method = forms.ChoiceField(
        choices=[
            (method.value, VERIFICATION_WORDS[method].removeprefix("verified: ").capitalize()) for method in CHECKED
        ],
        widget=forms.RadioSelect,
        label="How it was verified",
    )
    note = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 3}), max_length=2000, required=False, label="Notes for moderators only"
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["method"].choices = sorted(self.fields["method"].choices)  # type: ignore[attr-defined]


GROUNDS = [
    (Ground.LIVE_AGAIN.value, "A live consent of the same person covers it again"),
    (Ground.NOT_NEEDED.value, "The version does not rest on that consent"),
    (Ground.ENDED_IN_ERROR.value, "The consent ended in error: it is restored, and the person is told"),
]


class LiftForm(forms.Form):
    """Why a recall is lifted."""

    ground = forms.ChoiceField(choices=GROUNDS, widget=forms.RadioSelect, label="Ground")
    public_reasoning = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 4}),
        max_length=4000,
        label="Reasoning",
        help_text="Read by everybody who was told of the recall, and by the uploader.",
    )
    private_notes = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 3}), max_length=4000, required=False, label="Notes for moderators only"
    )

    def __init__(self, *args: Any, recall: Recall, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if recall.consent_id is None:
            del self.fields["ground"]  # a moderator sent it, and may take it back

    def given(self) -> dict[str, Any]:
        """As the service takes it."""
        data = self.cleaned_data
        return {**data, "ground": Ground(data["ground"]) if data.get("ground") else None}
