"""Enrolment in the browser: with an account and by a link, what the pages show, and who may see them."""

import re
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from accounts.models import User
from moderation.likeness_consent import current_consent
from moderation.models import DeletionProof, EnrolmentPicture, FaceTemplate, IdentityLink, ProtectedIdentity
from moderation.services.enrolment import picture_read
from tests.factories.accounts import make_user
from tests.factories.faces import OtherReader, face_bytes, made_face

pytestmark = pytest.mark.django_db
WRONG = "Something is missing or wrong"


@pytest.fixture
def ada(client: Client) -> User:
    user = make_user("ada")
    client.force_login(user)
    return user


@pytest.fixture
def moderator() -> Client:
    client = Client()
    client.force_login(make_user("mo", is_moderator=True))
    return client


def _files(*names: str) -> list[SimpleUploadedFile]:
    return [SimpleUploadedFile(f"{name}.jpg", face_bytes(name), "image/jpeg") for name in names]


def _given(**changes: object) -> dict[str, object]:
    given = {
        "name": "Ada Example",
        "aliases": "AdaX, A. Example",
        "acts_as": "self",
        "consent": "on",
        "consent_edition": current_consent().edition,
        "pictures": _files("collins"),
    }
    return {name: value for name, value in {**given, **changes}.items() if value is not None}


def _text(response: object) -> str:
    return " ".join(response.content.decode().split())  # type: ignore[attr-defined]


def _enrolled(client: Client, **changes: object) -> ProtectedIdentity:
    response = client.post("/likeness/enrol", _given(**changes))
    assert response.status_code == 302, _text(response)
    identity = ProtectedIdentity.objects.latest("pk")
    assert response["Location"] == f"/likeness/{identity.public_id}"
    return identity


def _read(identity: ProtectedIdentity) -> None:
    for picture in identity.pictures.all():
        picture_read(picture_id=picture.pk, reader=OtherReader(faces=(made_face(seed=1),)))


def test_home_says_what_is_not_covered(client: Client) -> None:
    text = _text(client.get("/likeness"))
    assert "Drawn and painted pictures are not covered" in text
    assert "I can withdraw at any time" in text
    assert "Sign in and enrol a face" in text


def test_enrolment_asks_for_an_account(client: Client) -> None:
    assert client.get("/likeness/enrol")["Location"] == "/sign-in?next=/likeness/enrol"


def test_account_enrols_and_sees_what_is_kept(client: Client, ada: User) -> None:
    assert "The photographs are read once and deleted" in _text(client.get("/likeness/enrol"))
    identity = _enrolled(client, pictures=_files("collins", "collins"))
    assert (identity.user, identity.name, identity.aliases) == (ada, "Ada Example", ["AdaX", "A. Example"])
    page = f"/likeness/{identity.public_id}"
    assert "2 photographs wait to be read" in _text(client.get(page))
    _read(identity)
    text = _text(client.get(page))
    assert "2 encrypted templates." in text
    assert "every 2s" not in text
    assert "nobody has made sure who enrolled" in text
    assert "Ada Example" in _text(client.get("/likeness"))


def test_status_is_asked_for_again_while_something_waits(client: Client, ada: User) -> None:
    identity = _enrolled(client)
    fragment = client.get(f"/likeness/{identity.public_id}", headers={"HX-Request": "true"})
    assert "every 2s" in _text(fragment)
    assert b"<html" not in fragment.content


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"consent": None}, "Without consent nothing can be enrolled."),
        ({"consent_edition": "2020-01"}, "The text has a new edition. Read it and consent again."),
        ({"name": ""}, "This field is required."),
        ({"acts_as": None}, "This field is required."),
        ({"pictures": None}, "Choose at least one photograph."),
        ({"pictures": _files(*["collins"] * 6)}, "Send at most 5 pictures at once."),
        ({"pictures": [SimpleUploadedFile("a.jpg", b"no picture", "image/jpeg")]}, "no picture that can be read"),
        ({"aliases": ",".join(f"name {n}" for n in range(21))}, "Name at most 20"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_is_named_and_nothing_is_enrolled(
    client: Client, ada: User, changes: dict[str, object], said: str
) -> None:
    text = _text(client.post("/likeness/enrol", _given(**changes)))
    assert said in text
    assert WRONG in text
    assert not ProtectedIdentity.objects.exists()
    assert not EnrolmentPicture.objects.exists()


def test_enrolments_of_one_account_are_counted(client: Client, ada: User, settings: object) -> None:
    settings.LIKENESS_ENROLMENTS_PER_DAY = 2  # type: ignore[attr-defined]
    for _ in range(2):
        _enrolled(client)
    assert client.post("/likeness/enrol", _given()).status_code == 429
    assert ProtectedIdentity.objects.count() == 2


def test_photographs_are_added_later(client: Client, ada: User) -> None:
    identity = _enrolled(client)
    page = f"/likeness/{identity.public_id}"
    assert client.post(f"{page}/pictures", {"pictures": _files("collins")})["Location"] == page
    assert identity.pictures.count() == 2
    refused = client.post(f"{page}/pictures", {"pictures": [SimpleUploadedFile("a.jpg", b"x", "image/jpeg")]})
    assert refused.status_code == 422
    assert "no picture that can be read" in _text(refused)


def test_sendings_for_one_identity_are_counted(client: Client, ada: User) -> None:
    page = f"/likeness/{_enrolled(client).public_id}/pictures"
    wrong = [client.post(page, {"pictures": [SimpleUploadedFile("a.jpg", b"x")]}).status_code for _ in range(11)]
    assert (wrong[0], wrong[-1]) == (422, 429)


def test_photograph_that_could_not_be_used_says_why(client: Client, ada: User) -> None:
    identity = _enrolled(client)
    picture_read(picture_id=identity.pictures.get().pk, reader=OtherReader())
    text = _text(client.get(f"/likeness/{identity.public_id}"))
    assert "No face was found" in text
    assert "Not protected: there is no template." in text


def test_withdrawal_is_asked_for_and_proved(client: Client, ada: User) -> None:
    identity = _enrolled(client)
    _read(identity)
    page = f"/likeness/{identity.public_id}"
    assert "Withdraw the consent for Ada Example?" in _text(client.get(f"{page}/withdraw"))
    assert FaceTemplate.objects.count() == 1
    text = _text(client.post(f"{page}/withdraw", follow=True))
    assert not FaceTemplate.objects.exists()
    proof = DeletionProof.objects.get()
    assert (proof.via, proof.actor) == ("account", ada)
    for shown in (
        "Deleted: 1 template and the key that read it.",
        proof.digest,
        str(proof.public_id),
        'badge--allow">none',
    ):
        assert shown in text
    assert "Withdrawn already" in _text(client.get(f"{page}/withdraw"))
    assert client.post(f"{page}/withdraw").status_code == 409


def test_templates_alone_are_deleted(client: Client, ada: User) -> None:
    identity = _enrolled(client)
    _read(identity)
    page = f"/likeness/{identity.public_id}"
    assert "The consent stays" in _text(client.get(f"{page}/templates/delete"))
    text = _text(client.post(f"{page}/templates/delete", follow=True))
    assert "0 encrypted templates" in text
    assert "Add photographs" in text


def test_template_that_came_back_is_told(client: Client, ada: User) -> None:
    identity = _enrolled(client)
    _read(identity)
    copy = identity.templates.get()
    client.post(f"/likeness/{identity.public_id}/templates/delete")
    copy.save(force_insert=True)
    assert "some are back" in _text(client.get(f"/likeness/{identity.public_id}"))


@pytest.mark.parametrize("path", ["", "/withdraw", "/templates/delete"])
def test_page_does_not_exist_for_others(client: Client, ada: User, path: str) -> None:
    identity = _enrolled(client)
    for other in (Client(), Client()):
        if other is not None:
            assert other.get(f"/likeness/{identity.public_id}{path}").status_code == 404
    stranger = Client()
    stranger.force_login(make_user("eve"))
    assert stranger.get(f"/likeness/{identity.public_id}{path}").status_code == 404
    if path:
        assert stranger.post(f"/likeness/{identity.public_id}{path}").status_code == 404
    assert ProtectedIdentity.objects.get().status == "enrolled"


# By a link, without an account


def _invited(moderator: Client) -> str:
    text = _text(moderator.post("/moderation/identities", {"name": "Bea", "contact_email": "bea@example.org"}))
    found = re.search(r"/likeness/link/[\w-]{43}", text)
    assert found
    assert "It works once, for 14 days." in text
    return found[0]


def _accepted(moderator: Client) -> tuple[Client, ProtectedIdentity, str]:
    person = Client()
    opened = person.get(_invited(moderator))
    assert opened["Location"] == "/likeness/invitation"
    assert opened["Referrer-Policy"] == "no-referrer"
    assert 'value="Bea"' in _text(person.get("/likeness/invitation"))
    page = person.post("/likeness/invitation", _given(name="Bea B.", contact_email="bea@example.org"), follow=True)
    text = _text(page)
    link = re.search(r"/likeness/link/[\w-]{43}", text)
    assert link, text
    return person, ProtectedIdentity.objects.get(name="Bea B."), link[0]


def test_invited_person_enrols_without_an_account(moderator: Client) -> None:
    person, identity, link = _accepted(moderator)
    assert (identity.user, identity.status) == (None, "enrolled")
    again = _text(person.get(f"/likeness/{identity.public_id}"))
    assert link not in again  # shown once
    assert "1 photograph waits to be read" in again


def test_personal_link_leads_back_and_withdraws(moderator: Client) -> None:
    _, identity, link = _accepted(moderator)
    _read(identity)
    other_device = Client()
    assert other_device.get(f"/likeness/{identity.public_id}").status_code == 404
    assert other_device.get(link)["Location"] == f"/likeness/{identity.public_id}"
    assert "1 encrypted template." in _text(other_device.get(f"/likeness/{identity.public_id}"))
    other_device.post(f"/likeness/{identity.public_id}/withdraw")
    assert (DeletionProof.objects.get().via, DeletionProof.objects.get().actor) == ("link", None)
    assert not FaceTemplate.objects.exists()


def test_invitation_works_once(moderator: Client) -> None:
    invitation = _invited(moderator)
    first, second = Client(), Client()
    for person in (first, second):
        person.get(invitation)
    assert first.post("/likeness/invitation", _given()).status_code == 302
    assert second.post("/likeness/invitation", _given()).status_code == 404
    assert Client().get(invitation).status_code == 404
    assert ProtectedIdentity.objects.count() == 1


def test_invitation_that_ran_out_opens_nothing(moderator: Client) -> None:
    invitation = _invited(moderator)
    IdentityLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert Client().get(invitation).status_code == 404
    assert Client().get("/likeness/invitation").status_code == 404


def test_guessing_links_is_slowed_down() -> None:
    client = Client()
    statuses = [client.get("/likeness/link/" + "a" * 43).status_code for _ in range(32)]
    assert statuses[0] == 404
    assert statuses[-1] == 429


def test_lost_link_is_replaced_by_a_moderator(moderator: Client) -> None:
    _, identity, lost = _accepted(moderator)
    text = _text(moderator.post(f"/moderation/identities/{identity.public_id}/link"))
    found = re.search(r"/likeness/link/[\w-]{43}", text)
    assert found
    assert Client().get(lost).status_code == 404
    assert Client().get(found[0]).status_code == 302


# For moderators


def test_moderator_verifies_and_sees_neither_template_nor_address(moderator: Client) -> None:
    _, identity, _ = _accepted(moderator)
    _read(identity)
    text = _text(moderator.get("/moderation/identities"))
    assert "Bea B." in text
    assert "bea@example.org" not in text
    assert bytes(identity.templates.get().ciphertext).hex()[:20] not in text
    assert moderator.post(f"/moderation/identities/{identity.public_id}/verify").status_code == 302
    identity.refresh_from_db()
    assert identity.is_verified


@pytest.mark.parametrize("who", ["nobody", "somebody"])
def test_moderators_pages_are_not_there_for_others(who: str) -> None:
    client = Client()
    if who == "somebody":
        client.force_login(make_user("eve"))
    expected = 404 if who == "somebody" else 302
    identity = ProtectedIdentity.objects.create(name="Bea")
    assert client.get("/moderation/identities").status_code == expected
    for path in ("verify", "link"):
        assert client.post(f"/moderation/identities/{identity.public_id}/{path}").status_code == expected
    identity.refresh_from_db()
    assert not identity.is_verified
