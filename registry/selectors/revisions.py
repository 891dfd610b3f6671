"""Revisions of an adapter's repository under their names, and what each reader finds in them.

Its own people and moderators see the whole history. Everybody else sees a revision when nothing is in it but texts
and what published versions brought, and of that only what is published at this moment.
"""

import re
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from accounts.models import Membership, Namespace
from registry.errors import RevisionMissing
from registry.models import Adapter, Blob, Ref, Revision, RevisionEntry, Version, VersionFile
from registry.models.repositories import RefKind
from registry.permissions import AdapterPermission
from registry.selectors.access import adapter_permissions
from registry.selectors.visibility import FACE, MANAGING_ROLES, Actor, versions_readable_by
from registry.services.repository_paths import TEXT_NAMES, TEXTS
from registry.states import MEANINGS, TOMBSTONES, VersionState

MAIN = "main"
SHA = re.compile(r"[0-9a-f]{40}")
# Texts, which are words about the content and no content.
TEXT = Q(
    path__iregex=r"(\.(" + "|".join(sorted(suffix[1:] for suffix in TEXTS)) + ")|"
    r"(^|/)(" + "|".join(sorted(re.escape(name) for name in TEXT_NAMES)) + "))$"
)
UNDECIDED = (VersionState.DRAFT, VersionState.SCANNING, VersionState.IN_REVIEW, VersionState.QUARANTINED)
PUBLISHED = Q(state=VersionState.PUBLISHED)

_HISTORY = """
WITH RECURSIVE up AS (
    SELECT id, parent_id, 0 AS depth FROM registry_revision WHERE id = %s
    UNION ALL
    SELECT r.id, r.parent_id, up.depth + 1 FROM registry_revision r JOIN up ON r.id = up.parent_id
)
SELECT id FROM up ORDER BY depth
"""


@dataclass(frozen=True)
class NamedRevision:
    """A branch or tag, and the revision that this reader finds under it."""

    kind: str
    name: str
    revision: Revision


def sees_whole(actor: Actor, repository: Adapter) -> bool:
    """Whether `actor` sees revisions that hold what is not published."""
    return AdapterPermission.READ_UNPUBLISHED in adapter_permissions(actor, repository)


def revisions_readable(*, repository: Adapter, actor: Actor) -> QuerySet[Revision]:
    """All revisions that `actor` may know of."""
    revisions = Revision.objects.filter(adapter=repository)
    return revisions if sees_whole(actor, repository) else revisions.filter(_shown(repository))


def _shown(repository: Adapter) -> Q:
    published = Version.objects.filter(PUBLISHED, adapter=repository)
    carried = RevisionEntry.objects.filter(revision__in=published.values("revision")).values("blob")
    entries = RevisionEntry.objects.filter(revision=OuterRef("pk")).exclude(TEXT)
    # A card that somebody wrote while a version was under way may speak of what never came out.
    since = Version.objects.exclude(FACE).filter(adapter=repository, created_at__lte=OuterRef("created_at"))
    spoken_of = since.filter(
        Q(state__in=UNDECIDED)
        | Q(screened_at__gte=OuterRef("created_at"))
        | Q(screened_at=None, inspected_at__gte=OuterRef("created_at"))
    )
    own = Q(pk__in=published.values("revision"))
    words = Q(author__in=_managers(repository.owner)) & Q(~Exists(spoken_of))
    nothing_else = Q(~Exists(entries.exclude(blob__in=carried)))
    return (own | words) & nothing_else & Q(Exists(entries.filter(blob__in=_published_blobs(repository))))


def _managers(owner: Namespace) -> list[int]:
    if owner.user_id is not None:
        return [owner.user_id]
    members = Membership.objects.filter(organisation=owner.organisation, role__in=MANAGING_ROLES)
    return list(members.values_list("user", flat=True))


def _published_blobs(repository: Adapter) -> QuerySet[VersionFile, Any]:
    published = VersionFile.objects.filter(version__adapter=repository, version__state=VersionState.PUBLISHED)
    return published.values("blob")


def revision_of(*, repository: Adapter, actor: Actor, name: str) -> Revision:
    """The revision under a branch, a tag or 40 hexadecimal digits, as `actor` sees it.

    `main` is for others the newest of its revisions that they may see; other names are theirs only where the named
    revision itself is. Raises RevisionMissing, also where there is one that they may not see.
    """
    name = name.replace("\0", "")
    found = _named(repository, actor, name)
    if found is None:
        raise RevisionMissing(f"There is no revision “{name[:200]}” that you may see.")
    return found


def _named(repository: Adapter, actor: Actor, name: str) -> Revision | None:
    readable = revisions_readable(repository=repository, actor=actor).select_related("author")
    if SHA.fullmatch(name) and (found := readable.filter(sha=name).first()):
        return found
    kinds = (RefKind.BRANCH, RefKind.TAG)
    for kind, prefix in zip(kinds, ("refs/heads/", "refs/tags/"), strict=True):
        plain = name.removeprefix(prefix)
        ref = Ref.objects.filter(adapter=repository, kind=kind, name=plain).first()
        if ref is None:
            continue
        if kind == RefKind.BRANCH and plain == MAIN:
            return _newest(readable, ref.revision_id)
        return readable.filter(pk=ref.revision_id).first()
    return None


def _newest(readable: QuerySet[Revision], head: int) -> Revision | None:
    """The head where it may be seen, else the nearest before it that may."""
    if found := readable.filter(pk=head).first():
        return found
    order = history_ids(head)
    shown = {revision.pk: revision for revision in readable.filter(pk__in=order)}
    return next((shown[pk] for pk in order if pk in shown), None)


def history_ids(head: int) -> list[int]:
    """The keys of a revision and of all before it, newest first."""
    with connection.cursor() as cursor:
        cursor.execute(_HISTORY, [head])
        return [pk for (pk,) in cursor.fetchall()]


def revision_history(*, repository: Adapter, actor: Actor, revision: Revision) -> list[Revision]:
    """The revision and those before it that `actor` may know of, newest first."""
    order = history_ids(revision.pk)
    readable = revisions_readable(repository=repository, actor=actor).select_related("author").filter(pk__in=order)
    found = {one.pk: one for one in readable}
    return [found[pk] for pk in order if pk in found]


def entries_readable(*, repository: Adapter, actor: Actor, revision: Revision) -> list[RevisionEntry]:
    """What `actor` finds in a revision that they may see, by path."""
    entries = RevisionEntry.objects.filter(revision=revision).select_related("blob").order_by("path")
    if not sees_whole(actor, repository):
        entries = entries.filter(TEXT | Q(blob__in=_published_blobs(repository)))
    return list(entries)


def named_revisions(*, repository: Adapter, actor: Actor) -> list[NamedRevision]:
    """Every branch and tag that `actor` may know of."""
    refs = Ref.objects.filter(adapter=repository).select_related("revision").order_by("kind", "name")
    readable = revisions_readable(repository=repository, actor=actor)
    shown = set(readable.filter(pk__in=refs.values("revision")).values_list("pk", flat=True))
    found = []
    for ref in refs:
        if ref.revision_id in shown:
            found.append(NamedRevision(ref.kind, ref.name, ref.revision))
        elif ref.kind == RefKind.BRANCH and ref.name == MAIN and (newest := _newest(readable, ref.revision_id)):
            found.append(NamedRevision(ref.kind, ref.name, newest))
    return found


def version_of_blob(*, repository: Adapter, revision: Revision, blob: Blob) -> Version | None:
    """Whose file this is: the published version of this very revision, else the newest that has it."""
    files = Version.objects.filter(adapter=repository, files__blob=blob)
    related = files.select_related("adapter__owner", "base_model", "created_by")
    order = (
        Q(state=VersionState.PUBLISHED, revision=revision),
        Q(state=VersionState.PUBLISHED),
    )
    for condition in order:
        if found := related.filter(condition).order_by(F("number").desc()).first():
            return found
    return related.order_by(F("number").desc()).first()


def withheld_note(*, repository: Adapter, actor: Actor, path: str = "", revision: Revision | None = None) -> str:
    """The notice that stands where a file, or all of it, was public; empty where there is none to give."""
    gone = versions_readable_by(actor).filter(adapter=repository, state__in=TOMBSTONES)
    if path and revision is not None:
        blobs = RevisionEntry.objects.filter(revision=revision, path=path).values("blob")
        gone = gone.filter(files__blob__in=blobs)
    elif repository.latest_id is not None:
        return ""
    version = gone.order_by("-number").select_related("adapter__owner").first()
    if version is None:
        return ""
    why = version.state_detail.get("why") or MEANINGS[VersionState(version.state)]
    return f"{version} is {version.state}. {why}"
