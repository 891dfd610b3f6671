"""Adapters that are written to: weights and texts, versions by the intake, settings and names."""

from collections.abc import Sequence
from typing import Any

from accounts.models import Namespace, User
from governance.services import audited
from registry.compat.hub.errors import BadRequest, RevisionNotFound
from registry.compat.hub.kinds import Repository
from registry.compat.hub.visibility import wanted_visibility
from registry.compat.hub.writing import Done, Expected, Writing, WritingKind
from registry.models import Access
from registry.models.adapters import Visibility
from registry.services.access_requests import access_rule_set
from registry.services.adapters import adapter_update
from registry.services.arrivals import Note
from registry.services.commit_changes import REGULAR_MOST, Wanted
from registry.services.commits import commit_take
from registry.services.depots import Depot, adapter_depot
from registry.services.moves import repository_create, repository_delete, repository_move
from registry.services.repositories import MAIN, branch_head, tree_of
from registry.services.repository_paths import IGNORED, is_text, is_weights, path_checked
from registry.storage import read_range


class AdapterWriting(Writing):
    """One adapter's repository for somebody who may add to it."""

    instead = (
        f"Repositories here hold weights and texts of up to {REGULAR_MOST // 1024} KiB; attach pictures on the "
        "version's page, where they are screened."
    )

    @property
    def depot(self) -> Depot:
        return adapter_depot(self.repository.subject)

    def branch(self, named: str) -> str:
        name, adapter = named.removeprefix("refs/heads/"), self.repository.subject
        if name != MAIN and branch_head(adapter=adapter, branch=name) is None:
            raise RevisionNotFound(f"There is no branch {name[:80]!r} in {adapter}.", remedy="Create it first.")
        return name

    def expected(self, branch: str, files: Sequence[tuple[str, int]]) -> list[Expected]:
        there = tree_of(branch_head(adapter=self.repository.subject, branch=branch))
        found = []
        for named, size in files:
            path = path_checked(named)
            taken = is_weights(path) or (is_text(path) and size <= REGULAR_MOST)
            blob = there.get(path)
            oid = (blob.sha256 if is_weights(path) else blob.git_sha1) if blob else None
            found.append(Expected(named, not is_text(path) or is_weights(path), taken, oid))
        return found

    def ignored(self, branch: str) -> str:
        blob = tree_of(branch_head(adapter=self.repository.subject, branch=branch)).get(IGNORED)
        if blob is None:
            return ""
        return b"".join(read_range(key=blob.storage_key, first=0, length=blob.size)).decode(errors="replace")

    def commit(self, actor: User, wanted: Wanted) -> Done:
        done = commit_take(actor=actor, adapter=self.repository.subject, wanted=wanted)
        return Done(done.revision.sha, done.notes)

    def delete(self, actor: User) -> None:
        repository_delete(actor=actor, adapter=self.repository.subject)

    def move(self, actor: User, owner: Namespace, name: str) -> str:
        return str(repository_move(actor=actor, adapter=self.repository.subject, owner=owner, name=name))

    def settings(self, actor: User, body: dict[str, Any]) -> dict[str, Any]:
        """Who sees it, and whether its owner grants access by hand."""
        adapter = self.repository.subject
        visibility, rule = wanted_visibility(body, adapter.owner), _rule(body)
        with audited():
            if visibility is not None:
                adapter = adapter_update(actor=actor, adapter=adapter, visibility=visibility)
            if rule is not None:
                adapter = access_rule_set(actor=actor, adapter=adapter, rule=rule)
        closed = adapter.visibility != Visibility.PUBLIC
        return {"visibility": "private" if closed else "public", "private": closed}


def _rule(body: dict[str, Any]) -> Access | None:
    """What `gated` asks for: the terms of the gate stay in every case, and `manual` adds the owner's own word."""
    if "gated" not in body or body["gated"] is None:
        return None
    known: dict[Any, Access] = {False: Access.TERMS, "auto": Access.TERMS, "manual": Access.GRANTED}
    if isinstance(body["gated"], list | dict) or body["gated"] not in known:
        raise BadRequest("`gated` is false, auto or manual.")
    return known[body["gated"]]


class AdapterWritingKind(WritingKind):
    """Adapters are made empty, public unless something else is asked for."""

    name = "models"

    def create(self, *, actor: User, owner: Namespace, name: str, body: dict[str, Any]) -> list[Note]:
        visibility = wanted_visibility(body, owner) or Visibility.PUBLIC
        repository_create(actor=actor, owner=owner, name=name, visibility=visibility)
        return []

    def of(self, repository: Repository) -> AdapterWriting:
        return AdapterWriting(repository)
