"""Pictures drawn here in the galleries of the adapters they were drawn with: their marks, and how they were made."""

import io
import uuid
from collections.abc import Collection, Iterable, Mapping

from django.core.files.storage import default_storage
from PIL import Image

from accounts.models import User
from governance.services import audited
from inference.errors import GalleryRefused
from inference.generation_states import PictureState
from inference.models import GallerySettings, GenerationPicture
from inference.picture_facts import facts_of, named_beside, settings_shown
from inference.picture_texts import text_chunks
from registry.models import SamplePicture, SampleState, Version
from registry.picture_settings import PictureSettings, UsedAdapter
from registry.services.samples import Sample, samples_add
from registry.storage import store_bytes


def picture_to_gallery(*, picture: GenerationPicture, version: Version, actor: User) -> SamplePicture:
    """Attach a result to the version that it was drawn with, as an example; it is screened like every other.

    The shown copy says that it is AI-generated and how it was made; adapters that not everybody may see are not named.
    Raises GalleryRefused where there is no picture, or the version had no part in it, and what `samples_add` raises.
    """
    if picture.state != PictureState.DONE:
        raise GalleryRefused("There is no finished picture to add.")
    if not picture.generation.adapters.filter(version=version).exists():
        raise GalleryRefused(f"{version} had no part in this picture.", remedy="Choose one of its adapters.")
    with default_storage.open(picture.storage_key, "rb") as file:
        content: bytes = file.read()
    named = named_beside(version, picture)
    texts = text_chunks(facts_of(picture, named=named))
    with audited():
        sample = Sample(f"{picture.pk}.png", content, texts=texts)
        added = samples_add(version=version, actor=actor, samples=[sample])[0]
        GallerySettings.objects.create(sample=added, settings=settings_shown(picture, named=named))
        GenerationPicture.objects.filter(pk=picture.pk).update(sample=added)
    return added


def gallery_settings(pictures: Collection[uuid.UUID]) -> Mapping[uuid.UUID, PictureSettings]:
    """How those of these gallery pictures were made that were drawn here."""
    return {row.sample_id: _read(row) for row in GallerySettings.objects.filter(sample__in=list(pictures))}


def _read(row: GallerySettings) -> PictureSettings:
    kept = {name: value for name, value in row.settings.items() if name not in {"adapters", "base_model"}}
    adapters = tuple(UsedAdapter(**used) for used in row.settings["adapters"])
    return PictureSettings(**kept, adapters=adapters)


def galleries_forget() -> None:
    """Drop the settings of pictures that were taken out of their gallery."""
    GallerySettings.objects.filter(sample__state=SampleState.REMOVED).delete()


def galleries_erase(user: User) -> int:
    """Take an erased account's words off the pictures that stay with other people's adapters.

    Before the transaction ends: should it fail, a copy lacks its words and the next try does the rest.
    """
    mine = GallerySettings.objects.filter(sample__added_by=user)
    pictures = list(mine.values_list("sample", flat=True))
    mine.delete()
    _words_remove(pictures)
    return len(pictures)


def _words_remove(pictures: Iterable[uuid.UUID]) -> None:
    """The shown copies anew, with the mark that they are AI-generated and nothing of what was asked for."""
    there = SamplePicture.objects.exclude(state=SampleState.REMOVED).filter(pk__in=list(pictures))
    for sample in there.select_related("version__base_model"):
        with default_storage.open(sample.storage_key, "rb") as file, Image.open(io.BytesIO(file.read())) as picture:
            made = io.BytesIO()
            picture.save(made, "PNG", pnginfo=text_chunks({"base_model": sample.version.base_model.name}))
        store_bytes(content=made.getvalue(), key=sample.storage_key)


def galleries_kept(user: User) -> list[dict[str, object]]:
    """What is kept about an account here, as plain values, for its export."""
    rows = GallerySettings.objects.filter(sample__added_by=user).order_by("sample__added_at")
    return [{"picture": row.sample_id, "settings": row.settings} for row in rows]
