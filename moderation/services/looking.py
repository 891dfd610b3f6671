"""A look back at work: version after version is compared with what came newly; what has to do with it is checked again.

The comparison only finds which versions those are. Their checks then run as they would for a new upload, so that
findings, cases, matches and letters come from one place. The row is the job: a worker that dies repeats its last
versions, and a screening that is asked for twice finds the same.
"""

import logging
import time
import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import OperationalError, transaction
from django.db.models import F, Q
from django.utils import timezone

from governance.services import audit_append, audited
from moderation.matching.pictures.raster import Grey, grey, upright
from moderation.matching.pictures.traces import HASHED, Trace
from moderation.models import Lookback, LookbackState, PictureTrace, Round, ScreeningWanted
from moderation.models.lookback import LOOKING
from moderation.screening.subject import Subject
from moderation.selectors.arrivals import Arrivals, KeptPicture, arrivals
from moderation.services.lookbacks import versions_inspected
from moderation.signals import screening_wanted
from registry.leases import lease_kept
from registry.models import SamplePicture, SampleState, Version, VersionImage
from registry.pictures import picture_open

log = logging.getLogger(__name__)

SECONDS = 25.0  # that one task goes on
CHUNK = 200  # versions of one transaction
CHUNK_WITH_FACES = 20  # of which each may have forty pictures to be read
GIVEN_UP = 3  # workers that died over the same version: its checks find out what is wrong with it


@dataclass
class _Looked:
    """What came of some versions."""

    found: list[int] = field(default_factory=list)
    pictures: int = 0


class _Overtaken(Exception):
    """Another worker goes on with this look back: our lease ran out under us."""


def lookback_go_on(*, lookback_id: int) -> bool:
    """Go on for SECONDS unless another worker does; whether there is more to do for whoever comes next."""
    job = _leased(lookback_id)
    if job is None:
        return False
    with lease_kept(renew=lambda: _renew(job), lifetime=settings.JOB_LEASE):
        try:
            return _looked_until(job, time.monotonic() + SECONDS)
        except _Overtaken:
            log.warning("Another worker goes on with look back %s.", job.pk)
            return False


def _leased(lookback_id: int) -> Lookback | None:
    now = timezone.now()
    free = Q(lease_until=None) | Q(lease_until__lt=now)
    claimed = Lookback.objects.filter(free, pk=lookback_id, state__in=LOOKING).update(
        state=LookbackState.RUNNING,
        lease_token=uuid.uuid4(),
        lease_until=now + settings.JOB_LEASE,
        attempts=F("attempts") + 1,
    )
    return Lookback.objects.get(pk=lookback_id) if claimed else None


def _ours(job: Lookback) -> Q:
    return Q(pk=job.pk, lease_token=job.lease_token, state=LookbackState.RUNNING)


def _renew(job: Lookback) -> bool:
    return bool(Lookback.objects.filter(_ours(job)).update(lease_until=timezone.now() + settings.JOB_LEASE))


def _looked_until(job: Lookback, end: float) -> bool:
    arrived = arrivals(job.pk)
    while time.monotonic() < end:
        versions = _next(job, arrived)
        if not versions:
            _finish(job)
            return False
        looked = _look(versions, arrived, given_up=job.attempts > GIVEN_UP)
        _advance(job, versions, looked)
    Lookback.objects.filter(_ours(job)).update(lease_until=None, attempts=0)
    return True


def _next(job: Lookback, arrived: Arrivals) -> list[Version]:
    """The versions behind the last one; one alone where a worker died over them."""
    size = CHUNK_WITH_FACES if arrived.identities else CHUNK
    rest = Version.objects.filter(versions_inspected(), pk__gt=job.after, pk__lte=job.upto)
    related = ("adapter__owner__organisation", "base_model", "created_by")
    return list(rest.select_related(*related).order_by("pk")[: 1 if job.attempts > 1 else size])


def _look(versions: Sequence[Version], arrived: Arrivals, *, given_up: bool) -> _Looked:
    """Which of the versions have to do with what came. What cannot be compared is left to their checks."""
    if given_up:
        return _Looked([version.pk for version in versions])
    kept = _kept(versions) if arrived.known or arrived.identities else {}
    looked = _Looked(pictures=sum(map(len, kept.values())))
    shown = _shown(kept, arrived)
    for version in versions:
        try:
            concerned = version.pk in shown or _concerned(version, kept.get(version.pk, []), arrived)
        except OperationalError:
            raise  # the task is repeated
        except Exception:
            log.exception("Version %s could not be compared with what came to the register", version.pk)
            concerned = True
        looked.found += [version.pk] if concerned else []
    return looked


def _concerned(version: Version, kept: Sequence["_Seen"], arrived: Arrivals) -> bool:
    subject = Subject(version, Round.REGISTER)
    if arrived.names is not None and arrived.in_texts(subject.texts.values()):
        return True
    if arrived.in_sources(subject.sources):
        return True
    untraced = any(one.trace is None for one in kept)
    if untraced:  # looked at before there were traces: they are kept from now on
        subject.examined  # noqa: B018
        kept = _kept([version]).get(version.pk, [])
    if (untraced or arrived.works.needs_features) and _pictured(kept, arrived):
        return True
    return _faces_near(subject, kept, arrived)


def _pictured(kept: Sequence["_Seen"], arrived: Arrivals) -> bool:
    whole = {row.picture: row for row in PictureTrace.objects.filter(picture__in=[one.key for one in kept])}
    there = [one for one in kept if one.key in whole]
    pictures = [_whole(whole[one.key]) for one in there]
    return bool(arrived.in_pictures(pictures, lambda place: there[place].raster()))


def _faces_near(subject: Subject, kept: Sequence["_Seen"], arrived: Arrivals) -> bool:
    """Only pictures in which a face was found, or in which nobody has looked for one, are read."""
    from moderation.matching.faces import face_reader

    if not arrived.identities or all(one.trace is not None and one.trace.faces == 0 for one in kept):
        return False
    descriptors = [face.descriptor for faces in subject.faces.values() for face in faces]
    return arrived.in_faces(descriptors, reader=face_reader(settings.LIKENESS_READER))


@dataclass
class _Seen:
    """A picture of a version with its trace, where there is one."""

    key: str
    storage_key: str
    trace: PictureTrace | None

    def raster(self) -> Grey:
        with default_storage.open(self.storage_key, "rb") as file:
            return grey(upright(picture_open(file.read())))


def _kept(versions: Sequence[Version]) -> dict[int, list[_Seen]]:
    """The pictures of each version that there are now."""
    traces = {trace.picture: trace for trace in PictureTrace.objects.filter(version__in=versions).defer("described")}
    kept: dict[int, list[_Seen]] = defaultdict(list)
    there = set()
    for version, key, storage_key in _pictures(versions):
        kept[version].append(_Seen(key, storage_key, traces.get(key)))
        there.add(key)
    gone = [trace.pk for key, trace in traces.items() if key not in there]
    PictureTrace.objects.filter(pk__in=gone).delete()
    return kept


def _pictures(versions: Sequence[Version]) -> list[tuple[int, str, str]]:
    samples = SamplePicture.objects.filter(version__in=versions).exclude(state=SampleState.REMOVED)
    images = VersionImage.objects.filter(version__in=versions)
    found = [(row.version_id, f"sample:{row.pk}", row.original_key or row.storage_key) for row in samples]
    return found + [(row.version_id, f"image:{row.pk}", row.storage_key) for row in images]


def _shown(kept: dict[int, list[_Seen]], arrived: Arrivals) -> set[int]:
    """The versions with a picture that is the same file as something new, or near a bare hash: all at once."""
    traced = [(version, one.trace) for version, seen in kept.items() for one in seen if one.trace is not None]
    shown = {version for version, trace in traced if {bytes(trace.sent), bytes(trace.content)} & arrived.files}
    shown |= {version for version, trace in traced if len(trace.hashes) not in {0, HASHED}}  # damaged: no pass
    whole = [(version, bytes(trace.hashes)) for version, trace in traced if len(trace.hashes) == HASHED]
    near = arrived.works.listed_in([hashes for _, hashes in whole])
    return shown | {whole[place][0] for place in near}


def _whole(row: PictureTrace) -> KeptPicture:
    trace = Trace(bytes(row.hashes), bytes(row.described))
    return KeptPicture(bytes(row.sent), bytes(row.content), trace)


@transaction.atomic
def _advance(job: Lookback, versions: Sequence[Version], looked: _Looked) -> None:
    """Put down what was found, and where to go on; together or not at all."""
    last = versions[-1].pk
    ours = Lookback.objects.filter(_ours(job), after=job.after)
    counts = {"looked": F("looked") + len(versions), "pictures": F("pictures") + looked.pictures}
    if not ours.update(after=last, attempts=1, found=F("found") + len(looked.found), **counts):
        raise _Overtaken
    job.after, job.attempts = last, 1
    wanted = [ScreeningWanted(version_id=pk, round=Round.REGISTER, lookback=job) for pk in looked.found]
    ScreeningWanted.objects.bulk_create(wanted, ignore_conflicts=True)
    transaction.on_commit(lambda: _tell(looked.found))


def _tell(found: Sequence[int]) -> None:
    for version_id in found:
        screening_wanted.send(sender=Version, version_id=version_id)


@audited()
def _finish(job: Lookback) -> None:
    now = timezone.now()
    if not Lookback.objects.filter(_ours(job)).update(state=LookbackState.DONE, lease_until=None, finished_at=now):
        raise _Overtaken
    job.refresh_from_db()
    audit_append(
        actor=None,
        action="lookback.done",
        subject=("moderation.lookback", str(job.pk)),
        data={"versions": job.looked, "pictures": job.pictures, "found": job.found},
    )
