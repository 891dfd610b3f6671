"""What the engine is asked: a use, the components it touches, and the facts that were stated."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from governance.policy.consents import ConsentNeed
from governance.policy.vocabulary import CommercialFlag, Role, Use

_ROLE_RANK = {role: rank for rank, role in enumerate(Role)}


class IncompleteRequest(ValueError):
    """A request that leaves out what must be judged; answering it could only be a guess."""


@dataclass(frozen=True, slots=True)
class CreatorFlags:
    """What a creator ticked about their own work. ``None`` says nothing; a flag can only narrow."""

    commercial_use: frozenset[CommercialFlag] | None = None
    allow_no_credit: bool | None = None
    allow_derivatives: bool | None = None
    allow_different_licence: bool | None = None

    def __post_init__(self) -> None:
        if self.commercial_use is not None:
            ticked = frozenset(CommercialFlag(flag) for flag in self.commercial_use)
            object.__setattr__(self, "commercial_use", ticked)

    @classmethod
    def from_civitai(cls, flags: Mapping[str, Any]) -> Self:
        """Read ``allowNoCredit`` … ``allowCommercialUse`` as Civitai spells them, old single value too."""
        return cls(
            commercial_use=_civitai_commercial(flags.get("allowCommercialUse")),
            allow_no_credit=flags.get("allowNoCredit"),
            allow_derivatives=flags.get("allowDerivatives"),
            allow_different_licence=flags.get("allowDifferentLicense"),
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values; ``commercial_use`` as a sorted list."""
        use = self.commercial_use
        return {
            "commercial_use": None if use is None else sorted(flag.value for flag in use),
            "allow_no_credit": self.allow_no_credit,
            "allow_derivatives": self.allow_derivatives,
            "allow_different_licence": self.allow_different_licence,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of ``to_json``."""
        use = data.get("commercial_use")
        return cls(
            commercial_use=None if use is None else frozenset(use),
            allow_no_credit=data.get("allow_no_credit"),
            allow_derivatives=data.get("allow_derivatives"),
            allow_different_licence=data.get("allow_different_licence"),
        )


_CIVITAI = {
    "Image": CommercialFlag.IMAGE,
    "RentCivit": CommercialFlag.RENT_CIVIT,
    "Rent": CommercialFlag.RENT,
    "Sell": CommercialFlag.SELL,
}


def _civitai_commercial(value: object) -> frozenset[CommercialFlag] | None:
    """Civitai's list, or its older single value in which each step included the ones before it."""
    if value is None:
        return None
    if isinstance(value, str):
        steps = ["None", *_CIVITAI]
        words: list[object] = list(steps[: steps.index(value) + 1]) if value in steps else [value]
    elif isinstance(value, Iterable):
        words = list(value)
    else:
        raise ValueError(f"allowCommercialUse must be a word or a list of words, not {value!r}")
    unknown = [word for word in words if word not in _CIVITAI and word != "None"]
    if unknown:
        raise ValueError(f"allowCommercialUse knows None, {', '.join(_CIVITAI)}, and not {unknown[0]!r}")
    return frozenset(_CIVITAI[str(word)] for word in words if word != "None")


@dataclass(frozen=True, eq=False)
class Component:
    """One thing the use touches. ``licence_id`` is ``None`` when nobody states a licence."""

    role: Role
    name: str
    licence_id: str | None = None
    asserted_by: str = ""
    flags: CreatorFlags | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    consents: tuple[ConsentNeed, ...] = ()  # one entry for each person whose consent it rests on
    key: tuple[Any, ...] = field(init=False, repr=False)
    _hash: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if type(self.role) is not Role:
            object.__setattr__(self, "role", Role(self.role))
        flags = "" if self.flags is None else json.dumps(self.flags.to_json(), sort_keys=True)
        facts = json.dumps(dict(self.facts), sort_keys=True) if self.facts else ""
        consents = json.dumps([need.to_json() for need in self.consents]) if self.consents else ""
        rank, licence = _ROLE_RANK[self.role], self.licence_id or ""
        key = (rank, self.name, licence, self.asserted_by, flags, facts, consents)
        object.__setattr__(self, "key", key)
        object.__setattr__(self, "_hash", hash(key))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Component) and self.key == other.key)

    def to_json(self) -> dict[str, Any]:
        """Plain values for the input snapshot."""
        snapshot = {
            "role": self.role.value,
            "name": self.name,
            "licence_id": self.licence_id,
            "asserted_by": self.asserted_by,
            "flags": None if self.flags is None else self.flags.to_json(),
            "facts": json.loads(json.dumps(dict(self.facts))),
        }
        # Left out where it rests on nobody, so that a snapshot reads as it did before consents were in it.
        return snapshot | ({"consents": [need.to_json() for need in self.consents]} if self.consents else {})

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of ``to_json``."""
        flags = data.get("flags")
        return cls(
            role=Role(data["role"]),
            name=data["name"],
            licence_id=data.get("licence_id"),
            asserted_by=data.get("asserted_by", ""),
            flags=None if flags is None else CreatorFlags.from_json(flags),
            facts=data.get("facts") or {},
            consents=tuple(ConsentNeed.from_json(need) for need in data.get("consents") or ()),
        )


@dataclass(frozen=True, slots=True)
class ActorFacts:
    """What the actor stated about themselves and about this use. ``None`` means nobody asked yet."""

    annual_revenue_usd: int | None = None  # whole group of companies, US dollars a year
    monthly_users: int | None = None  # monthly active users of all their products
    territory: str | None = None  # ISO 3166-1 alpha-2, or EU
    registered_with: frozenset[str] | None = None  # registrars named by the catalogue, e.g. "kolors"
    receives_payment: bool | None = None  # any payment, direct or indirect, arises from this use
    serves_end_users: bool | None = None  # people outside a test or evaluation interact with it
    offers_related_service: bool | None = None  # generation or training is offered beside the download
    filters_content: bool | None = None  # filter or human review of inputs and outputs
    discloses_ai: bool | None = None  # people are told that the content is AI-generated
    trains_competing_model: bool | None = None  # outputs go into training a model outside this family
    biometric_processing: bool | None = None  # model or outputs are used to process biometric data

    def __post_init__(self) -> None:
        if self.registered_with is not None and not isinstance(self.registered_with, frozenset):
            object.__setattr__(self, "registered_with", frozenset(self.registered_with))

    def to_json(self) -> dict[str, Any]:
        """Only what was stated; an absent key is an unanswered question."""
        stated = {f.name: getattr(self, f.name) for f in fields(self)}
        if self.registered_with is not None:
            stated["registered_with"] = sorted(self.registered_with)
        return {name: value for name, value in stated.items() if value is not None}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of ``to_json``; a key this version does not know is an error, not a shrug."""
        return cls(**data)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check brought to light about an upload; what follows from its code, the rules say."""

    check: str  # the check's name, as the page lists it
    code: str
    message: str  # for the uploader: what was found, why it matters, what to do
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values for the input snapshot."""
        return {"check": self.check, "code": self.code, "message": self.message, "facts": dict(self.facts)}


@dataclass(frozen=True, slots=True)
class Declarations:
    """What an uploader declares, and what inspection found, when something is to be published.

    The first four are answers: leaving one out never helps. The others are
    findings: empty means that inspection looked and found nothing.
    """

    rights_affirmed: bool | None = None
    depicts_real_person: bool | None = None
    consent_ids: tuple[str, ...] = ()
    training_sources: tuple[str, ...] = ()
    claimed_licence: str | None = None
    duplicates_of: tuple[str, ...] = ()
    copies_held_back: bool = False  # the same content was quarantined, taken down or refused by a person
    family_declared: str = ""  # the base family of the base model that the uploader names
    family_found: str = ""  # what the tensors say, "unknown" where they fit several or none; empty where nobody looked
    screened: bool | None = None  # every check of the screening has come to its end
    findings: tuple[Finding, ...] = ()  # what the screening found
    open_questions: tuple[str, ...] = ()  # of which grave kind something is reported that a person has yet to decide

    def __post_init__(self) -> None:
        object.__setattr__(self, "findings", tuple(_as_finding(found) for found in self.findings or ()))
        for name in ("consent_ids", "training_sources", "duplicates_of", "open_questions"):
            value = getattr(self, name)
            if isinstance(value, str):
                raise ValueError(f"{name} is a list of words, not one word: {value!r}")
            object.__setattr__(self, name, tuple(value or ()))

    def to_json(self) -> dict[str, Any]:
        """Plain values for the input snapshot."""
        return {
            "rights_affirmed": self.rights_affirmed,
            "depicts_real_person": self.depicts_real_person,
            "consent_ids": list(self.consent_ids),
            "training_sources": list(self.training_sources),
            "claimed_licence": self.claimed_licence,
            "duplicates_of": list(self.duplicates_of),
            "copies_held_back": self.copies_held_back,
            "family_declared": self.family_declared,
            "family_found": self.family_found,
            "screened": self.screened,
            "findings": [finding.to_json() for finding in self.findings],
            "open_questions": list(self.open_questions),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of ``to_json``."""
        return cls(**data)


def _as_finding(found: Finding | Mapping[str, Any]) -> Finding:
    return found if isinstance(found, Finding) else Finding(**found)


_NO_FACTS = ActorFacts()


@dataclass(frozen=True, slots=True)
class UseRequest:
    """One question to the engine; ``to_json`` is the input snapshot from which it can be asked again."""

    use: Use
    components: tuple[Component, ...]
    actor: ActorFacts = _NO_FACTS
    declarations: Declarations | None = None

    def __post_init__(self) -> None:
        if type(self.use) is not Use:
            object.__setattr__(self, "use", Use(self.use))
        if type(self.components) is not tuple:
            object.__setattr__(self, "components", tuple(self.components))
        self._require_base()

    def _require_base(self) -> None:
        """An adapter alone says nothing about the model it changes, so it is never judged alone."""
        roles = [component.role for component in self.components]
        if not roles:
            raise IncompleteRequest("A request names at least one component, and this one names none.")
        if Role.BASE not in roles and (Role.ADAPTER in roles or Role.PARENT in roles):
            raise IncompleteRequest(
                "An adapter is judged together with its base model, and this request names no base. Add "
                'Component(role="base", …), with licence_id=None when its licence is not known.'
            )

    def to_json(self) -> dict[str, Any]:
        """The input snapshot."""
        return {
            "use": self.use.value,
            "components": [component.to_json() for component in self.components],
            "actor": self.actor.to_json(),
            "declarations": None if self.declarations is None else self.declarations.to_json(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild a request from its snapshot, so that a decision can be replayed."""
        declarations = data.get("declarations")
        return cls(
            use=Use(data["use"]),
            components=tuple(Component.from_json(item) for item in data["components"]),
            actor=ActorFacts.from_json(data.get("actor") or {}),
            declarations=None if declarations is None else Declarations.from_json(declarations),
        )
