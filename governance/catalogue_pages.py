"""The catalogue as pages and the API show it: grants by use, groups, disputes."""

import re
from dataclasses import dataclass
from typing import Any

from governance.policy import Claim, Dispute, Licence, Ruleset, Use
from governance.policy.vocabulary import VERIFIED, Grant


@dataclass(frozen=True)
class GrantRow:
    """What a licence says about one use, with the badge that shows it."""

    use: Use
    claim: Claim
    badge: str
    word: str
    checked: bool
    for_training_data: bool


GRANT_BADGES = {
    Grant.YES: ("allow", "granted"),
    Grant.CONDITIONAL: ("review", "on conditions"),
    Grant.NO: ("deny", "not granted"),
    Grant.UNSTATED: ("muted", "not stated"),
}


def licence_grants(licence: Licence) -> list[GrantRow]:
    """Each claim of a licence, the ones that hold for training data only last."""
    both = [(claim, False) for claim in licence.claims.values()] + [(c, True) for c in licence.data_claims.values()]
    order = list(Use)
    rows = [
        GrantRow(claim.use, claim, *GRANT_BADGES[claim.grant], claim.status in VERIFIED, for_data)
        for claim, for_data in both
    ]
    return sorted(rows, key=lambda row: (row.for_training_data, order.index(row.use)))


def licence_groups(rules: Ruleset) -> list[tuple[str, list[Licence]]]:
    """The catalogue by what the licences are used for."""
    ordered = sorted(rules.licences.values(), key=lambda licence: (licence.name.lower(), licence.revision))
    models = [licence for licence in ordered if "weights" in licence.kinds]
    others = [licence for licence in ordered if "weights" not in licence.kinds]
    return [("Licences of base models and their adapters", models), ("Licences of adapters and training data", others)]


def licence_disputes(licence: Licence, rules: Ruleset) -> list[Dispute]:
    """Base models of which somebody says that they are under this licence, and others say otherwise."""
    return [dispute for dispute in rules.disputes.values() if licence.id in dispute.licence_ids]


def licence_source_url(licence: Licence) -> str:
    """The address of the official text where the catalogue's source names one."""
    found = re.search(r"\b(?:[a-z0-9-]+\.)+(?:org|com|net|ai)/\S*[^\s.,)]", licence.source)
    return f"https://{found.group(0)}" if found else ""


def licence_page(licence: Licence, rules: Ruleset) -> dict[str, Any]:
    """Everything the page of one licence shows."""
    return {
        "licence": licence,
        "grants": licence_grants(licence),
        "duties": [(duty, ", ".join(in_order(duty.uses))) for duty in licence.duties],
        "compatible": sorted(licence.downstream.compatible_with),
        "disputes": licence_disputes(licence, rules),
        "source_url": licence_source_url(licence),
    }


def in_order(uses: frozenset[Use]) -> list[str]:
    """The uses in the order in which the catalogue has them."""
    return [use.value for use in Use if use in uses]
