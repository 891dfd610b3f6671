"""What can be decided about a case, by the state of its version."""

from enum import StrEnum

from moderation.models import AppealSide, Case, CaseKind, CaseSource, CaseStatus
from moderation.selectors.case_recalls import hold_can_be_told
from registry.models import Version
from registry.states import NEEDS_MAINTAINER, VersionState


class Verdict(StrEnum):
    """What a moderator does. The last three leave the case open."""

    APPROVE = "approve"
    DISMISS = "dismiss"
    REFUSE = "refuse"
    TAKE_DOWN = "take-down"
    QUARANTINE = "quarantine"
    TELL = "tell"
    ASK = "ask"


V, S = Verdict, VersionState
RESTRICTING = frozenset({V.REFUSE, V.TAKE_DOWN, V.QUARANTINE})
INTERIM = frozenset({V.QUARANTINE, V.TELL, V.ASK})

BY_STATE: dict[VersionState, tuple[Verdict, ...]] = {
    S.PUBLISHED: (V.DISMISS, V.QUARANTINE, V.TAKE_DOWN, V.ASK),
    S.IN_REVIEW: (V.APPROVE, V.REFUSE, V.TAKE_DOWN, V.ASK),
    S.QUARANTINED: (V.APPROVE, V.REFUSE, V.TAKE_DOWN, V.ASK),
    S.REFUSED: (V.DISMISS, V.TAKE_DOWN),
    S.WITHDRAWN: (V.DISMISS, V.TAKE_DOWN),
    S.TAKEN_DOWN: (V.DISMISS,),
    S.DRAFT: (V.DISMISS,),
    S.SCANNING: (V.DISMISS,),
}

HELD = frozenset({S.IN_REVIEW, S.QUARANTINED})

LABELS: dict[Verdict, str] = {
    V.APPROVE: "Publish it",
    V.DISMISS: "Leave everything as it is",
    V.REFUSE: "Refuse it",
    V.TAKE_DOWN: "Take it down; a notice remains",
    V.QUARANTINE: "Hold it back for now; the case stays open",
    V.TELL: "It stays held back; tell those who downloaded it to keep still",
    V.ASK: "Ask its uploader; the case waits",
}


def verdicts_of(case: Case, version: Version) -> tuple[Verdict, ...]:
    """What may be decided about `case` while its version is as it is; the first is the mildest."""
    state = VersionState(version.state)
    if state is S.IN_REVIEW and version.state_detail.get("code") == NEEDS_MAINTAINER:
        return (V.DISMISS, V.TAKE_DOWN)  # its publication is for its own people
    if case.kind == CaseKind.APPEAL and case.appeal.side == AppealSide.AFFECTED:
        if state in {S.REFUSED, S.TAKEN_DOWN, S.QUARANTINED}:
            return (V.APPROVE, V.DISMISS)
        return (V.DISMISS,)
    possible = BY_STATE[state]
    if state in HELD and case.source == CaseSource.REPORT and _others_wait(case):
        mildest, *others = possible
        possible = (mildest, V.DISMISS, *others)  # to answer what was reported; another case decides about the version
    return (*possible, V.TELL) if state in HELD and hold_can_be_told(version) else possible


def _others_wait(case: Case) -> bool:
    others = Case.objects.filter(version=case.version_id).exclude(status=CaseStatus.DECIDED).exclude(pk=case.pk)
    return others.exclude(kind=CaseKind.APPEAL).exists()


def verdict_labels(case: Case, version: Version) -> list[tuple[str, str]]:
    """The same as choices of a form, in the words of the case."""
    labels = dict(LABELS)
    if version.state in {S.QUARANTINED, S.REFUSED, S.TAKEN_DOWN}:
        labels[V.APPROVE] = "Bring it back online"
    if version.state in HELD:
        labels[V.DISMISS] = "Nothing is wrong with what was reported; another case decides about it"
    if case.kind == CaseKind.APPEAL:
        labels[V.DISMISS] = "The decision stands"
    return [(verdict.value, labels[verdict]) for verdict in verdicts_of(case, version)]
