"""Screening the pictures of a dataset, by a worker: one after the other, each settled by itself, then the set.

Imports the detectors. A check that fails is no pass: the picture is looked at again, and after the third time a person
decides.
"""

import hashlib
import logging
from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import OperationalError
from django.db.models import F, Q
from django.utils import timezone

from governance.policy import Finding
from governance.services import audit_append, audited
from moderation.matching.explicit import LOOK, WITH_YOUTH_TERMS
from moderation.matching.faces import Face, face_reader, find_faces
from moderation.matching.people import people_in
from moderation.models import SubjectKind
from moderation.screening.picture_bytes import (
    Grounds,
    Looked,
    picture_look,
    sources_look,
    words_look,
    youth_terms,
)
from registry.pictures import picture_open
from registry.services.publication import CHECK_FAILED
from training.findings import refuses, standing
from training.layouts.folders import protection_named
from training.models import Dataset, DatasetJob, DatasetPicture, DatasetState, Origin, PictureState, Protection
from training.selectors.optout_marks import optout_mark
from training.selectors.rights import live_training_consents
from training.services.alarms import alarm_raise
from training.services.blocking import blocks_settle
from training.services.dataset_work import MAX_ATTEMPTS, work_finish, work_held, work_lease, work_progress
from training.services.datasets import SUBJECT

log = logging.getLogger(__name__)
PERSON_PICTURES = 60  # looked through for one person in all of them; of more, evenly spaced ones
SEEN = ("caption", "source", "protection", "licence_id", "depicts_person", "consent_id")  # what its findings rest on
GIVEN_UP = Q(state=PictureState.HELD, attempts__gte=MAX_ATTEMPTS)
DUE = (Q(state=PictureState.WAITING) | Q(looked_at=None)) & ~GIVEN_UP


def screening_run(*, job_id: str) -> None:
    """Screen what waits, unless another worker does; safe to call again at any time."""
    job = work_lease(job_id=job_id)
    if job is None:
        return
    with work_held(job):
        run = _Run(job)
        while run.pictures():  # again and again while people change something meanwhile
            if run.the_set():
                work_finish(job=job)
                return


class _Run:
    """One pass over a dataset. Faces are kept in memory for its length and no longer."""

    def __init__(self, job: DatasetJob) -> None:
        self.job, self.dataset = job, job.dataset
        self.mark = optout_mark()  # read first: what is registered later is looked for the next time
        self.faces: dict[int, tuple[Face, ...]] = {}

    def grounds(self, picture: DatasetPicture | None = None) -> Grounds:
        """Who brings the set, resting on which consents: the set's, and the picture's own."""
        wanted = self._linked() | ({picture.consent_id} if picture else set())
        given = (str(one.public_id) for one in live_training_consents(self.dataset) if one.pk in wanted)
        return Grounds(self.dataset.owner, self.dataset.created_by_id, tuple(given))

    def _linked(self) -> set[int | None]:
        return set(self.dataset.consent_links.filter(released_at=None).values_list("consent_id", flat=True))

    def pictures(self) -> bool:
        """Every picture that waits; False when the lease is another's by now."""
        done = 0
        while True:
            waiting = self.dataset.pictures.filter(DUE)
            picture = waiting.select_related("consent").order_by("attempts", "path").first()
            total = done + waiting.count()
            if not work_progress(self.job, done=done, total=total):
                return False
            if picture is None:
                return True
            self._one(picture)
            done += 1

    def _one(self, picture: DatasetPicture) -> None:
        DatasetPicture.objects.filter(pk=picture.pk).update(attempts=F("attempts") + 1)
        picture.attempts += 1
        try:
            findings, count = self._findings(picture)
        except OperationalError:
            raise  # the task is repeated
        except Exception as error:
            log.exception("A picture of dataset %s could not be screened", self.dataset.pk)
            if picture.attempts >= MAX_ATTEMPTS:
                self._settle(picture, [_broken(type(error).__name__)], picture.faces, looked=False)
            return
        self._settle(picture, findings, count)

    def _findings(self, picture: DatasetPicture) -> tuple[list[Finding], int | None]:
        grounds = self.grounds(picture)
        words = {"caption": picture.caption, "file name": picture.path, "source": picture.source}
        findings = [*self._marks(picture), *words_look(words, grounds=grounds)]
        if picture.source:
            findings += sources_look(picture.source, grounds=grounds)
        findings += [Finding(**found) for found in picture.findings if found["check"] == BY_PERSON]
        if picture.looked_at is not None:
            kept = [Finding(**found) for found in picture.findings if found["check"] in PIXEL_CHECKS]
            return [*findings, *kept], picture.faces
        looked = picture_look(_content(picture), sent=picture.sha256, grounds=grounds)
        self.faces[picture.pk] = looked.faces
        return [*findings, *looked.findings, *self._explicit(picture, looked)], len(looked.faces)

    def _marks(self, picture: DatasetPicture) -> Iterator[Finding]:
        """Reservations in the file's metadata, and protection against training: an artist's consent lifts both."""
        if self._artist_agrees(picture):
            return
        for mark in picture.marks:
            own = self.dataset.origin == Origin.OWN and not picture.licence_id
            outcome = "review" if own else mark["outcome"]  # of one's own work a person is told, not oneself
            message = f"It carries a mark that reserves it from training ({mark['signal']}: {mark['detail']}). "
            message += "Leave it out, or link a consent of its artist."
            yield Finding("reservations", "reservation", message, {"signal": mark["signal"], "outcome": outcome})
        if picture.protection:
            name = picture.get_protection_display()
            message = (
                f"It is marked as protected by {name}. Nothing is trained on such pictures without a consent of their "
                "artist, and the protection is not taken off. Link the artist's consent, or leave the picture out."
            )
            yield Finding("protection", "protected-work", message, {"signal": picture.protection})
        elif named := protection_named(picture.name):
            message = (
                f"Its file name says that {Protection(named).label} protects it, and it is declared that none does. So "
                "a moderator decides. Leave it out to go on without it."
            )
            yield Finding("protection", "protection-denied", message, {"signal": named})

    def _artist_agrees(self, picture: DatasetPicture | None = None) -> bool:
        """A live, checked consent to train by an artist: of this picture, or of the whole set."""
        artists = {one.pk for one in live_training_consents(self.dataset) if one.kind == SubjectKind.ARTIST}
        return bool(artists & (self._linked() | ({picture.consent_id} if picture else set())))

    def _explicit(self, picture: DatasetPicture, looked: Looked) -> Iterator[Finding]:
        """Sexual content is private here; beside youth, or with a real person in it, it is not."""
        words = " ".join((picture.caption, picture.path, self.dataset.title, self.dataset.trigger))
        young = youth_terms(words)
        if young and looked.explicit >= WITH_YOUTH_TERMS:
            message = "It seems to show sexual content together with terms about young people. Moderators were told."
            yield Finding("youth", "youth-sexual", message, {"score": round(looked.explicit, 2)})
            return
        real = picture.depicts_person if picture.depicts_person is not None else self.dataset.depicts_real_person
        if looked.explicit >= LOOK and (real or looked.faces):
            message = (
                "It seems to show sexual content with a person in it, so a moderator decides before anything is "
                "trained on it. Leave it out to go on without it."
            )
            yield Finding("explicit", "sexual-person", message, {"score": round(looked.explicit, 2)})

    @audited()
    def _settle(
        self, picture: DatasetPicture, findings: Sequence[Finding], faces: int | None, *, looked: bool = True
    ) -> None:
        """Write down what was found, unless something was changed meanwhile: then it is looked at once more.

        Where the checks broke off, its pixels count as not looked at, whatever becomes of its words.
        """
        row = DatasetPicture.objects.select_for_update(no_key=True).filter(pk=picture.pk).first()
        if row is None or any(getattr(row, name) != getattr(picture, name) for name in SEEN):
            return
        was = row.state
        row.findings = list(standing([found.to_json() for found in findings], row.rulings))
        row.state, row.faces, row.screened_at = _state_of(row.findings), faces, timezone.now()
        row.attempts = 0 if looked else row.attempts
        row.looked_at = (row.looked_at or row.screened_at) if looked else None
        row.save(update_fields=["findings", "state", "faces", "attempts", "screened_at", "looked_at"])
        alarm_raise(picture=row)
        if row.findings or was not in {PictureState.WAITING, row.state}:
            data = {"picture": str(row.public_id), "state": row.state, "codes": [f["code"] for f in row.findings]}
            audit_append(actor=None, action="dataset.picture-screened", subject=_subject(self.dataset), data=data)

    def the_set(self) -> bool:
        """What only the whole tells: its words and sources, and whether it is about one real person."""
        dataset = Dataset.objects.select_related("owner").get(pk=self.dataset.pk)
        words = {name: getattr(dataset, name) for name in ("title", "description", "trigger", "class_word")}
        grounds = self.grounds()
        findings = [*words_look(words, grounds=grounds), *sources_look(dataset.source, grounds=grounds)]
        findings += [*self._unmarked(dataset), *self._person(dataset)]
        return self._conclude(dataset, findings)

    def _unmarked(self, dataset: Dataset) -> Iterator[Finding]:
        """Some pictures were declared as protected against training, and none is marked: nobody knows which."""
        marked = dataset.pictures.exclude(protection=Protection.NONE).exists()
        if dataset.protected and not marked and not self._artist_agrees():
            message = (
                "Some of its pictures were declared as treated with Glaze, Nightshade or the like, and none is marked. "
                "Mark these on their pages, or take the declaration back if there are none."
            )
            yield Finding("protection", "protected-unmarked", message, {})

    def _person(self, dataset: Dataset) -> Iterator[Finding]:
        """The same face over and over although nobody declared a person, as the version's check has it."""
        if dataset.depicts_real_person or dataset.fictional_statement:
            return
        rows = list(dataset.pictures.filter(left_out=False, is_prior=False, faces__gt=0).order_by("path"))
        some = rows[:: -(-len(rows) // PERSON_PICTURES) or 1]
        people = [one for one in people_in([self._faces(row) for row in some]) if one.repeats]
        if people:
            message = (
                f"The same face is in {people[0].pictures} of its pictures: this looks like one person, and none is "
                "declared. Declare it and link that person's consent, or state that the person is fictional."
            )
            facts = {"pictures": people[0].pictures, "share": round(people[0].share, 2)}
            yield Finding("person", "person-undeclared", message, facts)

    def _faces(self, picture: DatasetPicture) -> tuple[Face, ...]:
        if picture.pk not in self.faces:
            reader = face_reader(settings.LIKENESS_READER)
            self.faces[picture.pk] = find_faces(picture_open(_content(picture)), reader=reader)
        return self.faces[picture.pk]

    @audited()
    def _conclude(self, dataset: Dataset, findings: Sequence[Finding]) -> bool:
        """Settle the set; False where it changed while it was looked at."""
        row = Dataset.objects.select_for_update(no_key=True).get(pk=dataset.pk)
        if row.state != DatasetState.OPEN:
            return True
        if row.updated_at != dataset.updated_at or row.pictures.filter(DUE).exists():
            return False
        row.findings = list(standing([found.to_json() for found in findings], row.rulings))
        row.screened_at, row.optout_mark = timezone.now(), self.mark
        row.save(update_fields=["findings", "screened_at", "optout_mark"])
        blocks_settle(dataset=row)
        data = {"codes": [found["code"] for found in row.findings], "job": str(self.job.pk)}
        audit_append(actor=None, action="dataset.screened", subject=_subject(row), data=data)
        return True


BY_PERSON = "review"  # what a moderator refused stays refused
PIXEL_CHECKS = frozenset({"works", "blocked", "likeness", "youth", "explicit"})


def _state_of(findings: Sequence[Any]) -> PictureState:
    if any(refuses(found) for found in findings):
        return PictureState.REFUSED
    return PictureState.HELD if findings else PictureState.OK


def _broken(how: str) -> Finding:
    message = (
        f"Its checks could not be finished ({how}). A check that does not finish is no pass, so a moderator decides; "
        "you can have the checks repeated, or leave the picture out."
    )
    return Finding("checks", CHECK_FAILED, message, {"how": how})


def _content(picture: DatasetPicture) -> bytes:
    """The stored bytes; what was changed in the storage is not screened as if it were the picture."""
    with default_storage.open(picture.storage_key, "rb") as file:
        content: bytes = file.read()
    if hashlib.sha256(content).hexdigest() != picture.stored_sha256:
        raise ValueError("The stored picture is not the one that was taken in.")
    return content


def _subject(dataset: Dataset) -> tuple[str, str]:
    return SUBJECT, str(dataset.pk)
