"""Asking for pictures: checked whole, decided on record, counted against the quotas, queued; cancelled and deleted."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from governance.errors import GovernanceRefused
from governance.models import DecisionRecord
from governance.policy import Outcome, Use, UseRequest
from governance.services import audited, decide_and_record
from inference.errors import GenerationQuota, GenerationRefused
from inference.generation_options import PURPOSES, bases_here, limits_of
from inference.generation_plan import RANDOM, SEED_MAX, Axis, Cell, PlanRefused, Spec, plan
from inference.generation_states import OPEN
from inference.models import Generation, GenerationAdapter, GenerationBatch, GenerationPicture
from inference.prompts import Mention, parse_prompt
from inference.selectors.generation_adapters import Answer, adapter_answer, all_components, uses_of
from inference.services.generation_words import Worded, words_check
from inference.signals import generation_queued
from registry.models import BaseModel, Version

DAY = timedelta(hours=24)


@dataclass(frozen=True)
class Prepared:
    """A request that nothing stands against but, perhaps, the law and the quotas."""

    spec: Spec
    base: BaseModel
    cells: tuple[Cell, ...]
    versions: dict[str, Version]  # by the address in the prompt, in the order of the prompt
    worded: Worded

    @property
    def asked_about(self) -> tuple[object, ...]:
        """What the decision depends on: requests of one batch that are alike in this share one."""
        return self.base.pk, self.spec.purpose, *sorted(version.pk for version in self.versions.values())


def generation_prepare(*, actor: User, spec: Spec) -> Prepared:
    """Everything that can be said before anything is written. Raises GenerationRefused, PromptRefused."""
    base = bases_here().filter(slug=spec.base_model).first()
    if base is None:
        raise _refused("base_model", "The weights of this base model are not on this registry's workers.")
    if spec.purpose not in PURPOSES:
        raise _refused("purpose", f"“{spec.purpose}” is no purpose. There are: {', '.join(PURPOSES)}.")
    if spec.seed == RANDOM:
        spec = replace(spec, seed=secrets.randbelow(SEED_MAX + 1))
    cells = _cells(spec, base)
    versions = _versions(actor, cells, base, Use(spec.purpose))
    worded = words_check(
        actor=actor, texts=[parse_prompt(cell.spec.prompt).text for cell in cells], versions=list(versions.values())
    )
    return Prepared(spec, base, cells, versions, worded)


def _refused(field: str, message: str) -> GenerationRefused:
    return GenerationRefused(message, errors={field: [message]})


def _cells(spec: Spec, base: BaseModel) -> tuple[Cell, ...]:
    """The single pictures; raises GenerationRefused with everything that is wrong with prompt and settings."""
    parsed = parse_prompt(spec.prompt)
    if parsed.problems:
        told = [f"{one.what} {one.why} {one.remedy}" for one in parsed.problems]
        raise GenerationRefused(told[0], errors={"prompt": told})
    if not parsed.text and not parsed.mentions:
        raise _refused("prompt", "The prompt is empty. Say what is to be seen.")
    try:
        cells = plan(spec, limits_of(base))
    except PlanRefused as refusal:
        errors: dict[str, list[str]] = {}
        for wrong in refusal.wrong:
            errors.setdefault(wrong.field, []).append(wrong.message)
        raise GenerationRefused(str(refusal), errors=errors) from refusal
    most = max(len(cell.mentions) for cell in cells)
    if most > settings.GENERATION_ADAPTERS_MAX:
        raise _refused("prompt", f"{most} adapters; a picture has at most {settings.GENERATION_ADAPTERS_MAX}.")
    return cells


def _versions(actor: User, cells: Sequence[Cell], base: BaseModel, purpose: Use) -> dict[str, Version]:
    mentions: dict[str, Mention] = {}
    for cell in cells:
        problems = parse_prompt(cell.spec.prompt).problems  # an axis can name an adapter that is there already
        if problems:
            raise _refused("prompt", f"{problems[0].what} {problems[0].why} {problems[0].remedy}")
        mentions |= {mention.address: mention for mention in cell.mentions if mention.address not in mentions}
    answers = {
        address: adapter_answer(actor=actor, mention=mention, base=base, purpose=purpose)
        for address, mention in mentions.items()
    }
    against = [answer for answer in answers.values() if answer.problem and answer.decision is None]
    if against:
        raise _adapters_refused(against)
    return {address: answer.version for address, answer in answers.items() if answer.version is not None}


def _adapters_refused(answers: Sequence[Answer]) -> GenerationRefused:
    problems = [{"adapter": answer.mention.written, **answer.problem} for answer in answers]
    first = answers[0].problem
    told = [" ".join(filter(None, answer.problem.values())) for answer in answers]
    return GenerationRefused(
        f"{first['what']} {first['why']}".strip(), remedy=first["remedy"], errors={"prompt": told}, problems=problems
    )


def generation_ask(*, actor: User, spec: Spec) -> Generation:
    """Queue one request. Raises GenerationRefused, PromptRefused, GenerationQuota, and GovernanceRefused on record."""
    prepared = generation_prepare(actor=actor, spec=spec)
    return _queue(actor, [prepared], None)[0]


def generations_ask(*, actor: User, specs: Sequence[Spec], name: str = "") -> GenerationBatch:
    """Queue all requests of a file, or none: raises GenerationRefused with what is wrong by line, or as one alone."""
    if not specs:
        raise _refused("rows", "There are no requests in it.")
    if len(specs) > settings.GENERATION_BATCH_ROWS:
        raise _refused("rows", f"{len(specs)} requests; a batch has at most {settings.GENERATION_BATCH_ROWS}.")
    prepared, rows = [], {}
    for number, spec in enumerate(specs, start=1):
        try:
            prepared.append(generation_prepare(actor=actor, spec=spec))
        except GenerationRefused as refusal:
            rows[number] = [text for texts in refusal.data["errors"].values() for text in texts]
    if rows:
        raise GenerationRefused(f"{len(rows)} of {len(specs)} requests cannot be made.", errors={}, rows=rows)
    batch = GenerationBatch(user=actor, name=name[:120])
    _queue(actor, prepared, batch)
    return batch


def _queue(actor: User, prepared: Sequence[Prepared], batch: GenerationBatch | None) -> list[Generation]:
    """Decide, count and write in one transaction; a refusal is on record, and raised when that is certain."""
    with audited():
        _require_quota(actor, sum(len(one.cells) for one in prepared))
        answers: dict[tuple[object, ...], tuple[DecisionRecord, DecisionRecord] | GovernanceRefused] = {}
        for one in prepared:
            if one.asked_about not in answers:
                answers[one.asked_about] = _decide(actor, one)
        refusal = next((answer for answer in answers.values() if isinstance(answer, GovernanceRefused)), None)
        if refusal is None:
            if batch is not None:
                batch.save(force_insert=True)
            made = [_create(actor, one, batch, answers[one.asked_about]) for one in prepared]
            transaction.on_commit(lambda: generation_queued.send(sender=Generation))
    if refusal is not None:
        raise refusal
    return made


def _require_quota(actor: User, more: int) -> None:
    """The chain's lock is held, so nobody else counts at the same time."""
    waiting, today = generation_counts(actor=actor)
    if waiting + more > settings.GENERATION_WAITING_PER_USER:
        raise GenerationQuota(
            f"{more} more pictures are asked for and {waiting} of yours are waiting; at most "
            f"{settings.GENERATION_WAITING_PER_USER} may wait at once."
        )
    if today + more > settings.GENERATION_PICTURES_A_DAY:
        raise GenerationQuota(
            f"{more} more pictures are asked for and you asked for {today} in the last 24 hours; at most "
            f"{settings.GENERATION_PICTURES_A_DAY} are made for one person in that time.",
            remedy="Wait until some hours have passed, or ask the administrator for more.",
        )


def generation_counts(*, actor: User) -> tuple[int, int]:
    """How many of the actor's pictures are not finished, and how many they asked for in the last 24 hours."""
    mine = GenerationPicture.objects.filter(generation__user=actor)
    return mine.filter(state__in=OPEN).count(), mine.filter(created_at__gt=timezone.now() - DAY).count()


def _decide(actor: User, one: Prepared) -> tuple[DecisionRecord, DecisionRecord] | GovernanceRefused:
    components = all_components(one.base, one.versions.values())
    label = ", ".join([one.base.name, *map(str, one.versions.values())])
    records: list[DecisionRecord] = []
    for use, facts in uses_of(actor, Use(one.spec.purpose)):
        decision, record = decide_and_record(
            request=UseRequest(use=use, components=components, actor=facts),
            actor=actor,
            organisation=None,
            subject=("registry.basemodel", one.base.slug, label[:300]),
            action=use.value,
        )
        if decision.outcome is not Outcome.ALLOW:
            return GovernanceRefused(decision=decision, record=record)
        records.append(record)
    return records[0], records[1]


def _create(actor: User, one: Prepared, batch: GenerationBatch | None, decided: Any) -> Generation:
    hosting, purpose = decided
    generation = Generation.objects.create(
        user=actor,
        batch=batch,
        base_model=one.base,
        purpose=one.spec.purpose,
        prompt=one.spec.prompt,
        negative=one.spec.negative,
        settings=settings_of(one.spec),
        pictures_total=len(one.cells),
        watchful=one.worded.watchful,
        consents=list(one.worded.consents),
        hosting_decision=hosting,
        purpose_decision=purpose,
    )
    GenerationAdapter.objects.bulk_create(
        GenerationAdapter(generation=generation, version=version, position=position, written=address[:200])
        for position, (address, version) in enumerate(one.versions.items())
    )
    places = {address: position for position, address in enumerate(one.versions)}
    GenerationPicture.objects.bulk_create(_picture(generation, cell, places) for cell in one.cells)
    return generation


def settings_of(spec: Spec) -> dict[str, Any]:
    """All settings but the prompt, as the row keeps them."""
    axes = {name: axis.to_json() for name, axis in (("x", spec.x), ("y", spec.y)) if isinstance(axis, Axis)}
    plain = {name: getattr(spec, name) for name in PLAIN}
    return {**plain, **axes}


PLAIN = ("seed", "steps", "guidance", "sampler", "width", "height", "count")


def _picture(generation: Generation, cell: Cell, places: dict[str, int]) -> GenerationPicture:
    spec, parsed = cell.spec, parse_prompt(cell.spec.prompt)
    return GenerationPicture(
        generation=generation,
        row=cell.row,
        column=cell.column,
        row_label=cell.row_label,
        column_label=cell.column_label,
        prompt=spec.prompt,
        negative=spec.negative,
        text=parsed.text,
        weights=[[places[one.address], one.text_weight, one.weight] for one in parsed.mentions],
        seed=spec.seed,
        steps=spec.steps,
        guidance=spec.guidance,
        sampler=spec.sampler,
        width=spec.width,
        height=spec.height,
        steps_total=spec.steps,
    )
