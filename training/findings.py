"""What follows from a finding about a training picture: refused by itself, or for a person to decide. Pure."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

# Refused without anybody's judgement. What is not here waits for a person, also a code that a later check invents.
REFUSED_BY_A_PERSON = "refused-by-a-person"
ALWAYS = frozenset({"blocked-copy", "likeness-refused", "youth-sexual", "protected-work", REFUSED_BY_A_PERSON})
NAMING = ("entry", "identity", "block", "signal", "url", "how")  # facts that tell one finding of a code from another


def refuses(finding: Mapping[str, Any]) -> bool:
    """Whether nothing is trained on the picture, whoever looks at it.

    A registered work whose registration a moderator or a list stands behind; a mark that reserves the picture from
    training in so many words; what is in ALWAYS.
    """
    code, facts = finding["code"], finding.get("facts", {})
    if code == "optout-work":
        return bool(facts.get("verified"))
    if code == "reservation":
        return facts.get("outcome") == "block"
    return code in ALWAYS


def finding_key(finding: Mapping[str, Any]) -> str:
    """Tells findings apart, so that what a moderator let pass is not held for the same thing again."""
    facts = finding.get("facts", {})
    named = next((f"{name}={facts[name]}" for name in NAMING if facts.get(name)), "")
    return f"{finding['code']}:{named}"


def standing(findings: Iterable[Mapping[str, Any]], rulings: Collection[str]) -> list[Mapping[str, Any]]:
    """The findings that stand: without those a moderator has let pass; what is refused by itself nobody lets pass."""
    return [found for found in findings if refuses(found) or finding_key(found) not in rulings]
