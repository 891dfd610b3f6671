"""Fingerprints of weights: made when a version is screened, kept, and searched for what resembles it."""

from moderation.matching.fingerprints import DERIVED, Fingerprint, FingerprintIndex, fingerprint
from moderation.models import WeightFingerprint
from moderation.screening.subject import Subject
from registry.models import Version

MOST = 50  # besides those of one's own, which are many where somebody has many versions


def fingerprint_keep(subject: Subject) -> WeightFingerprint:
    """The version's fingerprint, made and kept; raises FingerprintError where the file holds nothing to compare."""
    with subject.weights() as path:
        made = fingerprint(path)
    kept, _ = WeightFingerprint.objects.update_or_create(
        version=subject.version,
        defaults={"method": made.version, "vector": made.to_bytes(), "modules": made.modules},
    )
    return kept


class _Held:
    """The index of one method that this process holds, and the rows that are in it."""

    def __init__(self, method: int) -> None:
        self.method, self.index = method, FingerprintIndex()
        self.rows: set[int] = set()
        self.last = 0

    def catch_up(self) -> None:
        """Take in what was written since; a row may become visible after one with a higher number."""
        rows = WeightFingerprint.objects.filter(method=self.method, pk__gt=self.last - LATE)
        for pk, version, vector in rows.order_by("pk").values_list("pk", "version_id", "vector").iterator():
            if pk not in self.rows:
                self.index.add(version, Fingerprint.from_bytes(bytes(vector)))
                self.rows.add(pk)
                self.last = max(self.last, pk)


LATE = 10_000  # numbers given out by transactions that may still be under way
_held: dict[int, _Held] = {}


def nearest_versions(kept: WeightFingerprint, *, minimum: float = DERIVED) -> list[tuple[Version, float]]:
    """The versions whose weights are at least so similar, the nearest first, each with its similarity."""
    held = _held.setdefault(kept.method, _Held(kept.method))
    held.catch_up()
    owner = kept.version.adapter.owner_id
    own = WeightFingerprint.objects.filter(version__adapter__owner=owner).count()
    found = held.index.search(Fingerprint.from_bytes(bytes(kept.vector)), minimum=minimum, most=MOST + own)
    near = {one.id: one.similarity for one in found if one.id != kept.version_id}
    rows = Version.objects.filter(pk__in=near, fingerprint__isnull=False).select_related("adapter__owner", "created_by")
    return sorted(((row, near[row.pk]) for row in rows), key=lambda pair: -pair[1])
