"""Versions by the hash of a file: any kind that the field uses, in any case, and only what the caller may read."""

from collections.abc import Iterable, Sequence

from django.db.models import Q, QuerySet

from registry.models import Version, VersionFile
from registry.selectors.visibility import Actor, versions_readable_by
from registry.states import VersionState

# Length in hexadecimal digits → the columns that hold hashes of this length.
COLUMNS = {8: ("autov1", "crc32"), 10: ("autov2",), 64: ("sha256", "autov3", "blake3")}
SHORT_AUTOV3 = 12  # digits by which clients name an AutoV3, which is kept whole
DIGITS = frozenset("0123456789abcdef")


def published_versions(actor: Actor) -> QuerySet[Version]:
    """What clients may be told about: published, and readable by this person."""
    rows = versions_readable_by(actor).filter(state=VersionState.PUBLISHED)
    return rows.select_related("adapter__owner", "base_model", "created_by").prefetch_related("files")


def version_by_hash(*, actor: Actor, value: str) -> Version | None:
    """The earliest published version with a file of this hash."""
    condition = _condition(value)
    if condition is None:
        return None
    files = VersionFile.objects.filter(condition).values("version")
    return published_versions(actor).filter(pk__in=files).order_by("published_at", "pk").first()


def versions_by_sha256(*, actor: Actor, values: Iterable[str]) -> list[Version]:
    """For each SHA-256 the earliest published version, in the order asked; what nobody may see is left out."""
    wanted = [value.lower() for value in values]
    first = _earliest(actor, Q(sha256__in=wanted), ("sha256",))
    rows = published_versions(actor).in_bulk([first[value] for value in wanted if value in first])
    return [rows[first[value]] for value in dict.fromkeys(wanted) if value in first]


def ids_by_hash(*, actor: Actor, values: Sequence[str]) -> list[tuple[int, int, str]]:
    """(version, adapter, hash as asked) of each that is found."""
    asked = {value.lower(): value for value in values if _is_hash(value)}
    found: dict[str, int] = {}
    for length, columns in COLUMNS.items():
        condition = Q()
        for column in columns:
            condition |= Q(**{f"{column}__in": [value for value in asked if len(value) == length]})
        found |= _earliest(actor, condition, columns)
    for value in asked:
        if len(value) == SHORT_AUTOV3 and (version := version_by_hash(actor=actor, value=value)):
            found[value] = version.pk
    found = {value: pk for value, pk in found.items() if value in asked}
    adapters = dict(Version.objects.filter(pk__in=found.values()).values_list("pk", "adapter_id"))
    return [(found[value], adapters[found[value]], asked[value]) for value in asked if value in found]


def _earliest(actor: Actor, condition: Q, columns: tuple[str, ...]) -> dict[str, int]:
    readable = versions_readable_by(actor).filter(state=VersionState.PUBLISHED)
    rows = VersionFile.objects.filter(condition, version__in=readable).order_by("-version__published_at", "-version")
    found: dict[str, int] = {}
    for pk, *hashes in rows.values_list("version", *columns):  # the last one written is the earliest
        found |= {value: pk for value in hashes if value}
    return found


def _is_hash(value: str) -> bool:
    return bool(value) and set(value.lower()) <= DIGITS


def _condition(value: str) -> Q | None:
    value = value.lower()
    if not _is_hash(value):
        return None
    if len(value) == SHORT_AUTOV3:
        return Q(autov3__startswith=value)
    condition = Q()
    for column in COLUMNS.get(len(value), ()):
        condition |= Q(**{column: value})
    return condition or None
