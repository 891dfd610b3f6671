"""What the apps above know of a version: what stands against a use now, whose consent
it rests on, and what a person has yet to decide.

They add their questions when they are ready. They are asked inside the transaction that publishes, hands out or queues,
so that whatever ends a right waits for it, or comes before it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from governance.policy import ConsentNeed, Use
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


Question = Callable[[Version, Use], Obstacle | None]
_questions: dict[str, Question] = {}

Needs = Mapping[int, tuple[ConsentNeed, ...]]  # by the version's key
NeedsOf = Callable[[Version, Sequence[Version]], Needs]
_needs: list[NeedsOf] = []


QuestionsOf = Callable[[Version], tuple[str, ...]]
_open_questions: list[QuestionsOf] = []


def ask_also(name: str, question: Question) -> None:
    """Ask this too, under a name of its own, before every use."""
    _questions[name] = question


def obstacle_to(version: Version, use: Use) -> Obstacle | None:
    """The first thing that stands against the use now, whoever asks, or None."""
    return next((found for ask in _questions.values() if (found := ask(version, use))), None)


def consents_known_by(source: NeedsOf) -> None:
    """Where to ask whose consent a version rests on."""
    _needs[:] = [source]


def consents_of(version: Version, ancestors: Sequence[Version]) -> Needs:
    """Whose consent the version and its ancestors rest on, and what is in force; empty where on nobody's."""
    return _needs[0](version, ancestors) if _needs else {}


def questions_known_by(source: QuestionsOf) -> None:
    """Where to ask what a person has yet to decide about a version."""
    _open_questions[:] = [source]


def open_questions(version: Version) -> tuple[str, ...]:
    """Of which grave kinds something about the version waits for a person, each kind once."""
    return _open_questions[0](version) if _open_questions else ()
