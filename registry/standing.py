"""What may stand against a use at this very moment although the licences allow it: asked of the apps above.

They add their question when they are ready. It is asked inside the transaction that publishes, hands out or queues, so
that whatever ends a right waits for it, or comes before it.
"""

from collections.abc import Callable
from dataclasses import dataclass

from governance.policy import Use
from registry.models import Version


@dataclass(frozen=True)
class Obstacle:
    """What happened under a stable code, why, and what to do."""

    code: str
    what: str
    why: str
    remedy: str

    def to_detail(self) -> dict[str, str]:
        """As `state_detail` of a version keeps it."""
        return {"code": self.code, "what": self.what, "why": self.why, "remedy": self.remedy}


# (version, use, territory): where the use happens, "" where nobody said, None where it is everywhere or not asked for.
Question = Callable[[Version, Use, str | None], Obstacle | None]
_questions: dict[str, Question] = {}


def ask_also(name: str, question: Question) -> None:
    """Ask this too, under a name of its own, before every use."""
    _questions[name] = question


def obstacle_to(version: Version, use: Use, *, territory: str | None = None) -> Obstacle | None:
    """The first thing that stands against the use now, or None."""
    return next((found for ask in _questions.values() if (found := ask(version, use, territory))), None)
