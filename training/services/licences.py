"""Under which licence a result can be given on: worked out by asking the policy engine about each candidate."""

from collections.abc import Iterable

from governance.policy import Component, Declarations, Outcome, Role, Use, UseRequest, decide
from governance.policy.vocabulary import SEVERITY
from governance.rulebook import current_ruleset
from registry.services.policy import base_component
from training.models import TrainingRun
from training.services.standing import kept_components

FREE = "apache-2.0"  # for what nothing binds


def licence_proposed(run: TrainingRun) -> str:
    """The first licence under which the engine would let the result out: the base's, then those of the pictures.

    Where a person has to decide about each, the one that the fewest reasons stand against.
    """
    ruleset = current_ruleset()
    sources = (base_component(run.base_model), *kept_components(run))
    ranked = []
    for place, licence in enumerate(_candidates(sources)):
        adapter = Component(Role.ADAPTER, "the result", licence, run.owner.slug)
        declared = Declarations(
            rights_affirmed=True,
            depicts_real_person=False,
            training_sources=("as on record",),
            screened=True,
            family_declared=run.base_model.family,
            family_found=run.base_model.family,
        )
        decision = decide(UseRequest(Use.PUBLISH, (*sources, adapter), declarations=declared), ruleset)
        against = sum(reason.outcome is not Outcome.ALLOW for reason in decision.reasons)
        ranked.append((SEVERITY[decision.outcome], against, place, licence))
    return min(ranked)[-1]


def _candidates(sources: Iterable[Component]) -> list[str]:
    known = current_ruleset().licences
    named = [source.licence_id for source in sources if source.licence_id in known]
    return list(dict.fromkeys([name for name in named if name is not None] + [FREE]))
