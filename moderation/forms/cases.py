"""Forms of the moderators' case pages."""

from typing import Any

from django import forms

from accounts.models import User
from moderation.models import Case, CaseEvidence, CaseKind, Ground, Macro
from moderation.recall_texts import recall_text
from moderation.selectors.case_recalls import holders, kind_of, recall_answer_needed
from moderation.selectors.cases import QueueQuery
from moderation.selectors.verdicts import INTERIM, RESTRICTING, Verdict, verdict_labels
from moderation.services.decisions import Deed

YES, NO = "yes", "no"
RECALL_CHOICES = [
    (YES, "Tell everybody who downloaded it what they must do"),
    (NO, "Tell nobody; what was downloaded may be kept"),
]


def _area(rows: int) -> forms.Textarea:
    return forms.Textarea(attrs={"rows": rows})


class QueueForm(forms.Form):
    """What of the queue is shown; whatever is not known shows all."""

    kind = forms.ChoiceField(choices=[("", "All kinds"), *CaseKind.choices], required=False)
    whose = forms.ChoiceField(choices=[("", "Everybody's"), ("mine", "Mine"), ("free", "Nobody's")], required=False)
    late = forms.BooleanField(label="Overdue only", required=False)

    def query(self) -> QueueQuery:
        self.is_valid()
        known = {name: value for name, value in self.cleaned_data.items() if value}
        return QueueQuery(**known)


class DecisionForm(forms.Form):
    """A decision with the reasoning that those concerned read, and notes that they do not."""

    revision = forms.IntegerField(widget=forms.HiddenInput)
    verdict = forms.ChoiceField(widget=forms.RadioSelect, label="Decision")
    public_reasoning = forms.CharField(
        widget=_area(4),
        max_length=4000,
        label="Reasoning for those concerned",
        help_text="Sent to the uploader and to whoever reported it. Name nobody who need not be named.",
    )
    facts = forms.CharField(
        widget=_area(2),
        max_length=4000,
        required=False,
        label="Facts that a restriction rests on",
        help_text="For the statement of reasons. The summary of the case stands there otherwise.",
    )
    ground = forms.ChoiceField(choices=Ground.choices, initial=Ground.TERMS, label="Ground of a restriction")
    ground_text = forms.CharField(
        max_length=500, required=False, label="Provision, clause or rule", help_text="As “Licence §4(b)”, “Terms 3.2”."
    )
    private_notes = forms.CharField(widget=_area(3), max_length=4000, required=False, label="Notes for moderators only")
    strike = forms.BooleanField(required=False, label="Give the uploader a strike")
    block_copies = forms.BooleanField(required=False, label="Block copies: its files, tensors and previews")
    block_evidence = forms.ModelMultipleChoiceField(
        queryset=CaseEvidence.objects.none(),
        required=False,
        label="Block copies of these pictures of the evidence too",
        widget=forms.CheckboxSelectMultiple,
        to_field_name="public_id",
    )
    recall = forms.ChoiceField(
        choices=RECALL_CHOICES, widget=forms.RadioSelect, required=False, label="With a restriction, recall it"
    )
    what_to_do = forms.CharField(
        widget=_area(7),
        max_length=2000,
        required=False,
        label="What those who downloaded it must do",
        help_text="Sent with your reasoning. Prepared for this kind of case; change what does not fit.",
    )

    def __init__(self, *args: Any, case: Case, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["revision"].initial = case.revision
        self.fields["verdict"].choices = verdict_labels(case, case.version)  # type: ignore[attr-defined]
        pictures = case.evidence.filter(content_type__startswith="image/")
        self.fields["block_evidence"].queryset = pictures  # type: ignore[attr-defined]
        self.fields["block_copies"].initial = case.kind in {CaseKind.INTIMATE, CaseKind.MINORS}
        if not pictures:
            del self.fields["block_evidence"]
        self._prepare_recall(case)

    def _prepare_recall(self, case: Case) -> None:
        """Asked where somebody holds a receipt: of a grave kind it has to be answered, and nothing is chosen before."""
        count = holders(case.version)
        self.recall_needed = recall_answer_needed(case=case, version=case.version)
        if not count:
            del self.fields["recall"], self.fields["what_to_do"]
            return
        self.fields["recall"].help_text = (
            "1 person or organisation holds a receipt for it."
            if count == 1
            else f"{count:,} people and organisations hold a receipt for it."
        )
        if not self.recall_needed:
            self.fields["recall"].initial = NO
        text = self.fields["what_to_do"]
        texts = {
            verdict: recall_text(kind=kind_of(case), removed=verdict not in INTERIM)
            for verdict in RESTRICTING | {Verdict.TELL}
        }
        text.initial = texts[Verdict.TAKE_DOWN]
        text.widget.attrs |= {f"data-{verdict.value}": words for verdict, words in texts.items()}

    def clean(self) -> dict[str, Any]:
        """A restriction of a grave kind says whether it is recalled, and a recall says what to do."""
        data = super().clean() or {}
        restricts = data.get("verdict") in RESTRICTING and "recall" in self.fields
        if restricts and self.recall_needed and not data.get("recall"):
            self.add_error("recall", "Say whether those who downloaded it are told.")
        recalled = data.get("verdict") == Verdict.TELL or (restricts and data.get("recall") == YES)
        if recalled and not data.get("what_to_do", "").strip():
            self.add_error("what_to_do", "A recall has to say what they must do.")
        return data

    def deed(self) -> Deed:
        data = self.cleaned_data
        verdict = Verdict(data["verdict"])
        removing = verdict in RESTRICTING - {Verdict.QUARANTINE}
        return Deed(
            verdict=verdict,
            public_reasoning=data["public_reasoning"],
            private_notes=data["private_notes"],
            facts=data["facts"],
            ground=Ground(data["ground"]),
            ground_text=data["ground_text"],
            strike=data["strike"] and removing,
            block_copies=data["block_copies"] and removing,
            block_evidence=tuple(data.get("block_evidence") or ()),
            recall=True if verdict is Verdict.TELL else {YES: True, NO: False}.get(data.get("recall", "")),
            what_to_do=data.get("what_to_do", ""),
        )


class NoteForm(forms.Form):
    text = forms.CharField(label="Note", widget=_area(3), max_length=4000)


class EscalateForm(forms.Form):
    reason = forms.CharField(label="Why it is urgent, or beyond you", widget=_area(2), max_length=1000)


class ContactForm(forms.Form):
    reason = forms.CharField(
        label="Why you need to know who sent it", max_length=500, help_text="Goes on record with your name."
    )


class AssignForm(forms.Form):
    assignee = forms.ModelChoiceField(
        queryset=User.objects.none(), required=False, empty_label="Nobody in particular", to_field_name="username"
    )

    def __init__(self, *args: Any, moderators: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["assignee"].queryset = moderators  # type: ignore[attr-defined]
        self.fields["assignee"].label_from_instance = lambda user: user.username  # type: ignore[attr-defined]


class EvidenceForm(forms.Form):
    file = forms.FileField(label="File")


class MacroForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    verdict = forms.ChoiceField(
        choices=[("", "Any decision"), *((verdict.value, verdict.value) for verdict in Verdict)], required=False
    )

    class Meta:
        model = Macro
        fields = ["title", "kind", "verdict", "public_reasoning", "private_notes"]
        widgets = {"public_reasoning": _area(4), "private_notes": _area(2)}
        labels = {"kind": "Kind of case", "public_reasoning": "Reasoning", "private_notes": "Notes for moderators"}
