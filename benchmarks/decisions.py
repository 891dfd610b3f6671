"""How many licence decisions a second one process takes: `python -m benchmarks.decisions`.

Requests are mixed as the registry asks them: an adapter on one of forty bases, sometimes with a parent, training
pictures or a second adapter, for every use, by askers who stated everything, something or nothing. Few adapters are
asked about often and many rarely, as downloads go. The requests are built beforehand; what is measured is `decide`
alone. "warm" is a process at work and "cold" the same requests in one that has just started; the target is theirs.
"new" is the worst case: every request is about an adapter that the process never saw.
"""

from __future__ import annotations

import argparse
import gc
import random
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from time import perf_counter

from governance.policy import (
    ActorFacts,
    CommercialFlag,
    Component,
    CreatorFlags,
    Declarations,
    Role,
    Ruleset,
    Use,
    UseRequest,
    decide,
    load_ruleset,
)
from governance.policy.engine import _of_component

CATALOGUE = Path(__file__).resolve().parent.parent / "governance" / "catalogue"
TARGET = 50_000  # decisions a second
TARGETED = ("warm", "cold")

# Roughly how often each use is asked: downloads for oneself first, then the gate's other uses, then uploads.
USES = {
    Use.PERSONAL: 40,
    Use.COMMERCIAL_OUTPUTS: 20,
    Use.REDISTRIBUTION: 8,
    Use.HOSTED_SERVICE: 8,
    Use.MERGING: 6,
    Use.RESEARCH: 5,
    Use.SELLING_WEIGHTS: 3,
    Use.PREVIEW: 4,
    Use.TRAINING: 2,
    Use.PUBLISH: 4,
}
ACTORS = (
    ActorFacts(),
    ActorFacts(receives_payment=False, territory="JP"),
    ActorFacts(
        annual_revenue_usd=400_000,
        monthly_users=20_000,
        territory="US",
        registered_with=frozenset({"stability-ai"}),
        receives_payment=True,
        serves_end_users=True,
        offers_related_service=True,
        filters_content=True,
        discloses_ai=True,
        trains_competing_model=False,
        biometric_processing=False,
    ),
    ActorFacts(annual_revenue_usd=30_000_000, monthly_users=5_000_000, territory="DE", receives_payment=True),
)
DECLARED = Declarations(
    rights_affirmed=True, depicts_real_person=False, training_sources=("own pictures",), screened=True
)
FLAGS = (
    None,
    CreatorFlags(frozenset({CommercialFlag.IMAGE}), allow_no_credit=False),
    CreatorFlags(frozenset(CommercialFlag), True, True, True),
    CreatorFlags(frozenset(), False, False, False),
)


def mixed_requests(rules: Ruleset, count: int, *, seed: int, adapters: int, popular: bool = True) -> list[UseRequest]:
    """`count` requests over `adapters` adapters, the nth as often as 1/n says, or each once; repeatable by `seed`."""
    dice = random.Random(seed)
    bases = _bases(rules, dice)
    own = [licence.id for licence in rules.licences.values() if "adapter" in licence.kinds]
    pictures = [licence.id for licence in rules.licences.values() if "data" in licence.kinds]
    pool = [
        Component(Role.ADAPTER, f"user{n % 997}/adapter-{seed}-{n}", dice.choice(own), "uploader", dice.choice(FLAGS))
        for n in range(adapters)
    ]
    uses = dice.choices(list(USES), weights=list(USES.values()), k=count)
    ranks = [1 / (n + 1) for n in range(adapters)]
    asked = dice.choices(pool, weights=ranks, k=count) if popular else dice.sample(pool, count)
    return [
        _request(use, dice, [dice.choice(bases), about], pool, pictures) for use, about in zip(uses, asked, strict=True)
    ]


def _bases(rules: Ruleset, dice: random.Random) -> list[Component]:
    weights = [licence for licence in rules.licences.values() if "weights" in licence.kinds]
    plain = [Component(Role.BASE, f"Base {n}", dice.choice(weights).id, "publisher") for n in range(34)]
    disputed = [
        Component(Role.BASE, found.name, found.licence_ids[0], "pages", facts=found.facts_for(found.licence_ids[0]))
        for found in rules.disputes.values()
    ]
    return plain + disputed


def _request(
    use: Use, dice: random.Random, parts: list[Component], pool: list[Component], pictures: list[str]
) -> UseRequest:
    if dice.random() < 0.15:
        parts.append(dice.choice(pool))
    if dice.random() < 0.2:
        parts.append(Component(Role.TRAINING_DATA, "pictures", dice.choice(pictures)))
    if dice.random() < 0.1:
        made_from = dice.choice(pool)
        parts.append(Component(Role.PARENT, made_from.name, made_from.licence_id, "", made_from.flags))
    return UseRequest(use, tuple(parts), dice.choice(ACTORS), DECLARED if use is Use.PUBLISH else None)


def rate(requests: Iterable[UseRequest], rules: Ruleset) -> tuple[float, Counter[str]]:
    """Decisions a second over these requests, and how they came out."""
    asked = list(requests)
    start = perf_counter()
    outcomes = [decide(request, rules).outcome for request in asked]  # a decision is not kept, as at the gate
    elapsed = perf_counter() - start
    return len(asked) / elapsed, Counter(outcome.value for outcome in outcomes)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--adapters", type=int, default=5_000, help="different adapters that are asked about")
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    rules = load_ruleset(CATALOGUE)
    requests = mixed_requests(rules, options.requests, seed=1, adapters=options.adapters)
    distinct = mixed_requests(rules, options.requests, seed=2, adapters=options.requests, popular=False)
    gc.freeze()  # the questions were asked elsewhere: collecting garbage shall not walk through them
    rows: dict[str, list[float]] = {"cold": [], "new": [], "warm": []}
    for _ in range(options.repeat):
        _of_component.cache_clear()
        found, outcomes = rate(requests, rules)
        rows["cold"].append(found)
        rows["warm"].append(rate(requests, rules)[0])
        rows["new"].append(rate(distinct, rules)[0])
    _print(rows, outcomes, options.requests)
    return 0 if min(max(rows[name]) for name in TARGETED) >= TARGET else 1


def _print(rows: dict[str, list[float]], outcomes: Counter[str], count: int) -> None:
    shares = ", ".join(f"{name} {100 * number / count:.0f} %" for name, number in sorted(outcomes.items()))
    print(f"Python {sys.version.split()[0]}, one process, {count:,} mixed requests ({shares})\n")
    print(f"{'':6} {'median/s':>12} {'best/s':>12} {'µs each':>9}  target {TARGET:,}/s")
    for name, rates in rows.items():
        median = sorted(rates)[len(rates) // 2]
        mark = ("met" if max(rates) >= TARGET else "missed") if name in TARGETED else ""
        print(f"{name:6} {median:12,.0f} {max(rates):12,.0f} {1e6 / median:9.1f}  {mark}")


if __name__ == "__main__":
    raise SystemExit(main())
