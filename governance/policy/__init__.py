"""The policy engine: a pure decision over plain values, and the catalogue of licences it reads.

decide(UseRequest(use, components, actor, declarations), load_ruleset(folder)) -> Decision
"""

from governance.policy.consents import ConsentGrant, ConsentNeed
from governance.policy.decisions import Decision, Obligation, Question, Reason
from governance.policy.engine import decide
from governance.policy.licences import (
    DISCLAIMER,
    Assertion,
    Claim,
    Condition,
    Dispute,
    Duty,
    Licence,
    Ruleset,
)
from governance.policy.loading import CatalogueError, load_ruleset
from governance.policy.permissions import Permission, effective_permissions
from governance.policy.requests import (
    ActorFacts,
    Component,
    CreatorFlags,
    Declarations,
    Finding,
    IncompleteRequest,
    UseRequest,
)
from governance.policy.vocabulary import (
    ASKED_USES,
    CommercialFlag,
    ConditionKind,
    ConsentScope,
    DownstreamRule,
    Grant,
    ObligationKind,
    Outcome,
    Role,
    Status,
    Use,
)

__all__ = [
    "ASKED_USES",
    "DISCLAIMER",
    "ActorFacts",
    "Assertion",
    "CatalogueError",
    "Claim",
    "CommercialFlag",
    "Component",
    "Condition",
    "ConditionKind",
    "ConsentGrant",
    "ConsentNeed",
    "ConsentScope",
    "CreatorFlags",
    "Decision",
    "Declarations",
    "Dispute",
    "DownstreamRule",
    "Duty",
    "Finding",
    "Grant",
    "IncompleteRequest",
    "Licence",
    "Obligation",
    "ObligationKind",
    "Outcome",
    "Permission",
    "Question",
    "Reason",
    "Role",
    "Ruleset",
    "Status",
    "Use",
    "UseRequest",
    "decide",
    "effective_permissions",
    "load_ruleset",
]
