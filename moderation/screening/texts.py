"""Checks of words: registered names, and terms about young people beside sexual content."""

from governance.policy import Finding
from moderation.matching.folding import fold
from moderation.matching.terms import find_terms
from moderation.screening.consented import consented_names, excused
from moderation.screening.results import Match, Result, flagged, passed
from moderation.screening.subject import Subject
from moderation.selectors.optout import NameHit, names_found
from registry.models.adapters import ContentLevel

SEVERAL = 3  # places named in one sentence


def names(subject: Subject) -> Result:
    """Names that artists and people had registered, in everything that names or describes the adapter."""
    hits: dict[str, tuple[NameHit, list[str]]] = {}
    for place, text in subject.texts.items():
        for hit in names_found(text):
            hits.setdefault(hit.entry_id, (hit, []))[1].append(place)
    allowed = consented_names(subject)
    against = [(hit, places) for hit, places in hits.values() if not _excused(hit, subject, allowed)]
    if against:
        return flagged([_name_finding(hit, places) for hit, places in against])
    own = f" {len(hits)} names are the uploader's own or consented to." if hits else ""
    return passed("No registered name was found in its words and metadata." + own)


def _excused(hit: NameHit, subject: Subject, allowed: frozenset[str]) -> bool:
    return excused(hit, subject) or fold(hit.name) in allowed


def _name_finding(hit: NameHit, places: list[str]) -> Finding:
    where = ", ".join(places[:SEVERAL])
    message = (
        f"“{hit.found}” in its {where} is a name in the opt-out register ({hit.name}). Its holder does not want "
        "adapters made of their work or person, so a moderator decides. Link a consent of theirs, or take it out."
    )
    facts = {"entry": hit.entry_id, "found": hit.found, "places": places, "verified": hit.verified, "exact": hit.exact}
    return Finding("names", "optout-name", message, facts)


def youth(subject: Subject) -> Result:
    """Terms about young people together with sexual content: never published, and a moderator is called."""
    found = [(place, term) for place, text in subject.texts.items() for term in find_terms(text)]
    young = [(place, term) for place, term in found if term.kind == "youth"]
    if not young:
        return passed("No terms about young people were found.")
    signs = [f"“{term.found}” in its {place}" for place, term in found if term.kind == "sexual"]
    if subject.version.adapter.content_level == ContentLevel.MATURE:
        signs.append("its declared content level")
    signs += _pictured(subject)
    if not signs:
        return passed("Terms about young people stand alone, without any sexual content.")
    place, term = young[0]
    message = (
        f"“{term.found}” in its {place} stands together with sexual content ({'; '.join(signs[:SEVERAL])}). Such "
        "adapters are never published here, and a moderator was told. If this is an error, appeal."
    )
    facts = {"youth": [found.found for _, found in young], "signs": signs}
    matches = [Match(key, "", "Looked at together with terms about young people") for key in _suspect(subject)]
    return flagged([Finding("youth", "youth-sexual", message, facts)], matches=matches)


def _suspect(subject: Subject) -> list[str]:
    from moderation.matching.explicit import WITH_YOUTH_TERMS

    return [key for key, score in subject.explicit_scores.items() if score >= WITH_YOUTH_TERMS]


def _pictured(subject: Subject) -> list[str]:
    return [f"a picture ({key.split(':')[0]})" for key in _suspect(subject)]
