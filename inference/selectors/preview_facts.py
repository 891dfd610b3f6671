"""What the previews of a version tell in numbers, with the sentence that says what each number means."""

from dataclasses import dataclass

from inference.charts import StrengthChart, strength_chart
from inference.models import PreviewFacts
from inference.states import JobState
from registry.models import Version
from registry.selectors.visibility import Actor, versions_readable_by
from registry.states import VersionState

# The just noticeable difference in CIELAB: Mahy, Van Eycken & Oosterlinck, Color Research & Application 19 (1994).
NOTICEABLE = 2.3
# Rules of thumb of this registry, from its own starter adapters; the numbers stand beside the words.
CLEAR, STRONG = 8.0, 20.0  # ΔE
WAITS, ALWAYS = 0.25, 0.75  # of the change with the trigger word
UNIFORM = 0.6  # of the base's own variety
SHOWN_ALIKE = 3


@dataclass(frozen=True)
class Fact:
    """One measured thing: its name, its number as text, and what that means."""

    name: str
    value: str
    meaning: str


@dataclass(frozen=True)
class Alike:
    """A version that the reader may see whose weights point the same way; 1 is the same direction."""

    version: Version
    likeness: float


@dataclass(frozen=True)
class PreviewReport:
    """All of it, for one reader."""

    facts: PreviewFacts
    told: list[Fact]
    alike: list[Alike]
    chart: StrengthChart | None


def preview_report(*, actor: Actor, version: Version) -> PreviewReport | None:
    """The numbers of the newest finished previews; None where nothing was measured."""
    facts = (
        PreviewFacts.objects.filter(job__version=version, job__state=JobState.DONE).order_by("-job__created_at").first()
    )
    if facts is None or not facts.curve:
        return None
    told = [fact for fact in (_change(facts), _trigger(facts), _variety(facts)) if fact is not None]
    curve = [(strength, change) for strength, change in facts.curve]
    return PreviewReport(facts, told, _alike(actor, facts), strength_chart(curve))


def _change(facts: PreviewFacts) -> Fact | None:
    if facts.change is None:
        return None
    limits = [
        (NOTICEABLE, "Hardly visible: it changes less than the eye notices side by side."),
        (CLEAR, "Slight: you see it beside the base."),
        (STRONG, "Clear: the picture is a different one."),
    ]
    meaning = next((words for limit, words in limits if facts.change < limit), "Strong: little of the base is left.")
    return Fact("Change of the picture", f"ΔE {facts.change:.1f}", meaning)


def _trigger(facts: PreviewFacts) -> Fact | None:
    if facts.without_trigger is None or facts.with_trigger is None:
        return None
    if facts.with_trigger < NOTICEABLE:
        return Fact("Without its trigger word", f"ΔE {facts.without_trigger:.1f}", "Too little change to tell.")
    share = facts.without_trigger / facts.with_trigger
    if share < WAITS:
        meaning = "It waits for its word."
    elif share < ALWAYS:
        meaning = "It acts in part without its word: take it out of the pictures that shall not have it."
    else:
        meaning = "It acts whether its word is there or not."
    return Fact("Without its trigger word", f"{share:.0%} of the change", meaning)


def _variety(facts: PreviewFacts) -> Fact | None:
    if facts.diversity is None or not facts.base_diversity:
        return None
    share = facts.diversity / facts.base_diversity
    if share < UNIFORM:
        meaning = "Pictures from different seeds become alike."
    else:
        meaning = "Pictures from different seeds stay varied."
    return Fact("Variety", f"{share:.0%} of the base's", meaning)


def _alike(actor: Actor, facts: PreviewFacts) -> list[Alike]:
    """Only what the reader may see: likeness must not tell of what is private."""
    near = dict((pk, likeness) for pk, likeness in facts.alike)
    seen = versions_readable_by(actor).filter(pk__in=near, state=VersionState.PUBLISHED)
    versions = seen.select_related("adapter__owner").distinct()
    return sorted((Alike(one, near[one.pk]) for one in versions), key=lambda one: -one.likeness)[:SHOWN_ALIKE]
