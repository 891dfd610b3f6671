"""The licence catalogue in memory: licences with their claims, conditions and duties, and their ruleset."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

from governance.policy.vocabulary import (
    VERIFIED,
    ConditionKind,
    DownstreamRule,
    Grant,
    ObligationKind,
    Role,
    Status,
    Use,
)

DISCLAIMER = (
    "This is a summary in plain words made by this registry. It is not the licence text and not legal "
    "advice; where the two differ, the licence text holds."
)


@dataclass(frozen=True, slots=True)
class Condition:
    """A limit checked against one stated fact; ``text`` is the limit and ``question`` asks for the fact."""

    kind: ConditionKind
    clause: str
    text: str
    question: str
    limit: int | None = None
    limit_allowed: bool = True  # whether the limit itself is still inside ("more than" against "at least")
    excluded: tuple[str, ...] = ()  # territories
    registrar: str | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """What a licence says about one use, with the clause that says it."""

    use: Use
    grant: Grant
    clause: str
    text: str
    status: Status
    quote: str | None = None
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Duty:
    """An obligation as the catalogue has it: which uses bring it, and for which roles."""

    kind: ObligationKind
    clause: str
    text: str
    status: Status
    uses: frozenset[Use]
    roles: frozenset[Role]
    quote: str | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """A clause in plain words that no single use carries (whether an adapter is a derivative, a trap)."""

    clause: str
    text: str
    status: Status
    quote: str | None = None


@dataclass(frozen=True, slots=True)
class Downstream:
    """Under which terms something made from the licensed work may be given on."""

    rule: DownstreamRule
    clause: str
    text: str
    status: Status
    compatible_with: frozenset[str] = frozenset()


@dataclass(frozen=True, eq=False)
class Licence:
    """One revision of one licence; compared by identity, because a ruleset holds each once."""

    id: str
    name: str
    revision: str
    kinds: tuple[str, ...]
    spdx: str | None
    scancode: str | None
    hub: Mapping[str, str]
    aliases: tuple[str, ...]
    publisher: str
    source: str
    models: tuple[str, ...]
    weights_published: bool
    base_status: Status | None  # overrides the status of every claim when the licence is on a base model
    summary: str
    body: str
    derivative: Statement
    downstream: Downstream
    claims: Mapping[Use, Claim]
    data_claims: Mapping[Use, Claim]  # replace ``claims`` for training data
    duties: tuple[Duty, ...]
    traps: tuple[Statement, ...]

    @property
    def title(self) -> str:
        """Name and revision as a person would cite it."""
        return f"{self.name}, {self.revision}" if self.revision else self.name

    @cached_property
    def terms(self) -> str:
        """The exact text a person is shown and accepts at the gate."""
        return f"{self.title}\n\n{self.body}\n\nOfficial text: {self.source}\n\n{DISCLAIMER}\n"

    @cached_property
    def terms_digest(self) -> str:
        """SHA-256 of ``terms`` in UTF-8, hex; the record of what was accepted."""
        return hashlib.sha256(self.terms.encode()).hexdigest()

    def claim_for(self, use: Use, role: Role) -> Claim | None:
        """The claim that governs a use of a component in this role, if the licence has one."""
        if use is Use.PUBLISH and Use.PUBLISH not in self.claims:
            use = Use.TRAINING if role is Role.TRAINING_DATA else Use.REDISTRIBUTION
        if role is Role.TRAINING_DATA and use in self.data_claims:
            return self.data_claims[use]
        return self.claims.get(use)


@dataclass(frozen=True, slots=True)
class Assertion:
    """Somebody says that a base model is under a licence."""

    licence_id: str
    asserted_by: str
    status: Status
    text: str


@dataclass(frozen=True, slots=True)
class Dispute:
    """A base model about whose licence the sources disagree, or of which none could be checked."""

    model: str
    name: str
    text: str
    assertions: tuple[Assertion, ...]

    @property
    def licence_ids(self) -> tuple[str, ...]:
        """Every licence asserted, each once."""
        return tuple(dict.fromkeys(assertion.licence_id for assertion in self.assertions))

    def facts_for(self, licence_id: str) -> dict[str, Any]:
        """The facts to put on a base component entered under one of the asserted licences."""
        stated = [a.status for a in self.assertions if a.licence_id == licence_id]
        others = [other for other in self.licence_ids if other != licence_id]
        facts: dict[str, Any] = {"also_asserted": others} if others else {}
        if not stated or VERIFIED.isdisjoint(stated):
            facts["assertion_status"] = (stated or [Status.UNVERIFIED])[0].value
        return facts


@dataclass(frozen=True, eq=False, slots=True)
class Ruleset:
    """All licences and disputes, with the digest that a decision records."""

    licences: Mapping[str, Licence]
    disputes: Mapping[str, Dispute]
    names: Mapping[str, str]  # every id, alias, SPDX and ScanCode id in lower case -> licence id
    digest: str

    def find(self, licence_id: str | None) -> Licence | None:
        """A licence by its id or by a name other tools use for it; ``None`` when it is not known."""
        if not licence_id:
            return None
        known = self.names.get(licence_id.strip().lower())
        return None if known is None else self.licences[known]


def frozen_mapping(values: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """A read-only copy."""
    return MappingProxyType(dict(values))
