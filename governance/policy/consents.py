"""What a thing owes to people: whose consent it rests on, and what their consents that are in force allow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from governance.policy.vocabulary import ConsentScope


@dataclass(frozen=True, slots=True)
class ConsentGrant:
    """One consent that is in force: for what and where."""

    reference: str  # as its parties know it, such as "consent 1f0e9a3c"; never a name
    scopes: frozenset[ConsentScope]
    territories: frozenset[str] = frozenset()  # ISO 3166-1 alpha-2, or EU; none: everywhere

    def __post_init__(self) -> None:
        object.__setattr__(self, "scopes", frozenset(ConsentScope(scope) for scope in self.scopes))
        object.__setattr__(self, "territories", frozenset(self.territories))

    def to_json(self) -> dict[str, Any]:
        """Plain values for the input snapshot."""
        return {
            "reference": self.reference,
            "scopes": sorted(self.scopes),
            "territories": sorted(self.territories),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of ``to_json``."""
        return cls(data["reference"], frozenset(data["scopes"]), frozenset(data["territories"]))


@dataclass(frozen=True, slots=True)
class ConsentNeed:
    """One person whose consent is needed. Any one of their grants suffices, if it covers the use; none is a no."""

    reference: str  # the consent that the thing was rested on, in force or not
    grants: tuple[ConsentGrant, ...] = ()

    def __post_init__(self) -> None:
        ordered = sorted(set(self.grants), key=lambda grant: str(grant.to_json()))
        object.__setattr__(self, "grants", tuple(ordered))

    def unnamed(self) -> Self:
        """The same without the references: for what must not be recognised."""
        return replace(self, reference="", grants=tuple(replace(grant, reference="") for grant in self.grants))

    def to_json(self) -> dict[str, Any]:
        """Plain values for the input snapshot."""
        return {"reference": self.reference, "grants": [grant.to_json() for grant in self.grants]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of ``to_json``."""
        return cls(data["reference"], tuple(ConsentGrant.from_json(grant) for grant in data["grants"]))
