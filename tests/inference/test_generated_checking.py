"""Drawn pictures are looked at before anybody sees them, and what cannot be looked at is withheld."""

import io
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from PIL import Image

from governance.models import AuditEntry
from inference.generated_checking import BROKEN, EXPLICIT, WHY, picture_check
from inference.models import Generation, GenerationPicture
from inference.services.generation import generation_ask
from moderation.matching.explicit import LOOK, WITH_YOUTH_TERMS
from tests.factories.accounts import make_user
from tests.factories.generation import spec
from tests.factories.optout import make_picture, picture_bytes, register_as
from tests.factories.registry import catalogue

pytestmark = pytest.mark.django_db


@pytest.fixture
def made(db: None) -> Generation:
    catalogue()
    return generation_ask(actor=make_user("ada"), spec=spec())


def _drawn(made: Generation, content: bytes) -> GenerationPicture:
    key = default_storage.save("generated/drawn.png", ContentFile(content))
    made.pictures.update(state="checking", storage_key=key, sha256="0" * 64)
    return made.pictures.get()


def _checked(picture: GenerationPicture) -> GenerationPicture:
    picture_check(picture_id=str(picture.pk))
    picture.refresh_from_db()
    return picture


def test_picture_in_which_nothing_is_found_is_shown(made: Generation) -> None:
    picture = _checked(_drawn(made, picture_bytes(make_picture(1))))
    assert (picture.state, picture.problem, picture.checks) == ("done", {}, [])
    made.refresh_from_db()
    assert made.state == "done"


def test_check_that_fails_is_no_pass(made: Generation, django_capture_on_commit_callbacks: Any) -> None:
    picture = _drawn(made, b"no picture at all")
    key = picture.storage_key
    with django_capture_on_commit_callbacks(execute=True):
        _checked(picture)
    assert (picture.state, picture.checks, picture.storage_key) == ("withheld", [BROKEN], "")
    assert WHY[BROKEN] in picture.problem["why"]
    assert not default_storage.exists(key)
    assert AuditEntry.objects.get(action="generation.withheld").data["codes"] == [BROKEN]
    made.refresh_from_db()
    assert made.state == "withheld"


@pytest.mark.parametrize(
    ("score", "watchful", "state"),
    [
        (LOOK - 0.01, False, "done"),
        (LOOK, False, "withheld"),
        (WITH_YOUTH_TERMS, True, "withheld"),
        (WITH_YOUTH_TERMS - 0.01, True, "done"),
    ],
)
def test_sexual_content_is_withheld_and_sooner_where_words_ask_for_care(
    made: Generation, monkeypatch: pytest.MonkeyPatch, score: float, watchful: bool, state: str
) -> None:
    Generation.objects.update(watchful=watchful)
    monkeypatch.setattr("moderation.matching.explicit.explicit_score", lambda picture: score)
    picture = _checked(_drawn(made, picture_bytes(make_picture(2))))
    assert picture.state == state
    assert picture.checks == ([EXPLICIT] if state == "withheld" else [])


def test_copy_of_a_registered_work_is_withheld(made: Generation) -> None:
    work = make_picture(9, (512, 384))
    register_as(make_user("greta"), pictures={"Boats": picture_bytes(work)})
    smaller = io.BytesIO()
    work.resize((384, 288), Image.Resampling.LANCZOS).save(smaller, "PNG")
    picture = _checked(_drawn(made, smaller.getvalue()))
    assert (picture.state, picture.checks) == ("withheld", ["optout-work"])
