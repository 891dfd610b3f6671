"""Prepared words of the recalls that moderators send: what whoever downloaded it must do, by the reason."""

from collections.abc import Mapping

from moderation.models import CaseKind

HOLD_STILL = (
    "Stop using it, and pass on neither it nor pictures made with it, until you are told what was decided. Keep your "
    "copies apart from the rest. Then confirm it on this page."
)
DELETE = (
    "Stop using it and delete every copy that you hold, merges made with it included. Tell those to whom you passed it "
    "on. Then confirm it on this page."
)
_PICTURES = "Take down the pictures made with it that you have shown or passed on, and delete them."

REMOVED: Mapping[str, str] = {
    CaseKind.RIGHTS: f"{DELETE} Pictures made with it can infringe the same rights: stop offering them.",
    CaseKind.LIKENESS: f"{DELETE} {_PICTURES}",
    CaseKind.INTIMATE: f"{DELETE} {_PICTURES} To keep or share such pictures can be a crime.",
    CaseKind.MINORS: (
        f"{DELETE} Make nothing with it, and pass nothing made with it on, not even to show it: to possess or share "
        "such pictures is a crime nearly everywhere. Report what you meet elsewhere to the police or to a hotline."
    ),
    CaseKind.LICENCE: (
        "Stop using it and stop passing it on: its licence, or that of something in it, does not allow what it was "
        "published for. Delete your copies, unless you hold a licence of your own. Then confirm it on this page."
    ),
    CaseKind.CONSENT: f"{DELETE} {_PICTURES}",
    CaseKind.OPT_OUT: f"{DELETE} Stop offering pictures made with it.",
    CaseKind.SPAM: "Delete your copies: it is not what it claimed to be. Then confirm it on this page.",
    CaseKind.QUALITY: "Delete your copies: they do not work as described. Then confirm it on this page.",
}


def recall_text(*, kind: str, removed: bool) -> str:
    """What holders are asked to do: for good, or until the question about it is answered."""
    return REMOVED.get(kind, DELETE) if removed else HOLD_STILL
