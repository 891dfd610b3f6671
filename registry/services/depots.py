"""Where the objects of one repository arrive. Each kind of repository has tables of its own for what is under way."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from accounts.errors import NotFound
from accounts.models import Namespace
from registry.models import Adapter, Blob, Transfer, Upload, XetSession
from registry.models.transfers import ObjectSession, ObjectTransfer

# Whether a repository (its row) has the bytes of this SHA-256: None where not, False where of another size.
Stored = Callable[[Any, str, int | None], bool | None]


@dataclass(frozen=True)
class DepotKind:
    """One kind of repository. `field` names the repository in both tables, `live` is what holds of one that is open."""

    name: str
    field: str
    transfers: type[ObjectTransfer]
    sessions: type[ObjectSession]
    live: Mapping[str, Any]
    stored: Stored

    def live_transfers(self) -> Any:
        """Transfers into repositories that are open."""
        return self._live(self.transfers).select_related("upload", f"{self.field}__owner")

    def live_sessions(self) -> Any:
        """Xet sessions of repositories that are open."""
        return self._live(self.sessions).select_related("user", f"{self.field}__owner")

    def _live(self, table: type[Any]) -> Any:
        return table._default_manager.filter(**{f"{self.field}__{name}": value for name, value in self.live.items()})

    def of(self, row: ObjectTransfer | ObjectSession) -> "Depot":
        """The depot that a row of these tables belongs to."""
        return Depot(self, getattr(row, self.field))


@dataclass(frozen=True)
class Depot:
    """One repository as the place where objects arrive."""

    kind: DepotKind
    repository: Any  # the row: an Adapter, a Dataset

    @property
    def namespace(self) -> Namespace:
        """Whose quota it is."""
        owner: Namespace = self.repository.owner
        return owner

    @property
    def transfers(self) -> Any:
        """What is under way into it."""
        rows: Any = self.kind.transfers._default_manager
        return rows.select_related("upload").filter(**{self.kind.field: self.repository})

    def stored(self, sha256: str, size: int | None = None) -> bool | None:
        """Whether it has these bytes already; None where it has not."""
        return self.kind.stored(self.repository, sha256, size)

    def transfer_create(self, *, upload: Upload, sha256: str, part_size: int) -> Any:
        """A new row for an object under way."""
        facts = {"upload": upload, "sha256": sha256, "part_size": part_size, self.kind.field: self.repository}
        return self.kind.transfers._default_manager.create(**facts)

    def session_create(self, **facts: Any) -> Any:
        """A new row for a Xet session."""
        return self.kind.sessions._default_manager.create(**facts, **{self.kind.field: self.repository})


def _stored(adapter: Adapter, sha256: str, size: int | None) -> bool | None:
    stored = Blob.objects.filter(adapter=adapter, sha256=sha256).first()
    return None if stored is None else size is None or stored.size == size


ADAPTERS = DepotKind("models", "adapter", Transfer, XetSession, {"deleted_at": None}, _stored)
_kinds: dict[str, DepotKind] = {ADAPTERS.name: ADAPTERS}


def depots_also(kind: DepotKind) -> None:
    """Objects arrive in repositories of this kind too."""
    _kinds[kind.name] = kind


def depot_kind(name: str) -> DepotKind:
    """The kind under this name; raises NotFound."""
    if (found := _kinds.get(name)) is None:
        raise NotFound("There is no such transfer, or it has run out.", remedy="Start the upload again.")
    return found


def depot_kinds() -> list[DepotKind]:
    """Every kind that objects arrive for."""
    return list(_kinds.values())


def adapter_depot(adapter: Adapter) -> Depot:
    """The depot of an adapter."""
    return Depot(ADAPTERS, adapter)
