"""Drawn pictures are looked at before anybody sees them, and what cannot be looked at is withheld."""

import io
from dataclasses import dataclass
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone
from PIL import Image

from accounts.models import User
from governance.models import AuditEntry
from inference.generated_checking import BROKEN, EXPLICIT, WHY, picture_check
from inference.models import Generation, GenerationPicture
from inference.services.generation import generation_ask
from moderation.consent_terms import Verification
from moderation.matching.explicit import LOOK, WITH_YOUTH_TERMS
from moderation.matching.faces import DEFAULT_READER, Face, face_reader, find_faces
from moderation.models import Consent
from moderation.services.consent_answers import consent_revoke
from moderation.services.consents import consent_verify
from registry.models import BaseModel
from tests.factories.accounts import make_user
from tests.factories.consents import make_linked
from tests.factories.faces import OtherReader, face_bytes, face_picture, made_face
from tests.factories.generation import spec, starter
from tests.factories.likeness import make_identity, make_template
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


@dataclass(frozen=True)
class SeesSam(OtherReader):
    """An operator's own reader, to which every picture shows the face that the factory enrols."""

    faces: tuple[Face, ...] = (made_face(seed=1),)


@pytest.fixture
def sam(settings: Any) -> User:
    """Somebody whose face is protected here, and in every picture."""
    settings.LIKENESS_READER = f"{__name__}.SeesSam"
    sam = make_user("sam")
    make_identity(sam, name="Sam Subject")
    return sam


def _of_sam(ada: User, sam: User) -> tuple[Generation, Consent]:
    """A picture asked for with an adapter that rests on Sam's consent, which a moderator has checked."""
    catalogue()
    version = starter(ada, "outlined")
    consent = make_linked(version, email=sam.email, name="Sam Subject").consent
    mo = make_user("mo", is_moderator=True)
    consent_verify(consent=consent, actor=mo, method=Verification.DOCUMENT, note="Seen.")
    return generation_ask(actor=ada, spec=spec("a portrait <lora:ada/outlined:1>")), consent


def test_protected_face_without_consent_is_withheld_with_the_reason(
    made: Generation, sam: User, django_capture_on_commit_callbacks: Any
) -> None:
    picture = _drawn(made, picture_bytes(make_picture(3)))
    key = picture.storage_key
    with django_capture_on_commit_callbacks(execute=True):
        _checked(picture)
    assert (picture.state, picture.checks, picture.storage_key) == ("withheld", ["likeness-match"], "")
    assert WHY["likeness-match"] in picture.problem["why"]
    assert not default_storage.exists(key)
    entry = AuditEntry.objects.get(action="generation.withheld")
    assert entry.data == {"codes": ["likeness-match"], "sha256": picture.sha256}, "who it is stays out of the log"
    assert "Sam" not in str(picture.problem)


def test_protected_face_with_its_consent_is_shown(sam: User) -> None:
    made, _ = _of_sam(make_user("ada"), sam)
    picture = _checked(_drawn(made, picture_bytes(make_picture(3))))
    assert (picture.state, picture.checks) == ("done", [])


def test_consent_that_ended_after_the_request_lets_no_face_through(sam: User) -> None:
    made, consent = _of_sam(make_user("ada"), sam)
    picture = _drawn(made, picture_bytes(make_picture(3)))
    consent_revoke(consent=consent)
    assert made.consents == [str(consent.public_id)]
    assert _checked(picture).state == "withheld"
    assert picture.checks == ["likeness-match"]


def test_verified_person_who_took_the_consent_back_is_told_apart(sam: User) -> None:
    """To who asked in their own name, the refusal is told as one."""
    made, consent = _of_sam(make_user("ada"), sam)
    picture = _drawn(made, picture_bytes(make_picture(3)))
    sam.identities.update(verified_at=timezone.now(), verified_by=User.objects.get(username="mo"))
    consent_revoke(consent=consent)
    assert _checked(picture).checks == ["likeness-refused"]
    assert WHY["likeness-refused"] in picture.problem["why"]


def test_ones_own_protected_face_is_shown(sam: User) -> None:
    catalogue()
    made = generation_ask(actor=sam, spec=spec())
    assert _checked(_drawn(made, picture_bytes(make_picture(3)))).state == "done"


def test_faces_are_not_read_where_a_licence_forbids_biometrics(made: Generation, sam: User) -> None:
    """Of the base model that the picture was made with: its duty binds the house as well."""
    BaseModel.objects.filter(slug="tinybase").update(licence_id="flux-1-dev-nc-1.1.1")
    assert _checked(_drawn(made, picture_bytes(make_picture(3)))).state == "done"


@pytest.mark.slow
def test_enrolled_person_is_found_in_a_drawn_picture_by_the_reader_that_ships(made: Generation) -> None:
    """Enrolled by one photograph, recognised in another one, at the size at which it is shown; a stranger is not."""
    reader = face_reader(DEFAULT_READER)
    identity = make_identity(make_user("barack"), seed=None)
    make_template(identity, find_faces(face_picture("obama-1"), reader=reader)[0], reader)  # type: ignore[arg-type]
    picture = _checked(_drawn(made, face_bytes("obama-2")))
    assert (picture.state, picture.checks) == ("withheld", ["likeness-match"])
    GenerationPicture.objects.update(state="checking", lease_until=None, check_attempts=0, checks=[], problem={})
    assert _checked(_drawn(made, face_bytes("collins"))).state == "done"
