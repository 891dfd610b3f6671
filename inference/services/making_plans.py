"""What somebody wants to have made: checked, decided about, its terms accepted, and queued."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.conf import settings
from django.db import transaction

from accounts.errors import NotPermitted
from accounts.models import Namespace, Organisation, User
from governance.errors import GovernanceRefused
from governance.models import DecisionRecord
from governance.policy import ActorFacts, Component, Decision, Outcome, Role, Use, UseRequest, decide
from governance.rulebook import current_ruleset
from governance.selectors import actor_facts
from governance.services import audit_append, audited, decide_and_record
from inference.errors import MakingRefused
from inference.making_options import FAMILY_MAX, MAX_PARTS, MIN_PARTS, options_checked
from inference.models import Making, MakingJob, MakingPart
from inference.services.making_licences import (
    Licensing,
    Permissions,
    licence_computed,
    parts_components,
    permissions_together,
)
from inference.services.previews import HOUSE_FACTS
from inference.signals import making_queued
from inference.states import UNFINISHED
from registry.errors import AcceptanceNeeded
from registry.models import Adapter, BaseModel, Receipt, TermsText, Upload, Version
from registry.permissions import AdapterPermission
from registry.selectors.access import adapter_permissions, namespaces_for_upload
from registry.selectors.visibility import version_readable
from registry.services.adapters import NAME_PATTERN
from registry.services.delivery import gate_accept, require_available
from registry.services.policy import base_component, licence_known, use_request
from registry.services.terms import terms_of
from registry.standing import obstacle_to

DRAFTS = (Making.MERGE, Making.EXTRACT)  # what ends in a version of the registry


@dataclass(frozen=True)
class Ingredient:
    """A version that goes in, and how strongly."""

    version: Version
    weight: float = 1.0


@dataclass(frozen=True)
class Brought:
    """A checkpoint that somebody uploaded to extract from, under the licence that they state."""

    upload: Upload
    licence_id: str
    sources: str


@dataclass(frozen=True)
class MakingPlan:
    """What is to be made, of what, and where it goes."""

    kind: Making
    base_model: BaseModel
    parts: tuple[Ingredient, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    owner: Namespace | None = None
    adapter_name: str = ""
    title: str = ""
    organisation: Organisation | None = None
    tuned: BaseModel | None = None
    brought: Brought | None = None

    @property
    def versions(self) -> list[Version]:
        return [part.version for part in self.parts]


@dataclass(frozen=True)
class MakingAnswer:
    """The decision on record; the computed licence of what ends in a version; the terms of each part."""

    decision: Decision
    record: DecisionRecord
    licensing: Licensing | None
    permissions: Permissions
    terms: tuple[tuple[Version, TermsText], ...]
    closed: frozenset[int] = frozenset()
    """Parts whose weights the gate hands to nobody for now: they go in without a receipt, and only into a draft."""

    @property
    def allowed(self) -> bool:
        return self.decision.outcome is Outcome.ALLOW

    @property
    def waits(self) -> bool:
        """Whether it is made all the same, and a person decides when it is to be published.

        A draft hands nobody's weights on, not to its maker either, so what the engine leaves to a person can wait until
        then. Only where publishing it will wait for one as well, and no answer of the maker's own is missing.
        """
        left = self.decision.outcome is Outcome.REVIEW and self.decision.use is Use.MERGING
        later = self.licensing is not None and self.licensing.decision.outcome is Outcome.REVIEW
        return left and later and not self.decision.questions

    @property
    def may_start(self) -> bool:
        return self.allowed or self.waits

    @property
    def digest(self) -> str:
        """Of all terms together: what is accepted."""
        return hashlib.sha256("\n".join(terms.digest for _, terms in self.terms).encode()).hexdigest()

    @property
    def text(self) -> str:
        return "\n\n".join(terms.text for _, terms in self.terms)


@audited()
def making_ask(*, actor: User, plan: MakingPlan) -> MakingAnswer:
    """Decide whether this may be made; the answer is put on record, yes or no.

    Asked in this order, and the first that is no ALLOW is the answer: may the parts be merged; may the base be given
    on, for a merged base model; is there a licence under which the result can be given on, for a version.
    """
    check_plan(actor, plan)
    facts = actor_facts(actor=actor, organisation=plan.organisation)
    components = plan_components(plan, actor)
    permissions = permissions_together(plan.versions)
    licensing = None
    request = UseRequest(Use.MERGING, components, facts)
    decision = decide(request, current_ruleset())
    if decision.outcome is Outcome.ALLOW and plan.kind == Making.CHECKPOINT:
        # It is the house that would hand the base on, so the facts are the house's.
        house = replace(HOUSE_FACTS, receives_payment=settings.DOWNLOADS_ARE_PAID)
        given_on = UseRequest(Use.REDISTRIBUTION, components, house)
        if (further := decide(given_on, current_ruleset())).outcome is not Outcome.ALLOW:
            request, decision = given_on, further
    if plan.kind in DRAFTS:
        licensing = licence_computed(
            components=components, permissions=permissions, family=plan.base_model.family, facts=facts
        )
        if not licensing.is_possible and decision.outcome is not Outcome.DENY:
            request, decision = licensing.request, licensing.decision
    _, record = decide_and_record(
        request=request,
        actor=actor,
        organisation=plan.organisation,
        subject=("inference.making", plan.kind, plan.title or plan.adapter_name or Making(plan.kind).label),
        action=request.use.value,
    )
    answer = MakingAnswer(decision, record, licensing, permissions, ())
    if not answer.may_start:
        return answer
    terms, closed = _terms(plan, facts)
    return replace(answer, terms=terms, closed=closed)


def plan_components(plan: MakingPlan, actor: User) -> tuple[Component, ...]:
    """The base that the result is for, and everything that goes in."""
    found: dict[Component, None] = {base_component(plan.base_model): None}
    found |= dict.fromkeys(parts_components(plan.versions))
    if plan.tuned is not None:
        found[base_component(plan.tuned)] = None
    if plan.brought is not None:
        name = "the checkpoint that is brought"
        found[Component(Role.PARENT, name, plan.brought.licence_id, actor.username)] = None
    return tuple(found)


def _terms(plan: MakingPlan, facts: ActorFacts) -> tuple[tuple[tuple[Version, TermsText], ...], frozenset[int]]:
    """The terms of each part for merging, as the gate shows them, and the parts for which it would not open."""
    found, closed = [], set()
    for version in plan.versions:
        decision = decide(use_request(version, Use.MERGING, facts), current_ruleset())
        found.append((version, terms_of(version, decision)))
        if not decision.allowed:
            closed.add(version.pk)
    return tuple(found), frozenset(closed)


def making_start(*, actor: User, plan: MakingPlan, accepted_terms: str) -> MakingJob:
    """Decide again, accept the terms of every part at the gate, and queue the job.

    Raises MakingRefused for a plan that cannot be, GovernanceRefused after the refusal is on record, AcceptanceNeeded
    with the digest and the text of all terms.
    """
    answer = making_ask(actor=actor, plan=plan)
    if not answer.may_start:
        raise GovernanceRefused(decision=answer.decision, record=answer.record)
    if accepted_terms != answer.digest:
        raise AcceptanceNeeded(
            "The terms of what goes in have to be accepted in their present wording.",
            terms=answer.digest,
            text=answer.text,
            licence=answer.licensing.licence_id if answer.licensing else None,
            outcome=answer.decision.outcome.value,
        )
    with audited():
        open_ = [(version, terms) for version, terms in answer.terms if version.pk not in answer.closed]
        receipts = {version.pk: _receipt(actor, plan, version, terms) for version, terms in open_}
        return _queued(actor, plan, answer, receipts)


def _receipt(actor: User, plan: MakingPlan, version: Version, terms: TermsText) -> Receipt:
    """Who merges takes the weights: under the same terms, and with the same receipt, as by a download."""
    return gate_accept(
        actor=actor,
        organisation=plan.organisation,
        version=version,
        use=Use.MERGING,
        accepted_terms=terms.digest,
    )


def making_queue(*, actor: User, plan: MakingPlan) -> MakingJob:
    """Queue what hands nobody's weights on: a conflict report, which only tells of them."""
    if plan.kind != Making.COMPARE:
        raise MakingRefused("This is not made without a decision.")
    with audited():
        check_plan(actor, plan)
        return _queued(actor, plan, None, {})


def _queued(actor: User, plan: MakingPlan, answer: MakingAnswer | None, receipts: Mapping[int, Receipt]) -> MakingJob:
    check_waiting(actor)
    licensing = answer.licensing if answer else None
    job = MakingJob.objects.create(
        kind=plan.kind,
        created_by=actor,
        organisation=plan.organisation,
        owner=plan.owner,
        adapter_name=plan.adapter_name,
        title=plan.title,
        base_model=plan.base_model,
        recipe=plan_recipe(plan, answer),
        licence_id=licensing.licence_id if licensing else "",
        decision=answer.record if answer else None,
        upload=plan.brought.upload if plan.brought else None,
    )
    MakingPart.objects.bulk_create(
        MakingPart(
            job=job, version=part.version, position=place, weight=part.weight, receipt=receipts.get(part.version.pk)
        )
        for place, part in enumerate(plan.parts)
    )
    data: dict[str, Any] = {"kind": job.kind, "versions": [part.version.pk for part in plan.parts]}
    if answer is not None:
        data |= {"outcome": answer.decision.outcome.value, "terms": answer.digest}
    audit_append(actor=actor, action="making.queued", subject=("inference.making", str(job.pk)), data=data)
    transaction.on_commit(lambda: making_queued.send(sender=MakingJob, job_id=str(job.pk)))
    return job


def plan_recipe(plan: MakingPlan, answer: MakingAnswer | None) -> dict[str, Any]:
    """What the worker is told, and what the result declares."""
    recipe = options_checked(plan.kind, plan.options)
    if answer is not None and plan.kind in DRAFTS:
        recipe["permissions"] = {
            "credit_required": answer.permissions.credit_required,
            "allow_different_licence": answer.permissions.allow_different_licence,
            "commercial_use": list(answer.permissions.commercial_use),
        }
    if plan.tuned is not None:
        recipe["tuned"] = plan.tuned.slug
    if plan.brought is not None:
        recipe |= {"licence": plan.brought.licence_id, "sources": plan.brought.sources}
    return recipe


def check_waiting(actor: User) -> None:
    """Raises MakingRefused where as many of the actor's jobs wait as may."""
    waiting = MakingJob.objects.filter(created_by=actor, state__in=UNFINISHED).count()
    if waiting >= settings.MAKING_WAITING_PER_USER:
        raise MakingRefused(
            f"{waiting} of your jobs are not finished yet, which is as many as may be.",
            remedy="Wait until one has ended, or cancel one.",
        )


def check_plan(actor: User, plan: MakingPlan) -> None:
    """Raises MakingRefused with one line per field, or what the registry raises for a version that is not there."""
    errors: dict[str, str] = {}
    _check_parts(actor, plan, errors)
    _check_base(plan, errors)
    if plan.kind in DRAFTS:
        _check_place(actor, plan, errors)
    if plan.kind == Making.EXTRACT:
        _check_extraction(plan, errors)
    try:
        options_checked(plan.kind, plan.options)
    except MakingRefused as refused:
        errors |= refused.data.get("errors", {})
    if errors:
        first = next(iter(errors.values()))
        raise MakingRefused(f"It cannot be made so. {first}", errors=errors)


def _check_parts(actor: User, plan: MakingPlan, errors: dict[str, str]) -> None:
    versions = plan.versions
    least = MIN_PARTS[plan.kind]
    if not least <= len(versions) <= MAX_PARTS[plan.kind]:
        errors["parts"] = f"It takes {least} to {MAX_PARTS[plan.kind]} adapters."
    if len({version.pk for version in versions}) < len(versions):
        errors["parts"] = "One adapter is named twice; add its weights up."
    if any(not -FAMILY_MAX <= part.weight <= FAMILY_MAX for part in plan.parts):
        errors["parts"] = "Give each adapter a weight between -4 and 4."
    if plan.kind != Making.COMPARE and any(part.weight == 0 for part in plan.parts):
        errors["parts"] = "An adapter of weight 0 would leave nothing but its terms: leave it out."
    for version in versions:
        if not version_readable(actor, version):
            errors["parts"] = "There is no such adapter that you may see."
            continue
        require_available(version)
        if obstacle := obstacle_to(version, Use.MERGING):
            errors["parts"] = f"{version}: {obstacle.what} {obstacle.why}"
        if version.base_model.family != plan.base_model.family:
            errors["parts"] = f"{version} is for {version.base_model.name}, which is of another family."


def _check_base(plan: MakingPlan, errors: dict[str, str]) -> None:
    if plan.base_model.slug not in settings.BASE_MODEL_LOCATIONS:
        errors["base_model"] = (
            f"The layers of {plan.base_model.name} are read from its weights, and this registry's workers have none."
        )


def _check_place(actor: User, plan: MakingPlan, errors: dict[str, str]) -> None:
    if not NAME_PATTERN.match(plan.adapter_name):
        errors["name"] = "Use up to 60 lower-case letters and digits, with single hyphens, dots or underscores inside."
    if plan.owner is None or not namespaces_for_upload(actor).filter(pk=plan.owner.pk).exists():
        errors["owner"] = "Choose a name that you may upload under."
        return
    adapter = Adapter.objects.filter(owner=plan.owner, name=plan.adapter_name).select_related("owner").first()
    if adapter is not None and AdapterPermission.CONTRIBUTE not in adapter_permissions(actor, adapter):
        raise NotPermitted(f"You may not add versions to {adapter}.")


def _check_extraction(plan: MakingPlan, errors: dict[str, str]) -> None:
    if (plan.tuned is None) == (plan.brought is None):
        errors["tuned"] = "Name a fine-tuned base model of the catalogue, or bring a checkpoint."
    if plan.tuned is not None:
        if plan.tuned.slug not in settings.BASE_MODEL_LOCATIONS or plan.tuned.pk == plan.base_model.pk:
            errors["tuned"] = f"The weights of {plan.tuned.name} are not on this registry's workers beside its base."
        elif plan.tuned.family != plan.base_model.family:
            errors["tuned"] = f"{plan.tuned.name} is of another family than {plan.base_model.name}."
    if plan.brought is not None:
        if not plan.brought.upload.is_complete:
            errors["upload"] = "The checkpoint has not arrived whole."
        if not licence_known(plan.brought.licence_id):
            errors["licence"] = f"{plan.brought.licence_id!r} is not in the licence catalogue."
        if not plan.brought.sources.strip():
            errors["sources"] = "Say what the checkpoint is and what it was trained on."
