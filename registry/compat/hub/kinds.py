"""What the protocol needs of a repository, whatever lies in it; each app registers its kind when it is ready."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponseBase, QueryDict

from accounts.models import ApiToken, User
from registry.compat.hub.errors import NotOffered
from registry.permissions import AdapterPermission
from registry.selectors.visibility import Actor

# What git keeps in place of a large file: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n"


@dataclass(frozen=True)
class HubCaller:
    """Who asks, and the token they ask with."""

    user: Actor
    token: ApiToken | None = None

    @property
    def signed_in(self) -> bool:
        return isinstance(self.user, User)


@dataclass(frozen=True)
class HubRevision:
    """One state of a repository; `row` is its own row, for whoever made it."""

    sha: str
    title: str
    date: datetime
    author: str
    row: Any = field(default=None, compare=False)


def pointer_oid(sha256: str, size: int) -> str:
    """The id that git gives the pointer of an LFS file."""
    pointer = POINTER.format(sha256=sha256, size=size).encode()
    return hashlib.sha1(b"blob %d\0" % len(pointer) + pointer, usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class HubFile:
    """One path of a revision. `oid` is the id git gives it: of the pointer where the content is kept as LFS."""

    path: str
    size: int
    oid: str
    sha256: str = ""
    is_lfs: bool = False
    row: Any = field(default=None, compare=False)

    @property
    def etag(self) -> str:
        return self.sha256 if self.is_lfs else self.oid

    @property
    def pointer_size(self) -> int:
        return len(POINTER.format(sha256=self.sha256, size=self.size))


@dataclass(frozen=True)
class HubPage:
    """One page of a list, and the `cursor` of the next; empty at the end."""

    items: Sequence["Repository"]
    cursor: str = ""


class Repository(ABC):
    """One repository as one caller sees it: everything it answers is what they may see."""

    kind: str
    owner: str
    name: str
    caller: HubCaller
    subject: Any  # the row: an Adapter, a Dataset

    @property
    def id(self) -> str:
        return f"{self.owner}/{self.name}"

    @abstractmethod
    def may(self, permission: AdapterPermission) -> bool:
        """Whether the caller may do this to it."""

    @abstractmethod
    def revision(self, name: str) -> HubRevision:
        """The revision under this name; raises RevisionMissing."""

    @abstractmethod
    def files(self, revision: HubRevision) -> list[HubFile]:
        """Its files by path."""

    @abstractmethod
    def facts(self, revision: HubRevision | None) -> dict[str, Any]:
        """What `model_info` says of it besides `sha` and `siblings`."""

    @abstractmethod
    def refs(self) -> dict[str, Mapping[str, str]]:
        """`branches` and `tags`, each name with its sha."""

    @abstractmethod
    def history(self, revision: HubRevision) -> Iterator[HubRevision]:
        """The revision and those before it, newest first."""

    @abstractmethod
    def require_open(self, revision: HubRevision, file: HubFile, *, fetching: bool = True) -> None:
        """Pass the gate for the file, or raise what stands against it.

        What is fetched leaves its receipt; a HEAD, which only looks ahead, leaves none.
        """

    @abstractmethod
    def deliver(self, request: HttpRequest, file: HubFile) -> HttpResponseBase:
        """The bytes of a file for which `require_open` passed, Range honoured."""

    @abstractmethod
    def require_gate(self) -> None:
        """As `require_open` for whatever would be downloaded now, without a receipt: `auth-check`."""

    @abstractmethod
    def card_data(self, files: list[HubFile]) -> dict[str, Any]:
        """The YAML of the card among these files of one revision."""

    def missing(self, revision: HubRevision, path: str) -> str:
        """Why there is no such file in the revision, where that is more than that."""
        return ""

    @property
    def page(self) -> str:
        """The address of its page, from the root of the site."""
        return f"/{self.id}"


class RepositoryKind(ABC):
    """How one kind of repository is found and listed."""

    name: ClassVar[str]  # models, datasets

    @abstractmethod
    def find(self, *, caller: HubCaller, owner: str, name: str, permission: AdapterPermission) -> Repository:
        """Raises NotFound (absent or unreadable) or NotPermitted (readable, but not this)."""

    @abstractmethod
    def listed(self, *, caller: HubCaller, query: QueryDict) -> HubPage:
        """A page of what the caller may find; raises BadRequest."""


_kinds: dict[str, RepositoryKind] = {}


def register_kind(kind: RepositoryKind) -> None:
    """Offer this kind from now on."""
    _kinds[kind.name] = kind


def kind_named(name: str) -> RepositoryKind:
    """The kind under this name; raises NotOffered."""
    if (found := _kinds.get(name)) is None:
        offered = ", ".join(sorted(_kinds))
        raise NotOffered(f"This registry has no {name}: it offers {offered}.")
    return found
