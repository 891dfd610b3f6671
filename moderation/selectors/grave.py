"""What is too grave to come online by itself: the open cases that a person has to decide first."""

from moderation.models import Case, CaseKind, CaseStatus
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


def grave_questions(version: Version) -> tuple[str, ...]:
    """The kinds of open cases about a version that nobody but a person may pass over, whoever opened them."""
    waiting = Case.objects.filter(version=version.pk, kind__in=GRAVE_KINDS).exclude(status=CaseStatus.DECIDED)
    return tuple(sorted(waiting.values_list("kind", flat=True).distinct()))
