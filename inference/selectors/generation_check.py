"""What the page says while somebody types: each adapter in the prompt, what is wrong, how many pictures it would be."""

from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings

from accounts.models import User
from governance.policy import Use
from inference.generation_options import limits_of
from inference.generation_plan import RANDOM, Cell, PlanRefused, Spec, plan
from inference.prompts import MAX_PROMPT, parse_prompt
from inference.selectors.generation_adapters import Answer, adapter_answer
from inference.services.generation import generation_counts
from registry.models import Adapter, BaseModel
from registry.selectors.access import Actor
from registry.selectors.search import AdapterQuery, adapter_search

PICKED = 12  # adapters that the picker shows
MAX_SHOWN = 16


@dataclass(frozen=True)
class Checked:
    """The panel below the prompt."""

    answers: tuple[Answer, ...]
    problems: tuple[Any, ...]
    wrong: tuple[str, ...]
    pictures: int
    columns: int
    rows: int
    room: int  # pictures that may still be asked for at once
    today: int  # and within the day

    @property
    def is_grid(self) -> bool:
        return self.rows > 1 and self.columns > 1

    @property
    def is_clear(self) -> bool:
        return not self.problems and not self.wrong and all(answer.is_allowed for answer in self.answers)


def generation_check(*, actor: User, spec: Spec, base: BaseModel) -> Checked:
    """Nothing is written and nothing is on record: the request itself is decided when it is sent."""
    parsed = parse_prompt(spec.prompt)
    answers = tuple(
        adapter_answer(actor=actor, mention=mention, base=base, purpose=Use(spec.purpose))
        for mention in parsed.mentions[:MAX_SHOWN]
    )
    cells: tuple[Cell, ...] = ()
    wrong: tuple[str, ...] = ()
    try:
        if not parsed.problems and len(spec.prompt) <= MAX_PROMPT:
            cells = plan(replace(spec, seed=0) if spec.seed == RANDOM else spec, limits_of(base))  # drawn when sent
    except PlanRefused as refusal:
        wrong = tuple(one.message for one in refusal.wrong)
    waiting, today = generation_counts(actor=actor)
    return Checked(
        answers=answers,
        problems=parsed.problems,
        wrong=wrong,
        pictures=len(cells),
        columns=1 + max((cell.column for cell in cells), default=0),
        rows=1 + max((cell.row for cell in cells), default=0),
        room=max(settings.GENERATION_WAITING_PER_USER - waiting, 0),
        today=max(settings.GENERATION_PICTURES_A_DAY - today, 0),
    )


def adapters_to_pick(*, actor: Actor, base: BaseModel, text: str) -> list[Adapter]:
    """Published adapters for the base model's family that match, the most downloaded first where nothing is typed."""
    sort = "relevance" if text.strip() else "downloads"
    query = AdapterQuery(text=text[:200], family=base.family, sort=sort, limit=PICKED)
    return adapter_search(actor=actor, query=query).adapters
