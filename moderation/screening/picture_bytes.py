"""One picture and its words, screened without a version: what training looks at before it learns from a picture.

The engines and registers are those of the version's checks. Who brings the picture, and on which consents it rests, is
handed in. A detector that is missing or fails raises: what was not looked at is no pass.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.conf import settings

from accounts.models import Namespace
from governance.policy import Finding
from moderation.matching.faces import Face
from moderation.matching.folding import fold
from moderation.matching.terms import find_terms
from moderation.models import Consent
from moderation.screening.consented import excused_by, names_of_consents
from moderation.screening.sources import source_findings
from moderation.selectors.blocks import blocked_copy
from moderation.selectors.consents import consent_declined
from moderation.selectors.likeness import FaceMatch, match_faces
from moderation.selectors.optout import works_found
from registry.pictures import picture_open


@dataclass(frozen=True)
class Grounds:
    """Who brings something: the name it is under, the account, and public ids of the consents that it rests on."""

    owner: Namespace
    user_id: int
    consents: tuple[str, ...] = ()


@dataclass(frozen=True)
class Looked:
    """What was found in a picture; `faces` are for comparing pictures with each other, and are not to be kept."""

    findings: tuple[Finding, ...]
    faces: tuple[Face, ...]
    explicit: float


def picture_look(content: bytes, *, sent: str, grounds: Grounds, faces: bool = True) -> Looked:
    """Screen an encoded picture. `sent` is the SHA-256 of the file as it came. Raises what its checks raise.

    Without `faces` none are looked for: a licence can forbid biometric processing of what its model makes.
    """
    from moderation.matching.explicit import explicit_score
    from moderation.matching.faces import face_reader, find_faces

    picture = picture_open(content)
    found = find_faces(picture, reader=face_reader(settings.LIKENESS_READER)) if faces else ()
    findings = [*_works(content, sent, grounds), *_blocked(content, sent), *_likeness(found, grounds)]
    return Looked(tuple(findings), found, explicit_score(picture))


def _works(content: bytes, sent: str, grounds: Grounds) -> Iterator[Finding]:
    from moderation.matching.pictures import PictureUnusable

    try:
        hits = works_found(content, sent=sent)
    except PictureUnusable:
        return  # of one tone or a few pixels: nothing in it could be anybody's work
    for hit in hits:
        if excused_by(hit, user_id=grounds.user_id, consents=grounds.consents):
            continue
        message = (
            f"It shows a work that is in the opt-out register ({hit.title or 'without a title'}). Its holder does not "
            "want models trained on it. Leave the picture out, or link a consent of theirs."
        )
        facts = {"entry": hit.entry_id, "evidence": hit.evidence, "verified": hit.verified}
        yield Finding("works", "optout-work", message, facts)


def _blocked(content: bytes, sent: str) -> Iterator[Finding]:
    block = blocked_copy(sha256=sent, picture=content, sent=sent)
    if block is not None:
        message = "It is a copy of a picture that was removed for good, so nothing is trained on it. Leave it out."
        yield Finding("blocked", "blocked-copy", message, {"block": block.pk})


def _likeness(faces: Sequence[Face], grounds: Grounds) -> Iterator[Finding]:
    from moderation.matching.faces import face_reader

    reader = face_reader(settings.LIKENESS_READER)
    report = match_faces(descriptors=[face.descriptor for face in faces], reader=reader)
    if report.not_comparable and faces:
        raise RuntimeError(f"{report.not_comparable} protected likenesses were enrolled by another reader")
    against = [match for match in report.matches if not _allowed(match, grounds)]
    for match in {match.identity.pk: match for match in reversed(against)}.values():
        yield _likeness_finding(match, grounds)


def _allowed(match: FaceMatch, grounds: Grounds) -> bool:
    """Whether the face is the account's own, or of a person on whose consent the picture rests."""
    if match.identity.user_id == grounds.user_id:
        return True
    digest = match.identity.email_digest
    given = Consent.objects.filter(public_id__in=grounds.consents, subject__email_digest=digest)
    return bool(digest) and given.exists()


def _likeness_finding(match: FaceMatch, grounds: Grounds) -> Finding:
    facts = {"identity": str(match.identity.public_id), "sure": match.sure, "verified": match.identity.is_verified}
    declined = consent_declined(owner=grounds.owner, email_digest=match.identity.email_digest)
    if match.sure and match.identity.is_verified and declined:
        message = (
            "A face in it is near that of somebody who had their likeness protected here and has declined your request "
            "for consent, or taken their consent back. Leave the picture out."
        )
        return Finding("likeness", "likeness-refused", message, facts)
    sure = "is near" if match.sure else "may be"
    message = (
        f"A face in it {sure} that of somebody who had their likeness protected here, and no consent of theirs is "
        "linked. Leave the picture out, or ask them for consent and link it."
    )
    return Finding("likeness", "likeness-match", message, facts)


def words_look(texts: Mapping[str, str], *, grounds: Grounds) -> list[Finding]:
    """Registered names in texts, by where they stand: captions, trigger words, titles."""
    from moderation.selectors.optout import names_found

    allowed = names_of_consents(grounds.consents)
    found: dict[str, Finding] = {}
    for place, text in texts.items():
        for hit in names_found(text):
            own = excused_by(hit, user_id=grounds.user_id, consents=grounds.consents) or fold(hit.name) in allowed
            if own or hit.entry_id in found:
                continue
            message = (
                f"“{hit.found}” in its {place} is a name in the opt-out register ({hit.name}). Its holder does not "
                "want models made of their work or person. Take the name out, or link a consent of theirs."
            )
            facts = {"entry": hit.entry_id, "found": hit.found, "verified": hit.verified, "exact": hit.exact}
            found[hit.entry_id] = Finding("names", "optout-name", message, facts)
    return list(found.values())


def sources_look(text: str, *, grounds: Grounds) -> list[Finding]:
    """What stands against the sources that a text names."""
    return source_findings(text, excuse=lambda hit: excused_by(hit, user_id=grounds.user_id, consents=grounds.consents))


def youth_terms(text: str) -> list[str]:
    """Terms about young people in a text, as they are written there."""
    return [term.found for term in find_terms(text) if term.kind == "youth"]
