"""Civitai's licence flags, computed from what the rules say and never from what an uploader ticked alone."""

from typing import Any, NamedTuple

from governance.policy import Outcome, Use
from governance.policy.vocabulary import ObligationKind
from governance.rulebook import current_ruleset
from registry.models import Version
from registry.services.policy import permissions_of


class Flags(NamedTuple):
    """`allowCommercialUse` is ["None"] where nothing commercial is granted to everybody."""

    no_credit: bool
    commercial: list[str]
    derivatives: bool
    different_licence: bool

    def to_json(self) -> dict[str, Any]:
        """Under Civitai's names."""
        return {
            "allowNoCredit": self.no_credit,
            "allowCommercialUse": self.commercial,
            "allowDerivatives": self.derivatives,
            "allowDifferentLicense": self.different_licence,
        }


BINDING = (Use.PERSONAL, Use.COMMERCIAL_OUTPUTS, Use.REDISTRIBUTION, Use.MERGING)
NOTHING = Flags(no_credit=False, commercial=["None"], derivatives=False, different_licence=False)


def flags_of(version: Version) -> Flags:
    """What holds for everybody: a use that hangs on who asks (revenue, country) is not granted by a flag."""
    uses = _uses(version)
    granted = {use for use, answer in uses.items() if answer["outcome"] == Outcome.ALLOW.value}
    duties = _duties(uses)
    return Flags(
        no_credit=not version.credit_required and ObligationKind.ATTRIBUTION.value not in duties,
        commercial=_commercial(granted),
        derivatives=Use.MERGING.value in granted,
        different_licence=version.allow_different_licence and ObligationKind.SHARE_ALIKE.value not in duties,
    )


def _uses(version: Version) -> dict[str, Any]:
    """The answers on the version, or new ones where the rules have changed since."""
    kept: dict[str, Any] = version.permissions
    if kept.get("ruleset_digest") != current_ruleset().digest:
        kept = permissions_of(version)
    uses: dict[str, Any] = kept["uses"]
    return uses


def _commercial(granted: set[str]) -> list[str]:
    words = []
    if Use.COMMERCIAL_OUTPUTS.value in granted:
        words.append("Image")
    if Use.HOSTED_SERVICE.value in granted:
        words += ["RentCivit", "Rent"]
    if Use.SELLING_WEIGHTS.value in granted:
        words.append("Sell")
    return words or ["None"]


def _duties(uses: dict[str, Any]) -> set[str]:
    """The kinds of what people take on who make pictures, pass the file on or merge it."""
    return {duty["kind"] for use in BINDING for duty in uses.get(use.value, {}).get("obligations", [])}
