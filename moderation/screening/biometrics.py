"""Whether faces may be looked for in what a base model makes: its licence decides, by the policy engine."""

from governance.policy import ActorFacts, ObligationKind, Use, UseRequest, decide
from governance.rulebook import current_ruleset
from registry.models import Version
from registry.services.policy import version_components


def outputs_may_be_compared(version: Version) -> bool:
    """False where a licence of the version, its base or its parents forbids biometric processing of outputs."""
    request = UseRequest(Use.PREVIEW, version_components(version), ActorFacts())
    duties = decide(request, current_ruleset()).obligations
    return all(duty.kind is not ObligationKind.NO_BIOMETRIC_PROCESSING for duty in duties)
