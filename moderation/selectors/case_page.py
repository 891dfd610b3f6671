"""What the page of a case shows a moderator: the question, what is known, and no more about people than it needs."""

from typing import Any

from accounts.models import User
from governance.models import DecisionRecord
from moderation.models import AppealSide, Case, CaseKind, Report
from moderation.notices import NOTICES, STATEMENTS
from moderation.selectors.case_recalls import moderators_recalls
from moderation.selectors.cases import macros_for, moderators, other_cases
from moderation.selectors.matches import matches_of
from moderation.selectors.screening import checks_shown
from moderation.selectors.strikes import strikes_in_force
from registry.forms import COMMERCIAL_CHOICES
from registry.selectors.pages import version_page

BY_A_PERSON = "decided-by-a-person"


def case_page(*, case: Case, actor: User) -> dict[str, Any]:
    """Everything about a case but the forms. Pictures are named by their keys and opened one by one, on record."""
    version = case.version
    context = version_page(actor=actor, version=version)
    context |= {
        "case": case,
        "decision": version.decision.to_json() if version.decision else None,
        "engine": _engines(version.decision),
        "checks": checks_shown(version=version, moderator=True),
        "unfinished": False,  # the page does not reload itself under somebody who writes
        "sees_inside": True,
        "commercial_use": [label for use, label in COMMERCIAL_CHOICES if use in version.commercial_use],
        "pictures": [
            *(_sample(sample) for sample in version.samples.all()),
            *(_preview(image) for image in version.images.order_by("row", "column")),
        ],
        "evidence": list(case.evidence.all()),
        "reports": [
            _report(report)
            for report in case.reports.select_related("comment__discussion__adapter__owner", "comment__author")
        ],
        "events": case.events.select_related("actor"),
        "others": other_cases(case),
        "strikes": strikes_in_force(user=version.created_by),
        "macros": macros_for(case),
        "moderators": moderators(),
        "matches": matches_of(case),
        "statements": case.statements.all(),
        "recalls": moderators_recalls(version),
        "appeal": _appeal(case),
    }
    return context


def _preview(image: Any) -> dict[str, Any]:
    caption = f"Strength {image.strength:g}: {image.prompt}"
    return {"key": f"image:{image.pk}", "caption": caption}


def _engines(record: DecisionRecord | None) -> DecisionRecord | None:
    """The engine's own decision, over which people or the house may have decided since."""
    while record is not None and record.override_of is not None:
        record = record.override_of
    return record if record is not None and record.reasons[0]["code"] != BY_A_PERSON else None


def _sample(sample: Any) -> dict[str, Any]:
    caption = f"{sample.get_kind_display()}, attached by its uploader ({sample.get_state_display().lower()})"
    return {"key": f"sample:{sample.pk}", "caption": caption}


def _report(report: Report) -> dict[str, Any]:
    """A report without its sender: who that is, is asked for with a reason."""
    return {
        "row": report,
        "rule": NOTICES[report.kind],
        "sworn": [STATEMENTS[code] for code in report.sworn if code in STATEMENTS],
        "has_contact": bool(bytes(report.contact)),
        "has_account": report.account_id is not None,
    }


def _appeal(case: Case) -> dict[str, Any] | None:
    if case.kind != CaseKind.APPEAL:
        return None
    appeal = case.appeal
    return {
        "row": appeal,
        "side": AppealSide(appeal.side).label,
        "sworn": [STATEMENTS[code] for code in appeal.sworn if code in STATEMENTS],
        "decision": appeal.of_decision,
        "of_case": appeal.of_case,
        "has_contact": bool(bytes(appeal.contact)),
    }
