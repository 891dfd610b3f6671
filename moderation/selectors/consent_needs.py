"""Whose consent a version and its ancestors rest on, and what is in force, as plain facts for the policy engine."""

from collections.abc import Iterable, Mapping, Sequence

from governance.policy import ConsentGrant, ConsentNeed
from moderation.models.consent import Consent, ConsentLink
from moderation.selectors.consents import links_in_force, live
from registry.models import Lineage, Version

Line = frozenset[int]  # keys of the consents that are in force along one line of descent


def consent_needs(version: Version, ancestors: Sequence[Version]) -> dict[int, tuple[ConsentNeed, ...]]:
    """What each of these rests on, by the version's key.

    What was made from a version that has a consent of the subject in its own right rests on that one: a grant to
    anything between `version` and an ancestor counts for the ancestor too, on each line of descent by itself.
    """
    members = {one.pk: one for one in (version, *ancestors)}
    latest: dict[tuple[int, int], ConsentLink] = {}
    for link in links_in_force(members):
        latest[link.version_id, link.consent.subject_id] = link
    if not latest:
        return {}
    edges = Lineage.objects.filter(child__in=members, parent__in=members).values_list("child_id", "parent_id")
    parents: dict[int, list[int]] = {}
    for child, parent in edges:
        parents.setdefault(child, []).append(parent)
    found: dict[int, list[ConsentNeed]] = {}
    for subject in sorted({subject for _, subject in latest}):
        in_force = {consent.pk: consent for consent in live().filter(subject=subject)}
        own = {pk: frozenset(_applying(in_force.values(), one)) for pk, one in members.items()}
        lines = _lines(version.pk, parents, own)
        for (pk, whose), link in latest.items():
            if whose == subject:
                needs = [_need(link, in_force, line) for line in _hardest(lines.get(pk, {own[pk]}))]
                found.setdefault(pk, []).extend(needs)
    return {pk: tuple(needs) for pk, needs in found.items()}


def _applying(consents: Iterable[Consent], version: Version) -> Iterable[int]:
    """Those that were given to the version's owner and reach its adapter."""
    owner = version.adapter.owner
    for consent in consents:
        if owner.user_id:
            theirs = consent.grantee_user_id == owner.user_id
        else:
            theirs = owner.organisation_id is not None and consent.grantee_organisation_id == owner.organisation_id
        if theirs and (not consent.adapters or str(version.adapter) in consent.adapters):
            yield consent.pk


def _lines(start: int, parents: Mapping[int, Sequence[int]], own: Mapping[int, Line]) -> dict[int, set[Line]]:
    """The consents in force along every line of descent from `start` up to each of its ancestors."""
    lines: dict[int, set[Line]] = {start: {own[start]}}
    frontier = [(start, own[start])]
    while frontier:
        child, line = frontier.pop()
        for parent in parents.get(child, ()):
            longer = line | own[parent]
            if longer not in lines.setdefault(parent, set()):
                lines[parent].add(longer)
                frontier.append((parent, longer))
    return lines


def _hardest(lines: set[Line]) -> list[Line]:
    """Lines that hold no more than another does: what those allow, the others allow as well."""
    kept = [line for line in lines if not any(other < line for other in lines)]
    return sorted(kept, key=sorted)


def _need(link: ConsentLink, in_force: Mapping[int, Consent], line: Line) -> ConsentNeed:
    granted = [in_force[pk] for pk in sorted(line)]
    return ConsentNeed(
        str(link.consent), tuple(ConsentGrant(str(one), one.terms.scopes, one.terms.territories) for one in granted)
    )
