"""Checks of pictures: registered works and blocked copies, marks of reservation, faces, sexual content."""

from django.conf import settings

from governance.policy import Finding
from moderation.screening.consented import excused
from moderation.screening.results import Match, Result, flagged, passed, skipped
from moderation.screening.subject import Pictured, Subject
from moderation.selectors.blocks import blocked_copy
from moderation.selectors.consents import consent_declined
from moderation.selectors.likeness import FaceMatch, match_faces
from moderation.selectors.optout import WorkHit, works_found
from registry.models.adapters import ContentLevel

RESERVED = "reservation"
NONE_YET = "There are no pictures to look at yet."


def works(subject: Subject) -> Result:
    """Registered works in its pictures, even cropped, turned, mirrored or written upon."""
    if not subject.pictures:
        return skipped(NONE_YET)
    findings, matches, plain = [], [], 0
    for picture in subject.pictures:
        query = subject.examined[picture.key]
        if query is None:
            plain += 1  # of one tone or a few pixels: nothing in it could be anybody's work
            continue
        hits = works_found(picture.content, sent=picture.sha256, query=query)
        against = [hit for hit in hits if not excused(hit, subject)]
        findings += [_work_finding(picture, hit) for hit in against]
        matches += [Match(picture.key, f"work:{hit.entry_id}", hit.title, _evidence(hit)) for hit in against]
    if findings:
        return flagged(findings, matches=matches)
    without = f" {plain} have nothing in them that could be compared." if plain else ""
    return passed(f"{len(subject.pictures)} pictures were compared with the opt-out register.{without}")


def _evidence(hit: WorkHit) -> str:
    seen = f"{hit.inliers} points agree" if hit.inliers else hit.evidence
    return seen + (", mirrored" if hit.mirrored else "")


def _work_finding(picture: Pictured, hit: WorkHit) -> Finding:
    message = (
        f"One of its pictures shows a work that is in the opt-out register ({hit.title or 'without a title'}). Its "
        "holder does not want adapters made of it, so a moderator decides. Link a consent of theirs, or take the "
        "picture out and say what the adapter was trained on."
    )
    facts = {"entry": hit.entry_id, "picture": picture.key, "evidence": hit.evidence, "verified": hit.verified}
    return Finding("works", "optout-work", message, facts)


def blocked(subject: Subject) -> Result:
    """Pictures that are copies of removed ones."""
    if not subject.pictures:
        return skipped(NONE_YET)
    seen = subject.examined
    found = [(p, blocked_copy(picture=p.content, sent=p.sha256, query=seen[p.key])) for p in subject.pictures]
    hits = [(picture, block) for picture, block in found if block is not None]
    if not hits:
        return passed(f"None of {len(subject.pictures)} pictures is a copy of a removed one.")
    message = (
        "One of its pictures is a copy of one that was removed for good, so the adapter is not taken. If you think "
        "that the removal was wrong, appeal against it."
    )
    return flagged(
        [Finding("blocked", "blocked-copy", message, {"picture": p.key, "block": block.pk}) for p, block in hits],
        matches=[Match(p.key, f"block:{block.pk}", "A copy of a removed picture") for p, block in hits],
    )


def reservations(subject: Subject) -> Result:
    """Marks in the uploaded pictures that reserve them from data mining and training.

    Metadata are deleted once they were read: what was found in them holds for as long as the picture is there.
    """
    uploaded = [picture for picture in subject.pictures if picture.uploaded]
    read_before = {picture.key for picture in subject.pictures if not picture.uploaded}
    known = [found for found in subject.version.findings if found["code"] == RESERVED]
    known = [found for found in known if found["facts"]["picture"] in read_before]
    if not uploaded and not known:
        return skipped("No pictures were uploaded whose marks could be read.")
    from moderation.matching.reservations import from_picture

    found = [(picture, mark) for picture in uploaded for mark in from_picture(picture.content)]
    if not found and not known:
        return passed(f"No mark in {len(uploaded)} uploaded pictures reserves them from training.")
    fresh = [
        Finding(
            "reservations",
            RESERVED,
            f"An uploaded picture carries a mark that reserves it from training ({mark.signal}: {mark.detail}), so a "
            "moderator decides. Show that its author allowed it, or leave it out.",
            {"picture": picture.key, "signal": mark.signal, "outcome": mark.outcome},
        )
        for picture, mark in found
    ]
    return flagged([*(Finding(**found) for found in known), *fresh])


def likeness(subject: Subject) -> Result:
    """Faces of people who had theirs protected."""
    from moderation.matching.faces import face_reader

    if not subject.pictures:
        return skipped(NONE_YET)
    if not subject.comparable:
        return skipped(_forbidden(subject))
    places = [(picture, face) for picture in subject.comparable for face in subject.faces[picture.key]]
    if not places:
        return passed(f"No face was found in {len(subject.comparable)} pictures. Stylised faces are not recognised.")
    reader = face_reader(settings.LIKENESS_READER)
    report = match_faces(descriptors=[face.descriptor for _, face in places], reader=reader)
    if report.not_comparable:
        raise RuntimeError(f"{report.not_comparable} protected likenesses were enrolled by another reader")
    against = [match for match in report.matches if match.identity.user_id != subject.version.created_by_id]
    against = [match for match in against if not _consented(subject, match)]
    if not against:
        return passed(f"{len(places)} faces were compared with {report.compared} protected ones; none is near.")
    return flagged(
        [_likeness_finding(subject, match) for match in {m.identity.pk: m for m in reversed(against)}.values()],
        matches=[_likeness_match(places[match.face][0], match) for match in against],
    )


def _forbidden(subject: Subject) -> str:
    return (
        f"The licence of {subject.version.base_model.name} forbids to look for faces in what it makes; its training "
        "pictures would be looked at, and none are here."
    )


def _consented(subject: Subject, match: FaceMatch) -> bool:
    """Whether the person, by the address that they gave for both, has a live consent on which the version rests."""
    from moderation.models import Consent

    digest = match.identity.email_digest
    return (
        bool(digest) and Consent.objects.filter(public_id__in=subject.consents, subject__email_digest=digest).exists()
    )


def _likeness_finding(subject: Subject, match: FaceMatch) -> Finding:
    facts = {"identity": str(match.identity.public_id), "sure": match.sure, "verified": match.identity.is_verified}
    owner, digest = subject.version.adapter.owner, match.identity.email_digest
    if match.sure and match.identity.is_verified and consent_declined(owner=owner, email_digest=digest):
        message = (
            "A face in its pictures is near that of somebody who had their likeness protected here and has declined "
            "your request for consent, or taken their consent back, so it is not taken. If this is an error, appeal."
        )
        return Finding("likeness", "likeness-refused", message, facts)
    sure = "is near" if match.sure else "may be"
    message = (
        f"A face in its pictures {sure} that of somebody who had their likeness protected here, and no consent of "
        "theirs is linked, so a moderator decides. Ask them for consent and link it."
    )
    return Finding("likeness", "likeness-match", message, facts)


def _likeness_match(picture: Pictured, match: FaceMatch) -> Match:
    against = f"identity:{match.identity.public_id}"
    return Match(picture.key, against, "A protected likeness", f"distance {match.distance:.2f}")


def person(subject: Subject) -> Result:
    """Whether pictures look like they are about one person although none was declared, or the other way round."""
    from moderation.matching.people import people_in

    version = subject.version
    if version.depicts_real_person:
        covered = "a checked consent is linked" if subject.consents else "no checked consent is linked"
        return passed(f"A real person is declared, and {covered}; the licence rules decide about that.")
    if not subject.comparable:
        return skipped(NONE_YET if not subject.pictures else _forbidden(subject))
    people = [one for one in people_in(list(subject.faces.values())) if one.repeats]
    if not people:
        return passed("No person is declared, and no face repeats over its pictures.")
    if version.fictional_statement:
        return passed(
            f"One face repeats; the uploader states that the person is fictional: {version.fictional_statement}"
        )
    message = (
        f"The same face is in {people[0].pictures} of its pictures: this looks like one person, and none is declared. "
        "Link that person's consent, or state that the person is fictional and how they came about."
    )
    facts = {"pictures": people[0].pictures, "share": round(people[0].share, 2)}
    return flagged([Finding("person", "person-undeclared", message, facts)])


def explicit(subject: Subject) -> Result:
    """Sexual content in pictures of what is declared to be without."""
    from moderation.matching.explicit import LOOK

    if not subject.pictures:
        return skipped(NONE_YET)
    if subject.version.adapter.content_level == ContentLevel.MATURE:
        return skipped("It is declared as mature.")
    found = {key: score for key, score in subject.explicit_scores.items() if score >= LOOK}
    if not found:
        return passed(f"{len(subject.pictures)} pictures were looked at; none seems to show sexual content.")
    message = (
        f"{len(found)} of its pictures may show sexual content, and it is declared as "
        f"{subject.version.adapter.get_content_level_display().lower()}, so a moderator decides. Change its content "
        "level, or take the pictures out."
    )
    scores = {key: round(score, 2) for key, score in found.items()}
    matches = [Match(key, "", "May show sexual content", f"{score:.2f} of 1") for key, score in scores.items()]
    return flagged([Finding("explicit", "sexual-undeclared", message, {"scores": scores})], matches=matches)
