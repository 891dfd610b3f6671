"""What is too grave to come online by itself: the open cases that a person has to decide first."""

from django.db.models import Exists, OuterRef, Q

from moderation.models import Case, CaseEvent, CaseKind, CaseSource, CaseStatus, EventKind, Report
from registry.models import Version

# What the house's promise is about: people's will, their likeness, their rights, and the law. A licence dispute, spam
# or bad quality is decided while it is online.
GRAVE_KINDS = frozenset(
    {
        CaseKind.RIGHTS,
        CaseKind.LIKENESS,
        CaseKind.INTIMATE,
        CaseKind.MINORS,
        CaseKind.ILLEGAL,
        CaseKind.CONSENT,
        CaseKind.OPT_OUT,
        CaseKind.COPY,
        CaseKind.EMERGENCY,
    }
)


# What leaves a case as its reports made it. Whatever else a check or a moderator did makes it one about the version.
ONLY_READ = {
    EventKind.OPENED,
    EventKind.REPORTED,
    EventKind.RETRACTED,
    EventKind.CLAIMED,
    EventKind.RELEASED,
    EventKind.ASSIGNED,
    EventKind.NOTE,
    EventKind.EVIDENCE,
    EventKind.VIEWED,
    EventKind.CONTACT,
}
ABOUT_COMMENTS = (
    Q(source=CaseSource.REPORT)
    & ~Exists(Report.objects.filter(case=OuterRef("pk"), comment__isnull=True))
    & ~Exists(CaseEvent.objects.filter(case=OuterRef("pk")).exclude(kind__in=ONLY_READ))
)


def grave_questions(version: Version) -> tuple[str, ...]:
    """The kinds of open cases about a version that nobody but a person may pass over, whoever opened them.

    What was only said in a discussion of its adapter is no question about the version.
    """
    waiting = Case.objects.filter(version=version.pk, kind__in=GRAVE_KINDS).exclude(status=CaseStatus.DECIDED)
    return tuple(sorted(waiting.exclude(ABOUT_COMMENTS).values_list("kind", flat=True).distinct()))
