"""What a check answers."""

from collections.abc import Iterable
from dataclasses import dataclass

from governance.policy import Finding
from moderation.models.screening import CheckState


@dataclass(frozen=True)
class Match:
    """A picture of the version and what it resembles: `against` is work:<uuid>, identity:<uuid>, block:<id>…"""

    picture: str
    against: str
    caption: str
    score: str = ""


@dataclass(frozen=True)
class Result:
    """How a check ended. `notes` are for moderators alone; findings go to the policy engine."""

    state: CheckState
    summary: str
    findings: tuple[Finding, ...] = ()
    matches: tuple[Match, ...] = ()
    notes: str = ""


def passed(summary: str, *, notes: str = "") -> Result:
    return Result(CheckState.PASSED, summary, notes=notes)


def skipped(reason: str) -> Result:
    """Not looked at, and why that is right; a check that could not look raises instead."""
    return Result(CheckState.SKIPPED, reason)


def flagged(findings: Iterable[Finding], *, matches: Iterable[Match] = (), notes: str = "") -> Result:
    found = tuple(findings)
    summary = " ".join(dict.fromkeys(finding.message for finding in found))
    return Result(CheckState.FLAGGED, summary, found, tuple(matches), notes)


def noted(summary: str, *, notes: str = "") -> Result:
    """Flagged for the eye of who decides anyway, without a finding of its own: the policy engine has its own rule."""
    return Result(CheckState.FLAGGED, summary, notes=notes)
