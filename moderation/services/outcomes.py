"""Telling people: the uploader's side what is asked of them and what came of it, reporters what was decided."""

from django.conf import settings
from django.urls import reverse

from moderation.models import Case
from moderation.services.people import report_contact
from moderation.services.post import letter_write


def case_path(case: Case) -> str:
    """The page of a case for the uploader's side."""
    return reverse("case_affected", args=[case.public_id])


def affected_ask(*, case: Case, question: str, event_id: int) -> None:
    """Ask the uploader; the answer goes onto the page of the case."""
    letter_write(
        key=f"asked:{event_id}",
        to=case.version.created_by.email,
        subject=f"{case.version}: a question from the moderators",
        template="asked.txt",
        context={"case": case, "question": question, "url": settings.PUBLIC_URL + case_path(case)},
    )


def affected_tell(*, case: Case, reasoning: str) -> None:
    """Tell the uploader that a version is online, or that a decision stands after their appeal."""
    letter_write(
        key=f"told:{case.public_id}",
        to=case.version.created_by.email,
        subject=f"{case.version}: decided",
        template="decided.txt",
        context={"case": case, "reasoning": reasoning, "url": settings.PUBLIC_URL + case_path(case)},
    )


def reporters_tell(*, case: Case) -> None:
    """Tell everybody who reported what was decided, and how they may object (DSA, Article 16(5))."""
    for report in case.reports.filter(retracted_at__isnull=True).select_related("case"):
        contact = report_contact(report)
        reasoning = case.decision.public_reasoning if case.decision else ""
        path = reverse("report_track", args=[contact.token]) if contact.token else ""
        letter_write(
            key=f"report-decided:{report.public_id}:{case.public_id}",
            to=contact.email,
            subject=f"Your report about {case.version}: decided",
            template="report_decided.txt",
            context={"case": case, "reasoning": reasoning, "url": settings.PUBLIC_URL + path},
        )
