"""What the checks look at: a version's words, declarations and pictures, read once for all of them."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.files.storage import default_storage
from PIL import Image

from moderation.models.screening import Round
from moderation.selectors.consents import checked_consent_ids_of
from moderation.services.traces import faces_keep, trace_keep
from registry.models import SampleKind, SampleState, Version
from registry.pictures import picture_open
from registry.storage import local_copy

if TYPE_CHECKING:
    from moderation.matching.pictures import Query

NAMING = (  # keys of a file's metadata in which trainers write what it is about
    "ss_output_name",
    "ss_training_comment",
    "modelspec.title",
    "modelspec.description",
    "modelspec.author",
    "modelspec.tags",
    "modelspec.trigger_phrase",
    "modelspec.usage_hint",
)
MAX_PICTURES = 40  # of a version; more than the registry takes and renders


@dataclass(frozen=True)
class Pictured:
    """A picture of the version; `made` says that it came out of a model: rendered here, or an uploader's example."""

    key: str  # sample:<uuid> or image:<uuid>
    content: bytes
    sha256: str  # of the file as it was sent, also when only a copy of its pixels is left
    made: bool
    uploaded: bool  # with the metadata that it was uploaded with

    def open(self) -> Image.Image:
        """The decoded picture; raises PictureRefused."""
        return picture_open(self.content)


class Subject:
    """A version under screening. Pictures are read when the first check asks for them, faces and scores likewise."""

    def __init__(self, version: Version, round: Round) -> None:
        self.version, self.round = version, round

    @property
    def texts(self) -> dict[str, str]:
        """Everything that names or describes the adapter, by where it stands."""
        version, adapter = self.version, self.version.adapter
        inspection: dict[str, Any] = version.inspection or {}
        training: dict[str, str] = inspection.get("training", {})
        return {
            "name": adapter.name.replace("-", " "),
            "title": adapter.title,
            "description": adapter.description,
            "tags": ", ".join(adapter.tag_names),
            "label": version.label,
            "notes": version.notes,
            "trigger words": ", ".join(version.trigger_words),
            "preview prompts": "\n".join(version.preview_prompts),
            "trigger words in the file": ", ".join(inspection.get("trigger_words", ())),
            "training tags in the file": ", ".join(inspection.get("tag_frequency", {})),
            "metadata of the file": "\n".join(str(training.get(name, "")) for name in NAMING),
        }

    @property
    def sources(self) -> str:
        return self.version.training_sources

    @cached_property
    def pictures(self) -> tuple[Pictured, ...]:
        return tuple(self._read())[:MAX_PICTURES]

    def _read(self) -> Iterator[Pictured]:
        for sample in self.version.samples.exclude(state=SampleState.REMOVED):
            made = sample.kind == SampleKind.EXAMPLE
            key = sample.original_key or sample.storage_key
            yield Pictured(f"sample:{sample.pk}", _content(key), sample.sha256, made, bool(sample.original_key))
        for image in self.version.images.all():
            yield Pictured(f"image:{image.pk}", _content(image.storage_key), image.sha256, made=True, uploaded=False)

    @cached_property
    def examined(self) -> "dict[str, Query | None]":
        """What is compared of each picture; None for one of a single tone or a few pixels, which shows nothing.

        Its trace is kept before anybody asks the register: an entry that comes after the answer finds the trace.
        """
        from moderation.matching.pictures import PictureUnusable, examine

        examined: dict[str, Query | None] = {}
        for picture in self.pictures:
            try:
                examined[picture.key] = examine(picture.open())
            except PictureUnusable:
                examined[picture.key] = None
            trace_keep(version=self.version, picture=picture, query=examined[picture.key])
        return examined

    @cached_property
    def explicit_scores(self) -> dict[str, float]:
        """How likely each picture shows sexual content."""
        from moderation.matching.explicit import explicit_score

        return {picture.key: explicit_score(picture.open()) for picture in self.pictures}

    @cached_property
    def faces(self) -> dict[str, tuple[Any, ...]]:
        """The faces of each picture in which faces may be looked for."""
        from moderation.matching.faces import face_reader, find_faces

        reader = face_reader(settings.LIKENESS_READER)
        found = {picture.key: find_faces(picture.open(), reader=reader) for picture in self.comparable}
        faces_keep({key: len(faces) for key, faces in found.items()})
        return found

    @cached_property
    def comparable(self) -> tuple[Pictured, ...]:
        """Where a licence forbids biometric processing of what a model makes, only pictures that none made."""
        from moderation.screening.biometrics import outputs_may_be_compared

        if outputs_may_be_compared(self.version):
            return self.pictures
        return tuple(picture for picture in self.pictures if not picture.made)

    @cached_property
    def consents(self) -> tuple[str, ...]:
        """Public ids of the checked, live consents that the version rests on."""
        return checked_consent_ids_of(self.version)

    @property
    def weights(self) -> Callable[[], AbstractContextManager[Path]]:
        """The adapter's file, as a context manager that answers a local path."""
        key = self.version.files.select_related("blob").get(is_primary=True).blob.storage_key
        return lambda: _local(key)


def _content(key: str) -> bytes:
    with default_storage.open(key, "rb") as file:
        content: bytes = file.read()
    return content


@contextmanager
def _local(key: str) -> Iterator[Path]:
    with local_copy(key) as path:
        yield path
