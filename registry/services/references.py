"""Branches and tags: names for revisions. Only `main` always stays."""

import re

from accounts.errors import NotFound
from accounts.models import User
from governance.services import audit_append, audited
from registry.errors import CommitRefused, ReferenceTaken
from registry.models import Adapter, Ref, Revision
from registry.models.repositories import RefKind
from registry.services.repositories import MAIN

# A plain form of what git allows (git-check-ref-format), without what looks like a revision's id.
NAME = re.compile(r"^(?!.*(?:\.\.|//|@\{|\.lock$|\.lock/|/$|\.$))[A-Za-z0-9_][A-Za-z0-9_./+@-]{0,199}\Z")
REVISION = re.compile(r"^[0-9a-f]{40}\Z")
MOST = 500  # references of one adapter


@audited()
def reference_create(*, actor: User, adapter: Adapter, kind: RefKind, name: str, revision: Revision) -> Ref:
    """A branch or tag at `revision`; raises ReferenceTaken, and CommitRefused for a name that is none."""
    if not NAME.match(name) or REVISION.match(name):
        raise CommitRefused(f"{name[:80]!r} cannot be the name of a {kind}.", remedy="Use letters, digits and `-_./+`.")
    Adapter.objects.select_for_update(no_key=True).get(pk=adapter.pk)
    if adapter.refs.filter(kind=kind, name=name).exists():
        raise ReferenceTaken(f"Reference {_full(kind, name)} already exists")
    if adapter.refs.count() >= MOST:
        raise CommitRefused(f"{adapter} has {MOST} references; that is the most.", remedy="Delete some of them.")
    ref = Ref.objects.create(adapter=adapter, kind=kind, name=name, revision=revision)
    _log(actor, adapter, "adapter.reference-created", kind, revision)
    return ref


@audited()
def reference_delete(*, actor: User, adapter: Adapter, kind: RefKind, name: str) -> None:
    """Forget a name; the revision stays. Raises NotFound, and CommitRefused for `main`."""
    Adapter.objects.select_for_update(no_key=True).get(pk=adapter.pk)
    if kind is RefKind.BRANCH and name == MAIN:
        raise CommitRefused("The branch main cannot be deleted.", remedy="Commit to it what it shall hold.")
    ref = adapter.refs.select_related("revision").filter(kind=kind, name=name).first()
    if ref is None:
        raise NotFound(f"There is no {_full(kind, name)}.", remedy="List the references of the repository.")
    _log(actor, adapter, "adapter.reference-deleted", kind, ref.revision)
    ref.delete()


def _full(kind: RefKind, name: str) -> str:
    return f"refs/{'heads' if kind is RefKind.BRANCH else 'tags'}/{name}"


def _log(actor: User, adapter: Adapter, action: str, kind: RefKind, revision: Revision) -> None:
    subject = ("registry.adapter", str(adapter.pk))
    audit_append(actor=actor, action=action, subject=subject, data={"kind": kind.value, "revision": revision.sha})
