"""Reading the catalogue: TOML files in, a checked and frozen ruleset out. Nothing else in here reads."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from governance.policy.licences import (
    Assertion,
    Claim,
    Condition,
    Dispute,
    Downstream,
    Duty,
    Licence,
    Ruleset,
    Statement,
    frozen_mapping,
)
from governance.policy.vocabulary import (
    CLAIMED_USES,
    ConditionKind,
    DownstreamRule,
    Grant,
    ObligationKind,
    Role,
    Status,
    Use,
)

DISPUTES_FILE = "disputes.toml"

# Part of every ruleset digest. Raise it when a rule in code starts to answer differently, so that records
# made before and after can be told apart.
RULES_REVISION = 2

Table = Mapping[str, Any]


class CatalogueError(ValueError):
    """A catalogue file that cannot be trusted; the message names the file and what to change."""


def load_ruleset(directory: Path | str) -> Ruleset:
    """Read every licence in a directory. Raises ``CatalogueError`` rather than leave one out."""
    folder = Path(directory)
    tables = {path.name: _read(path) for path in sorted(folder.glob("*.toml"))}
    disputes = tables.pop(DISPUTES_FILE, {})
    if not tables:
        raise CatalogueError(f"No licence was found in {folder}. Point the setting at the catalogue folder.")
    licences = [_checked(name, table) for name, table in tables.items()]
    by_id = {licence.id: licence for licence in licences}
    names = _names(licences)
    _check_links(by_id)
    return Ruleset(
        licences=frozen_mapping(by_id),
        disputes=frozen_mapping(_disputes(disputes, by_id)),
        names=frozen_mapping(names),
        digest=_digest({**{table["id"]: table for table in tables.values()}, DISPUTES_FILE: disputes}),
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CatalogueError(f"{path.name} is not valid TOML ({error}). Correct it at that place.") from error


def _digest(content: Table) -> str:
    """SHA-256 over the parsed content, so that comments, layout and file names do not count."""
    canonical = json.dumps({"rules": RULES_REVISION, "catalogue": content}, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _checked(file_name: str, table: Table) -> Licence:
    try:
        licence = _licence(table)
    except (KeyError, ValueError, TypeError) as error:
        what = f"the key {error} is missing" if isinstance(error, KeyError) else str(error)
        raise CatalogueError(f"{file_name}: {what}. docs/licences.md describes the file.") from error
    if file_name != f"{licence.id}.toml":
        raise CatalogueError(f"{file_name} holds the licence {licence.id}; name it {licence.id}.toml.")
    return licence


def _licence(table: Table) -> Licence:
    conditions = {name: _condition(entry) for name, entry in table.get("conditions", {}).items()}
    base_status = table.get("base_status")
    return Licence(
        id=table["id"],
        name=table["name"],
        revision=table["revision"],
        kinds=tuple(table["kinds"]),
        spdx=table.get("spdx"),
        scancode=table.get("scancode"),
        hub=frozen_mapping(table.get("hub", {})),
        aliases=tuple(table.get("aliases", ())),
        publisher=table["publisher"],
        source=table["source"],
        models=tuple(table.get("models", ())),
        weights_published=table.get("weights_published", True),
        base_status=None if base_status is None else Status(base_status),
        summary=table["summary"].strip(),
        body=table["terms"].strip(),
        derivative=_statement(table["derivative"]),
        downstream=_downstream(table["downstream"]),
        claims=_claims(table["claims"], conditions, complete=True),
        data_claims=_claims(table.get("data_claims", ()), conditions, complete=False),
        duties=tuple(_duty(entry) for entry in table.get("obligations", ())),
        traps=tuple(_statement(entry) for entry in table.get("traps", ())),
    )


def _condition(entry: Table) -> Condition:
    condition = Condition(
        kind=ConditionKind(entry["kind"]),
        clause=entry["clause"],
        text=entry["text"],
        question=entry["question"],
        limit=entry.get("limit"),
        limit_allowed=entry.get("limit_allowed", True),
        excluded=tuple(entry.get("excluded", ())),
        registrar=entry.get("registrar"),
    )
    needed = {
        ConditionKind.REVENUE_CAP: condition.limit,
        ConditionKind.USER_CAP: condition.limit,
        ConditionKind.TERRITORY: condition.excluded,
        ConditionKind.REGISTRATION: condition.registrar,
    }
    if not needed.get(condition.kind, True):
        raise ValueError(f"the condition of kind {condition.kind} does not say its limit")
    return condition


def _claims(entries: Iterable[Table], conditions: Table, *, complete: bool) -> Mapping[Use, Claim]:
    claims: dict[Use, Claim] = {}
    for entry in entries:
        for use in map(Use, entry["uses"]):
            if use in claims:
                raise ValueError(f"two claims for the use {use}")
            claims[use] = _claim(use, entry, conditions)
    missing = [use.value for use in CLAIMED_USES if use not in claims]
    if complete and missing:
        raise ValueError(f"no claim for {', '.join(missing)}")
    return frozen_mapping(claims)


def _claim(use: Use, entry: Table, conditions: Table) -> Claim:
    claim = Claim(
        use=use,
        grant=Grant(entry["grant"]),
        clause=entry["clause"],
        text=entry["text"],
        status=Status(entry["status"]),
        quote=entry.get("quote"),
        conditions=tuple(conditions[name] for name in entry.get("conditions", ())),
    )
    if (claim.grant is Grant.CONDITIONAL) != bool(claim.conditions):
        raise ValueError(f"the claim for {use} is conditional exactly when it names conditions")
    if not claim.clause and claim.grant is not Grant.UNSTATED:
        raise ValueError(f"the claim for {use} cites no clause")
    return claim


def _duty(entry: Table) -> Duty:
    uses = set(map(Use, entry["uses"]))
    if Use.REDISTRIBUTION in uses:  # publishing is redistribution by the house
        uses.add(Use.PUBLISH)
    return Duty(
        kind=ObligationKind(entry["kind"]),
        clause=entry["clause"],
        text=entry["text"],
        status=Status(entry["status"]),
        uses=frozenset(uses),
        roles=frozenset(map(Role, entry.get("roles", tuple(Role)))),
        quote=entry.get("quote"),
    )


def _statement(entry: Table) -> Statement:
    return Statement(entry["clause"], entry["text"], Status(entry["status"]), entry.get("quote"))


def _downstream(entry: Table) -> Downstream:
    return Downstream(
        rule=DownstreamRule(entry["rule"]),
        clause=entry["clause"],
        text=entry["text"],
        status=Status(entry["status"]),
        compatible_with=frozenset(entry.get("compatible_with", ())),
    )


def _names(licences: Iterable[Licence]) -> dict[str, str]:
    names: dict[str, str] = {}
    for licence in licences:
        for name in filter(None, (licence.id, licence.spdx, licence.scancode, *licence.aliases)):
            other = names.setdefault(name.lower(), licence.id)
            if other != licence.id:
                raise CatalogueError(f"{name} names both {other} and {licence.id}; keep it in one of them.")
    return names


def _check_links(licences: Mapping[str, Licence]) -> None:
    for licence in licences.values():
        unknown = licence.downstream.compatible_with - licences.keys()
        if unknown:
            raise CatalogueError(
                f"{licence.id}.toml: compatible_with names {', '.join(sorted(unknown))}, which is not here."
            )


def _disputes(table: Table, licences: Mapping[str, Licence]) -> dict[str, Dispute]:
    disputes = {}
    for entry in table.get("models", ()):
        dispute = _dispute(entry)
        unknown = set(dispute.licence_ids) - licences.keys()
        if unknown:
            raise CatalogueError(f"{DISPUTES_FILE}: {dispute.model} names {', '.join(sorted(unknown))}.")
        disputes[dispute.model] = dispute
    return disputes


def _dispute(entry: Table) -> Dispute:
    assertions = tuple(
        Assertion(item["licence"], item["asserted_by"], Status(item["status"]), item["text"])
        for item in entry["assertions"]
    )
    return Dispute(model=entry["id"], name=entry["name"], text=entry["text"], assertions=assertions)
