"""What the protocol's writing calls need of a repository, whatever lies in it; each kind offers its own half."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from accounts.errors import NotPermitted
from accounts.models import Namespace, User
from registry.compat.hub.errors import NotOffered
from registry.compat.hub.kinds import HubCaller, Repository
from registry.permissions import AdapterPermission
from registry.services.arrivals import Note
from registry.services.commit_changes import Wanted
from registry.services.depots import Depot

Refused = Callable[[str], bool]  # whether a `.gitignore` leaves this path out


@dataclass(frozen=True)
class Expected:
    """How a file has to come: inside the commit or as a large object, whether at all, and the id of what is there."""

    path: str
    is_large: bool
    is_taken: bool
    oid: str | None = None


@dataclass(frozen=True)
class Done:
    """What became of a commit: the id of the revision, and what its people have to know."""

    sha: str
    notes: Sequence[Note] = ()


class Writing(ABC):
    """One repository for somebody who may add to it; `require` asks for more."""

    instead: ClassVar[str]  # what is taken, and where the rest goes

    def __init__(self, repository: Repository) -> None:
        self.repository = repository

    @property
    @abstractmethod
    def depot(self) -> Depot:
        """Where its large objects arrive."""

    @abstractmethod
    def branch(self, named: str) -> str:
        """The branch that an address names; raises RevisionNotFound."""

    @abstractmethod
    def expected(self, branch: str, files: Sequence[tuple[str, int]]) -> list[Expected]:
        """How each of these files (path, bytes) has to come, in their order; raises PathRefused."""

    @abstractmethod
    def commit(self, actor: User, wanted: Wanted) -> Done:
        """Take the commit, all of it or nothing; raises CommitStale, CommitRefused, PathRefused, NotPermitted."""

    @abstractmethod
    def delete(self, actor: User) -> None:
        """Delete the repository."""

    @abstractmethod
    def settings(self, actor: User, body: dict[str, Any]) -> dict[str, Any]:
        """Change what `body` names, and answer how it is then."""

    def ignored(self, branch: str) -> str:
        """The text of the `.gitignore` that lies in it."""
        return ""

    def move(self, actor: User, owner: Namespace, name: str) -> str:
        """Give it another address, and answer that; raises NotOffered where its kind keeps its name."""
        raise NotOffered(f"{self.repository.kind.capitalize()} keep their names here.")


class WritingKind(ABC):
    """How repositories of one kind are made and written to."""

    name: ClassVar[str]  # as in addresses: models, datasets

    @abstractmethod
    def create(self, *, actor: User, owner: Namespace, name: str, body: dict[str, Any]) -> list[Note]:
        """Make an empty one, and answer what has to be known; raises NameTaken."""

    @abstractmethod
    def of(self, repository: Repository) -> Writing:
        """The writing half of a repository of this kind."""


_kinds: dict[str, WritingKind] = {}


def register_writing(kind: WritingKind) -> None:
    """Repositories of this kind are written to from now on."""
    _kinds[kind.name] = kind


def writing_kind(name: str) -> WritingKind:
    """The kind under this name; raises NotOffered."""
    if (found := _kinds.get(name)) is None:
        raise NotOffered(f"This registry has no {name}: it offers {', '.join(sorted(_kinds))}.")
    return found


def writing_of(caller: HubCaller, repository: Repository, permission: AdapterPermission) -> Writing:
    """The writing half, if the caller may do this; raises NotPermitted."""
    kind = writing_kind(repository.kind)
    if not repository.may(permission):
        raise NotPermitted(f"Your role towards {repository.id} does not include {permission.value}.")
    return kind.of(repository)
