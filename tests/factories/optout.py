"""Pictures, registrations and lists of the opt-out register for tests."""

import io
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from accounts.models import User
from moderation.models import OptOutEntry, OptOutImport, OptOutPicture, OptOutRegistration
from moderation.optout_pictures import picture_check
from moderation.optout_things import Thing, address_thing_read, hash_read, name_read
from moderation.selectors import optout_index
from moderation.services.lists import file_keep, import_create, import_run
from moderation.services.optout import Submission, optout_confirm, optout_register
from moderation.services.optout_mail import holder_mails_send
from moderation.services.works import picture_prepare

PDQ = "f8f8f0cee0f4a84f06370a22038f63f0b36e2ed596621e1d33e6b39c4e9c9b22"  # a hash of no picture of these tests


def make_picture(seed: int = 1, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """A picture of many coloured shapes on a soft background: enough for features to hold on to."""
    random = np.random.default_rng(seed)
    small = Image.fromarray(random.integers(60, 200, (6, 8, 3), dtype=np.uint8))
    picture = small.resize(size, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(picture)
    for _ in range(70):
        x, y = (int(random.integers(0, side)) for side in size)
        w, h = (int(random.integers(3, max(side // 5, 5))) for side in size)
        colour = tuple(int(value) for value in random.integers(0, 256, 3))
        (draw.ellipse if random.random() < 0.5 else draw.rectangle)((x, y, x + w, y + h), fill=colour)
    return picture


def picture_bytes(picture: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    made = io.BytesIO()
    picture.save(made, form, **options)
    return made.getvalue()


def submission(*things: Thing, pictures: dict[str, bytes] | None = None, **about: Any) -> Submission:
    checked = tuple(picture_check(content, title=title) for title, content in (pictures or {}).items())
    return Submission(things, checked, **{"name": "Ada", **about})


def names(*texts: str) -> list[Thing]:
    return [name_read(text, mononym=" " not in text) for text in texts]


def addresses(*texts: str) -> list[Thing]:
    return [address_thing_read(text) for text in texts]


def hashes(*texts: str) -> list[Thing]:
    return [hash_read(text) for text in texts]


def prepare(registration: OptOutRegistration) -> None:
    """What a worker does with the pictures."""
    for picture in OptOutPicture.objects.filter(registration=registration):
        picture_prepare(picture_id=picture.pk)


def register_as(user: User, *things: Thing, **given: Any) -> OptOutRegistration:
    made = optout_register(submission=submission(*things, **given), user=user)
    prepare(made)
    return made


def register_by_mail(*things: Thing, email: str = "ada@example.org", confirm: bool = True, **given: Any) -> str:
    """Registered without an account; the secret of the manage link when it was confirmed, else of the confirmation."""
    from django.core import mail

    made = optout_register(submission=submission(*things, **given), email=email)
    prepare(made)
    mail.outbox.clear()
    holder_mails_send(holder_id=made.holder_id)
    secret = secret_in(str(mail.outbox[-1].body))
    return optout_confirm(secret=secret) if confirm else secret


def secret_in(text: str) -> str:
    """The secret of the link that a mail carries."""
    link = next(word for word in text.split() if "/opt-out/" in word)
    return link.rpartition("/")[2]


def the_entry(text: str) -> OptOutEntry:
    return OptOutEntry.objects.get(text=text)


def csv_of(*rows: str, header: str = "kind,value,algorithm,title,mononym,reference") -> bytes:
    return "\n".join([header, *rows, ""]).encode()


def jsonl_of(*rows: dict[str, Any]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def make_import(content: bytes, *, name: str = "a list", filename: str = "list.csv", **given: Any) -> OptOutImport:
    """A file of a list, taken in as far as it goes."""
    job = queue_import(content, name=name, filename=filename, **given)
    import_run(import_id=job.pk)
    job.refresh_from_db()
    return job


def queue_import(content: bytes, *, name: str = "a list", filename: str = "list.csv", **given: Any) -> OptOutImport:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / filename
        path.write_bytes(content)
        with path.open("rb") as stream:
            kept = file_keep(stream)
    return import_create(name=name, path=kept, filename=filename, **{"actor": None, "complete": False, **given})


def index_forget() -> None:
    """What a new process begins with: no index of the works in memory."""
    with optout_index._kept.lock:
        optout_index._kept.index = None
