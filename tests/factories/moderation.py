"""Cases, reports and decisions for tests, made through the services."""

from typing import Any

from accounts.models import User
from moderation.models import Case, CaseKind, CaseSource, Report
from moderation.notices import NOTICES
from moderation.selectors.verdicts import Verdict
from moderation.services.cases import case_open
from moderation.services.decisions import Deed, case_decide
from moderation.services.people import Contact
from moderation.services.reports import Notice, report_submit
from registry.models import Version

REASONING = "The terms do not allow it."
CONTACT = Contact(
    name="Rita Right", email="rita@example.org", signature="Rita Right", address="1 Main Street", phone="+1 555 0100"
)


def make_case(version: Version, *, kind: CaseKind = CaseKind.PUBLICATION, **given: Any) -> Case:
    """An open case as the checks open it."""
    return case_open(
        **{"source": CaseSource.SCREENING, "summary": "A check held it.", **given, "kind": kind, "version": version}
    )


def make_notice(kind: CaseKind | str = CaseKind.RIGHTS, **given: Any) -> Notice:
    """A complete notice of its kind."""
    rule = NOTICES[CaseKind(kind).value]
    whole = {
        "text": "It copies my pictures.",
        "work": "My series “Shores”.",
        "contact": CONTACT,
        "sworn": rule.statements,
    }
    return Notice(kind=CaseKind(kind), **{**whole, **given})


def make_report(version: Version, kind: CaseKind | str = CaseKind.RIGHTS, **given: Any) -> tuple[Report, str]:
    """A report from somebody without an account, and the secret of its tracking link."""
    about = {name: given.pop(name) for name in ("account", "files", "address") if name in given}
    return report_submit(version=version, notice=make_notice(kind, **given), **{"address": "192.0.2.7", **about})


def decide(case: Case, actor: User, verdict: Verdict | str, **given: Any) -> Case:
    """Decide a case as it stands now."""
    case = Case.objects.get(pk=case.pk)
    deed = Deed(**{"public_reasoning": REASONING, **given, "verdict": Verdict(verdict)})
    return case_decide(case=case, actor=actor, revision=case.revision, deed=deed)
