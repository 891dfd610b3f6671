"""What an adapter may be given on as, given what it was made from: share-alike, parents' flags, widening."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from governance.policy.decisions import Findings, Reason
from governance.policy.licences import Licence, Ruleset
from governance.policy.plans import plans_of
from governance.policy.requests import Component, UseRequest
from governance.policy.rules.flags import CREATED
from governance.policy.vocabulary import VERIFIED, CommercialFlag, DownstreamRule, Grant, Outcome, Role, Use

_FLAG_USES = (
    (CommercialFlag.IMAGE, Use.COMMERCIAL_OUTPUTS, "commercial use of pictures"),
    (CommercialFlag.RENT, Use.HOSTED_SERVICE, "hosting for money"),
    (CommercialFlag.SELL, Use.SELLING_WEIGHTS, "selling the weights"),
)


def lineage(request: UseRequest, rules: Ruleset) -> Findings:
    """Each source against each adapter that is to be published."""
    adapters = [component for component in request.components if component.role is Role.ADAPTER]
    sources = [component for component in request.components if component.role is not Role.ADAPTER]
    reasons: list[Reason] = []
    for source in sources:
        for adapter in adapters:
            reasons.extend(share_alike(source, adapter, rules))
            reasons.extend(same_licence_flag(source, adapter, rules))
            reasons.extend(flags_within_base(source, adapter, rules))
            reasons.extend(licence_within_base(source, adapter, rules))
    return Findings(tuple(reasons))


def share_alike(source: Component, adapter: Component, rules: Ruleset) -> Iterator[Reason]:
    """Whether the source's licence lets the adapter be published under the licence declared for it."""
    given = rules.find(adapter.licence_id)
    licence = rules.find(source.licence_id)
    if licence is not None:
        yield from _downstream(source, adapter, licence, given)
    for other_id in source.facts.get("also_asserted") or ():
        other = rules.find(other_id)
        if other is not None:
            for reason in _downstream(source, adapter, other, given):
                if reason.outcome is not Outcome.ALLOW:  # one source's word alone does not refuse
                    yield reason._replace(outcome=Outcome.REVIEW, code="share-alike-disputed")


def _downstream(source: Component, adapter: Component, licence: Licence, given: Licence | None) -> Iterator[Reason]:
    down = licence.downstream
    kept = given is not None and (given.id == licence.id or given.id in down.compatible_with)
    name = adapter.licence_id or "no stated licence"
    if down.rule is DownstreamRule.SAME:
        yield _share_alike(source, adapter, licence, kept, given is None)
    elif down.rule is DownstreamRule.UNSETTLED and not kept:
        text = f"{down.text} Publishing under {name} is therefore for a moderator to decide."
        yield _about(source, Outcome.REVIEW, "share-alike-unsettled", text, licence, adapter)
    elif down.rule is DownstreamRule.NONE:
        outcome = Outcome.DENY if down.status in VERIFIED else Outcome.REVIEW
        yield _about(source, outcome, "no-downstream", down.text, licence, adapter)
    elif down.rule is DownstreamRule.PASS_ON and not (given is not None and given.id == licence.id):
        text = f"{down.text} They bind {adapter.name} as well, whatever its own licence says."
        yield _about(source, Outcome.ALLOW, "restrictions-stay", text, licence, adapter)


def _share_alike(source: Component, adapter: Component, licence: Licence, kept: bool, unknown: bool) -> Reason:
    down = licence.downstream
    if kept:
        text = f"{down.text} {adapter.licence_id} satisfies that."
        return _about(source, Outcome.ALLOW, "share-alike-kept", text, licence, adapter)
    name = adapter.licence_id or "no stated licence"
    ways = ", ".join((licence.id, *sorted(down.compatible_with)))
    text = f"{down.text} {adapter.name} is declared under {name}. Choose one of: {ways}."
    verified = down.status in VERIFIED and not unknown
    return _about(source, Outcome.DENY if verified else Outcome.REVIEW, "share-alike-broken", text, licence, adapter)


def same_licence_flag(source: Component, adapter: Component, rules: Ruleset) -> Iterator[Reason]:
    """A parent whose creator forbids a different licence passes its own licence on."""
    flags = source.flags
    if flags is None or source.role not in CREATED or flags.allow_different_licence is not False:
        return
    theirs, given = rules.find(source.licence_id), rules.find(adapter.licence_id)
    if theirs is not None and theirs is given:
        return
    message = (
        f"{source.name}: its creator does not permit another licence on what is made from it, and "
        f"{adapter.name} is declared under {adapter.licence_id or 'no stated licence'}. Declare "
        f"{source.licence_id or 'the licence of the parent'}."
    )
    outcome = Outcome.DENY if theirs is not None and given is not None else Outcome.REVIEW
    facts = {
        "flag": "allow_different_licence",
        "adapter": adapter.name,
        "adapter_licence": adapter.licence_id,
    }
    clause = "creator's flag: different licence"
    yield Reason(
        outcome,
        "flag-different-licence",
        "creator.flags",
        message,
        source.name,
        source.licence_id,
        clause,
        None,
        facts,
    )


def flags_within_base(source: Component, adapter: Component, rules: Ruleset) -> Iterator[Reason]:
    """A creator who ticks more than the base model's licence gives is told which clause narrows it."""
    ticked = adapter.flags.commercial_use if adapter.flags else None
    for flag, use, what in _FLAG_USES if ticked else ():
        if ticked and flag in ticked:
            yield from _narrowed(source, adapter, rules, use, f"the creator's flag “{flag.value}” ({what})", "flag")


def licence_within_base(source: Component, adapter: Component, rules: Ruleset) -> Iterator[Reason]:
    """The same for an adapter licence that grants what the base model's licence does not."""
    licence = rules.find(adapter.licence_id)
    for _flag, use, what in _FLAG_USES if licence else ():
        if licence and licence.claims[use].grant is Grant.YES:
            yield from _narrowed(source, adapter, rules, use, f"{licence.title} ({what})", "licence")


def _narrowed(
    source: Component, adapter: Component, rules: Ruleset, use: Use, what: str, kind: str
) -> Iterator[Reason]:
    licence = rules.find(source.licence_id)
    if licence is None or source.role is Role.TRAINING_DATA:
        return
    plan = plans_of(rules)[licence.id, use, source.role]
    if plan.claim.grant is Grant.YES:
        return
    message = f"{adapter.name}: {what} is narrowed by its base {source.name}. {plan.claim.text}"
    facts = {"use": use.value, "grant": plan.claim.grant.value, "source": source.name}
    yield Reason(
        Outcome.ALLOW,
        f"{kind}-narrowed-by-base",
        "lineage.widening",
        message,
        adapter.name,
        licence.id,
        plan.claim.clause,
        plan.claim.quote,
        facts,
    )


def merge_can_be_shared(request: UseRequest, rules: Ruleset) -> Findings:
    """Two share-alike licences that exclude each other make a merge that nobody may give on."""
    reasons = []
    for one, two in combinations(request.components, 2):
        first, second = rules.find(one.licence_id), rules.find(two.licence_id)
        if first and second and _exclude_each_other(first, second):
            one, two = sorted((one, two), key=lambda component: component.key)
            text = (
                f"A merge of {one.name} ({one.licence_id}) and {two.name} ({two.licence_id}) would have to "
                "be under both licences at once, so a moderator decides whether it can be given on at all."
            )
            facts = {"components": [one.name, two.name]}
            clause = f"{first.downstream.clause} / {second.downstream.clause}" if first.id < second.id else None
            clause = clause or f"{second.downstream.clause} / {first.downstream.clause}"
            reasons.append(
                Reason(
                    Outcome.REVIEW,
                    "merge-licences-conflict",
                    "lineage.merge",
                    text,
                    one.name,
                    one.licence_id,
                    clause,
                    None,
                    facts,
                )
            )
    return Findings(tuple(reasons))


def _exclude_each_other(first: Licence, second: Licence) -> bool:
    both_same = first.downstream.rule is DownstreamRule.SAME and second.downstream.rule is DownstreamRule.SAME
    compatible = second.id in first.downstream.compatible_with or first.id in second.downstream.compatible_with
    return both_same and first is not second and not compatible


def _about(source: Component, outcome: Outcome, code: str, text: str, licence: Licence, adapter: Component) -> Reason:
    facts = {
        "rule": licence.downstream.rule.value,
        "adapter": adapter.name,
        "adapter_licence": adapter.licence_id,
        "status": licence.downstream.status.value,
    }
    message = f"{source.name}: {text}"
    clause = licence.downstream.clause
    return Reason(outcome, code, "lineage.share-alike", message, source.name, licence.id, clause, None, facts)
