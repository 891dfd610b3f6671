"""A dataset as a revision: the pictures that it shows, the texts made of them, and the id of all that."""

import hashlib
import json
from collections.abc import Sequence

from training.models import Dataset, DatasetPicture, PictureState

CARD, CAPTIONS = "README.md", "metadata.jsonl"  # made from what is declared, and from the captions


def pictures_shown(dataset: Dataset) -> list[DatasetPicture]:
    """What a client finds in it: neither left out nor refused, by path."""
    kept = dataset.pictures.filter(left_out=False).exclude(state=PictureState.REFUSED)
    return list(kept.defer("colours").order_by("path"))


def revision_id(dataset: Dataset, pictures: Sequence[DatasetPicture]) -> str:
    """40 hexadecimal digits that change with every picture, path and caption."""
    lines = [str(dataset.public_id), *(f"{one.path}\0{one.stored_sha256}\0{one.caption}" for one in pictures)]
    return hashlib.sha1("\n".join(lines).encode(), usedforsecurity=False).hexdigest()


def captions_text(pictures: Sequence[DatasetPicture]) -> str:
    """`metadata.jsonl`: one line for each picture, in the layout that image folders are loaded from."""
    lines = [json.dumps({"file_name": one.path, "text": one.caption}, ensure_ascii=False) for one in pictures]
    return "".join(f"{line}\n" for line in lines)
