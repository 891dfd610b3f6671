"""The import itself: each file through the same intake as an upload, once, whatever was cut off before."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from accounts.errors import DomainError
from accounts.models import Namespace, User
from governance.services import audit_append, audited
from registry.importing.items import Item, SourceUnreadable, with_own
from registry.importing.report import Line, Outcome
from registry.models import Upload, Version
from registry.models.adapters import ContentLevel, Visibility
from registry.models.imports import ImportedFile
from registry.models.versions import Relation
from registry.pictures import PictureRefused, picture_open
from registry.selectors.visibility import versions_readable_by
from registry.services.cards import card_errors
from registry.services.declarations import OWN, Card, card_tags, declared_by
from registry.services.intake import intake
from registry.services.samples import Sample
from registry.services.uploads import upload_from_stream
from registry.services.versions import Declaration, Parent

RIGHTS = f"{OWN}.rights_statement"
PARENTS = f"{OWN}.parents"


@dataclass(frozen=True)
class Terms:
    """What whoever runs the import states where a file's own card says nothing."""

    facts: dict[str, Any] = field(default_factory=dict)  # license, base_model
    own: dict[str, Any] = field(default_factory=dict)  # what stands under `registry:`
    visibility: str = Visibility.PUBLIC
    content_level: str = ContentLevel.GENERAL
    dry: bool = False


@dataclass(frozen=True)
class Import:
    """Who brings adapters from which source under which name."""

    actor: User
    owner: Namespace
    source: str
    terms: Terms = field(default_factory=Terms)

    def bring(self, item: Item) -> Line:
        """Bring one file in, unless it is here already; says what became of it."""
        try:
            return self._brought(item)
        except SourceUnreadable as error:
            return Line(item.key, Outcome.UNREADABLE, reasons=(str(error),), notes=item.notes)
        except DomainError as error:
            return Line(item.key, Outcome.REFUSED, reasons=tuple(_reasons(error)), notes=item.notes)

    def _brought(self, item: Item) -> Line:
        digest = item.digest()
        if (known := self._known(item, digest)) is not None:
            return Line(item.key, Outcome.ALREADY, str(known))
        card = with_own(item.card, self.terms.facts, self.terms.own)
        declaration, missing = self._declaration(item, card)
        address = f"{self.owner.slug}/{item.name}"
        if missing:
            return Line(item.key, Outcome.INCOMPLETE, address, tuple(missing), item.notes)
        if errors := card_errors(card=card, actor=self.actor):
            return Line(item.key, Outcome.REFUSED, address, tuple(errors), item.notes)
        if self.terms.dry:
            return Line(item.key, Outcome.WOULD, address, notes=item.notes)
        samples, notes = _samples(item)
        version = self._taken(item, digest, card, declaration, samples)
        outcome = Outcome.SUBMITTED if declaration.rights_edition else Outcome.DRAFT
        return Line(item.key, outcome, str(version), notes=(*item.notes, *notes))

    def _known(self, item: Item, digest: str) -> Version | None:
        rows = ImportedFile.objects.filter(owner=self.owner, source=self.source, key=item.key, digest=digest)
        found = rows.select_related("version__adapter__owner").first()
        return found.version if found else None

    def _declaration(self, item: Item, card: Card) -> tuple[Declaration, list[str]]:
        """What the card declares, its parents among what is here, and what nobody may guess."""
        without = Card({**card.facts, OWN: {name: value for name, value in card.own.items() if name != "parents"}}, "")
        declared = declared_by(without, actor=self.actor)
        missing = [f"{name}: {what}" for name, what in declared.missing.items() if name != RIGHTS]
        parents = []
        for name, relation in item.parents:
            parent = self._parent(name)
            if parent is None or relation not in Relation.values:
                missing.append(f"{PARENTS}: {name} is not here under {self.owner.slug}; bring it first")
            else:
                parents.append(Parent(parent.pk, relation))
        label = item.label or declared.declaration.label
        return replace(declared.declaration, parents=tuple(parents), label=label), missing

    def _parent(self, name: str) -> Version | None:
        rows = versions_readable_by(self.actor).filter(adapter__owner=self.owner, adapter__name=name)
        return rows.order_by("-number").first()

    def _taken(self, item: Item, digest: str, card: Card, declaration: Declaration, samples: list[Sample]) -> Version:
        upload = self._uploaded(item, item.fetch())
        with audited():
            version = intake(
                actor=self.actor,
                owner=self.owner,
                name=item.name,
                upload=upload,
                declaration=declaration,
                title=item.title,
                description=card.body,
                tags=[tag[:40] for tag in card_tags(card) if ":" not in tag],
                visibility=self.terms.visibility,
                content_level=item.content_level or self.terms.content_level,
                samples=samples,
                as_draft=not declaration.rights_edition,
            )
            made = ImportedFile.objects.create(
                owner=self.owner, source=self.source, key=item.key, digest=digest, version=version
            )
            subject = ("registry.version", str(version.pk))
            audit_append(actor=self.actor, action="version.imported", subject=subject, data={"import": made.pk})
        return version

    def _uploaded(self, item: Item, path: Path) -> Upload:
        with path.open("rb") as file:
            size = path.stat().st_size
            return upload_from_stream(
                actor=self.actor, namespace=self.owner, filename=item.filename, stream=file, length=size
            )


def _samples(item: Item) -> tuple[list[Sample], list[str]]:
    """The pictures beside it that can be read; one that cannot keeps nothing else out."""
    samples, notes = [], []
    for path in item.pictures():
        content = path.read_bytes()
        try:
            picture_open(content)
        except PictureRefused as error:
            notes.append(f"{path.name} was left out. {error}")
        else:
            samples.append(Sample(path.name, content))
    return samples, notes


def _reasons(error: DomainError) -> Iterator[str]:
    yield " ".join(part for part in (error.detail or error.title, error.remedy) if part)
    errors: dict[str, Any] = error.data.get("errors", {})
    yield from (f"{name}: {what}" for name, what in errors.items())
