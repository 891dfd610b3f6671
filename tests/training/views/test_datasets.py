"""The pages of datasets: who sees what, uploads in every way, captions in place, and pictures served safely."""

import re
import uuid
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Namespace, User
from governance.models import DecisionRecord
from tests.factories.accounts import make_organisation, make_user
from tests.factories.datasets import bring, make_dataset, make_ready, photo, screen, upload_of, zip_of
from training.models import Dataset, DatasetDeletion, DatasetJob, PictureState
from training.services.datasets import EDITION, dataset_create
from training.services.import_running import import_run

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def quick_faces(settings: Any) -> None:
    settings.LIKENESS_READER = "tests.factories.faces.OtherReader"


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def page(ada: User) -> Client:
    client = Client()
    client.force_login(ada)
    return client


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


FORM = {
    "name": "walls", "title": "Walls", "purpose": "style", "trigger": "sks", "origin": "own", "rights": "on",
    "rights_edition": EDITION,
}  # fmt: skip


def test_new_dataset_is_made_and_shown(page: Client, ada: User) -> None:
    assert b"I made them" in page.get("/datasets/new").content
    answer = page.post("/datasets/new", {**FORM, "owner": ada.namespace.pk}, follow=True)
    assert answer.redirect_chain == [("/datasets/ada/walls", 302)]
    assert b"Add pictures" in answer.content
    assert b"Walls" in page.get("/datasets").content


@pytest.mark.parametrize(
    ("changes", "word"),
    [({"rights": ""}, "Without it"), ({"name": "Bad"}, "lower-case"), ({"origin": "licensed"}, "licence"),
     ({"rights_edition": "old"}, "edition")],
)  # fmt: skip
def test_what_is_missing_is_said_at_its_place(page: Client, ada: User, changes: dict[str, str], word: str) -> None:
    answer = page.post("/datasets/new", {**FORM, "owner": ada.namespace.pk, **changes})
    assert answer.status_code == 422
    assert word in answer.content.decode()
    assert not Dataset.objects.exists()


def test_plain_form_uploads_files_without_scripts(page: Client, ada: User) -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile

    dataset = make_dataset(ada)
    files = [SimpleUploadedFile("a.png", photo(1)), SimpleUploadedFile("a.txt", b"sks, a wall")]
    answer = page.post("/datasets/ada/leaves/upload", {"pictures": files}, follow=True)
    assert b"2 files have arrived" in answer.content
    import_run(job_id=str(DatasetJob.objects.get(kind="import").pk))
    assert dataset.pictures.get().caption == "sks, a wall"


def test_uploads_by_tus_keep_their_folders(page: Client, ada: User) -> None:
    dataset = make_dataset(ada, trigger="")
    uploads = [upload_of(ada, "a.png", photo(1)), upload_of(ada, "all.zip", zip_of({"3_zwx cat/b.png": photo(2)}))]
    sent = {"upload": [str(one.pk) for one in uploads], "path": ["5_sks dog/a.png", "all.zip"]}
    page.post("/datasets/ada/leaves/upload", sent)
    import_run(job_id=str(DatasetJob.objects.get(kind="import").pk))
    assert {row.name: row.repeats for row in dataset.pictures.all()} == {"a.png": 5, "b.png": 3}


@pytest.mark.parametrize(
    "sent", [{}, {"upload": ["x"], "path": ["a"]}, {"upload": [str(uuid.UUID(int=0))], "path": []},
             {"upload": [str(uuid.UUID(int=0))], "path": ["a.png"]}],
)  # fmt: skip
def test_upload_that_is_not_there_is_said(page: Client, ada: User, sent: dict[str, list[str]]) -> None:
    make_dataset(ada)
    answer = page.post("/datasets/ada/leaves/upload", sent, follow=True)
    assert b"notice--error" in answer.content
    assert not DatasetJob.objects.exists()


def test_upload_of_another_is_not_there(page: Client, ada: User) -> None:
    make_dataset(ada)
    theirs = upload_of(make_user("eve"), "a.png", photo(1))
    page.post("/datasets/ada/leaves/upload", {"upload": [str(theirs.pk)], "path": ["a.png"]})
    assert not DatasetJob.objects.exists()


def test_grid_shows_states_findings_and_captions(page: Client, ada: User) -> None:
    dataset = make_ready(ada, pictures=5)
    row = dataset.pictures.get(path="02.png")
    finding = {"check": "works", "code": "optout-work", "message": "It shows <b>a work</b>.", "facts": {}}
    dataset.pictures.filter(pk=row.pk).update(state=PictureState.HELD, findings=[finding])
    content = page.get("/datasets/ada/leaves").content.decode()
    assert "for a person" in content
    assert "It shows &lt;b&gt;a work&lt;/b&gt;." in content
    assert content.count("sks, picture") >= 5
    only = page.get("/datasets/ada/leaves?show=held").content.decode()
    assert "02.png" in only
    assert "03.png" not in only
    assert page.get("/datasets/ada/leaves?show=nonsense&page=99").status_code == 200


def test_status_lives_while_there_is_work_and_ends_with_a_reload(page: Client, ada: User) -> None:
    dataset = make_dataset(ada)
    bring(dataset, {"a.png": photo(1)})
    busy = page.get("/datasets/ada/leaves/status?busy=1")
    assert b"every 2s" in busy.content
    assert "HX-Refresh" not in busy
    screen(dataset)
    done = page.get("/datasets/ada/leaves/status?busy=1")
    assert b"every 2s" not in done.content
    assert done["HX-Refresh"] == "true"


def test_remarks_of_an_upload_are_read_on_the_page(page: Client, ada: User) -> None:
    bring(make_dataset(ada), {"a.gif": b"GIF89a"})
    assert "GIF pictures are not taken." in page.get("/datasets/ada/leaves").content.decode()


def test_picture_is_served_to_who_may_see_it_and_as_nothing_but_a_picture(page: Client, ada: User) -> None:
    dataset = make_ready(ada, pictures=3)
    picture = dataset.pictures.all()[0]
    for name in ("dataset_image", "dataset_thumb"):
        address = reverse(name, args=[picture.public_id])
        answer = page.get(address)
        assert answer["Content-Type"] == "image/png"
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Cache-Control"] == "private, max-age=300"
        assert "sandbox" in answer["Content-Security-Policy"]
        assert b"".join(answer).startswith(b"\x89PNG")  # type: ignore[arg-type]
        assert signed_in(make_user(f"eve-{name[-5:]}")).get(address).status_code == 404
        assert Client().get(address).status_code == 302


def test_caption_is_saved_in_its_cell(page: Client, ada: User) -> None:
    dataset = make_ready(ada, pictures=3)
    picture = dataset.pictures.all()[0]
    address = reverse("dataset_picture_caption", args=[picture.public_id])
    answer = page.post(address, {"caption": "sks, new", "was": picture.caption}, headers={"HX-Request": "true"})
    assert answer.content.decode().strip().startswith("<li")
    assert "Saved." in answer.content.decode()
    stale = page.post(address, {"caption": "other", "was": picture.caption}, headers={"HX-Request": "true"})
    assert "have changed meanwhile" in stale.content.decode() or "is now" in stale.content.decode()
    picture.refresh_from_db()
    assert picture.caption == "sks, new"
    assert page.post(address, {"caption": "x", "was": "stale"}).status_code == 422


def test_facts_of_a_picture_are_changed_on_its_page(page: Client, ada: User) -> None:
    dataset = make_ready(ada, pictures=3)
    picture = dataset.pictures.all()[0]
    address = reverse("dataset_picture_facts", args=[picture.public_id])
    sent = {"licence_id": "cc0-1.0", "depicts_person": "true", "protection": "", "repeats": "4", "source": "A book"}
    assert page.post(address, sent).status_code == 302
    picture.refresh_from_db()
    assert (picture.licence_id, picture.depicts_person, picture.repeats) == ("cc0-1.0", True, 4)
    assert page.post(address, {**sent, "repeats": "0"}).status_code == 422
    assert page.get(reverse("dataset_picture", args=[picture.public_id])).status_code == 200


def test_chosen_pictures_are_left_out_and_deleted(page: Client, ada: User) -> None:
    dataset = make_ready(ada, pictures=4)
    chosen = [str(row.public_id) for row in dataset.pictures.all()[:2]]
    address = "/datasets/ada/leaves/pictures"
    page.post(address, {"action": "leave-out", "picture": chosen})
    assert dataset.pictures.filter(left_out=True).count() == 2
    page.post(address, {"action": "take-in", "picture": chosen[:1]})
    page.post(address, {"action": "class", "picture": chosen[:1]})
    assert dataset.pictures.get(is_prior=True).public_id == uuid.UUID(chosen[0])
    answer = page.post(address, {"action": "remove", "picture": chosen, "next": "https://evil.example/datasets"})
    assert answer["Location"] == "/datasets/ada/leaves"
    assert dataset.pictures.count() == 2
    assert page.post(address, {"action": "explode", "picture": chosen}).status_code == 422
    assert page.post(address, {"action": "remove"}).status_code == 422


def test_pictures_of_another_dataset_are_not_touched(page: Client, ada: User) -> None:
    make_dataset(ada)
    other = make_ready(make_user("eve"), pictures=3)
    theirs = str(other.pictures.all()[0].public_id)
    page.post("/datasets/ada/leaves/pictures", {"action": "remove", "picture": [theirs]})
    assert other.pictures.count() == 3


def test_bulk_edit_is_shown_before_and_can_be_undone(page: Client, ada: User) -> None:
    dataset = make_ready(ada, pictures=3)
    rule = {"kind": "replace", "find": "picture", "put": "view", "whole_words": "on", "keep": "1"}
    shown = page.post("/datasets/ada/leaves/captions", rule).content.decode()
    assert "3 captions would change" in shown
    digest = re.search(r'name="shown" value="([0-9a-f]{64})"', shown)
    assert digest is not None
    assert dataset.pictures.filter(caption__contains="picture").count() == 3
    page.post("/datasets/ada/leaves/captions", {**rule, "shown": digest[1]})
    assert dataset.pictures.filter(caption__contains="view").count() == 3
    edit = dataset.edits.get()
    page.post(f"/datasets/ada/leaves/captions/{edit.public_id}/undo")
    assert dataset.pictures.filter(caption__contains="picture").count() == 3
    assert page.post("/datasets/ada/leaves/captions", {**rule, "find": ""}).status_code == 422
    assert page.post("/datasets/ada/leaves/captions", {**rule, "shown": "0" * 64}).status_code == 422


def test_captioner_is_asked_on_the_page(page: Client, ada: User) -> None:
    make_ready(ada, pictures=3)
    page.post("/datasets/ada/leaves/captioner", {"captioner": "shapes", "mode": "all"})
    assert DatasetJob.objects.get(kind="caption").params["captioner"] == "shapes"
    answer = page.post("/datasets/ada/leaves/captioner", {"captioner": "none", "mode": "all"}, follow=True)
    assert b"offered here" in answer.content


def test_report_is_a_page(page: Client, ada: User) -> None:
    make_ready(ada, pictures=4)
    content = page.get("/datasets/ada/leaves/report?side=768").content.decode()
    assert "Left to train on: 3 pictures." in content
    assert "768 × 768" in content
    assert page.get("/datasets/ada/leaves/report?side=7").status_code == 200


def test_rights_are_changed_with_the_statement(page: Client, ada: User) -> None:
    dataset = make_dataset(ada)
    sent = {"origin": "licensed", "licence_id": "cc0-1.0", "source": "https://a.org", "rights_edition": EDITION}
    assert page.post("/datasets/ada/leaves/rights", sent).status_code == 422, "not affirmed"
    assert page.post("/datasets/ada/leaves/rights", {**sent, "rights": "on"}).status_code == 302
    dataset.refresh_from_db()
    assert (dataset.origin, dataset.licence_id) == ("licensed", "cc0-1.0")
    assert page.get("/datasets/ada/leaves/about").status_code == 200
    about = {"title": "New", "purpose": "object", "trigger": "zwx", "validation_share": "0.3"}
    page.post("/datasets/ada/leaves/about", about)
    dataset.refresh_from_db()
    assert (dataset.title, dataset.validation_share) == ("New", 0.3)
    assert page.post("/datasets/ada/leaves/about", {**about, "validation_share": "0.9"}).status_code == 422


def test_dataset_is_deleted_after_a_page_that_says_so(page: Client, ada: User) -> None:
    make_ready(ada, pictures=3)
    assert b"cannot be brought back" in page.get("/datasets/ada/leaves/delete").content
    page.post("/datasets/ada/leaves/delete")
    assert DatasetDeletion.objects.get().pictures == 3
    assert page.get("/datasets/ada/leaves").status_code == 404
    assert DatasetDeletion.objects.get().digest[:16] in page.get("/datasets/deletions").content.decode()
    assert b"leaves" not in signed_in(make_user("eve")).get("/datasets/deletions").content


@pytest.mark.parametrize("date", ["2000-01-01", ""])
def test_wish_to_keep_is_kept(page: Client, ada: User, date: str) -> None:
    make_dataset(ada)
    assert page.post("/datasets/ada/leaves/keep", {"keep_until": date}).status_code == 302
    assert page.post("/datasets/ada/leaves/keep", {"keep_until": "2999-01-01"}).status_code == 422


def test_moderator_sees_what_waits_for_them_and_decides(ada: User) -> None:
    dataset = make_ready(ada, pictures=3)
    mo = signed_in(make_user("mo", is_moderator=True))
    assert mo.get("/datasets/ada/leaves").status_code == 404, "nothing waits for a person"
    row = dataset.pictures.all()[0]
    finding = {
        "check": "works",
        "code": "optout-work",
        "message": "A work.",
        "facts": {"entry": "e", "verified": False},
    }
    dataset.pictures.filter(pk=row.pk).update(state=PictureState.HELD, findings=[finding])
    assert b"Decide" in mo.get(reverse("dataset_picture", args=[row.public_id])).content
    address = reverse("dataset_picture_rule", args=[row.public_id])
    mo.post(address, {"verdict": "allow"})
    assert not DecisionRecord.objects.exists(), "without a reason nothing is decided"
    mo.post(address, {"verdict": "allow", "reasoning": "It is another work."})
    assert DecisionRecord.objects.get().public_reasoning == "It is another work."
    assert mo.get("/datasets/ada/leaves").status_code == 404


ROLES = {"owner": 200, "maintainer": 200, "member": 200, "reader": 404, "stranger": 404}


@pytest.mark.parametrize("role", ROLES)
def test_organisations_dataset_is_for_its_people_by_role(role: str) -> None:
    people = {name: make_user(name) for name in ("owner", "maintainer", "member", "reader", "stranger")}
    members = {name: people[name] for name in ("maintainer", "member", "reader")}
    make_organisation(people["owner"], "studio", members)
    studio = Namespace.objects.get(slug="studio")
    from tests.factories.datasets import draft

    dataset_create(actor=people["maintainer"], owner=studio, draft=draft())
    client = signed_in(people[role])
    assert client.get("/datasets/studio/leaves").status_code == ROLES[role]
    manages = role in {"owner", "maintainer"}
    expected = 200 if manages else 403 if role == "member" else 404
    assert client.get("/datasets/studio/leaves/rights").status_code == expected
    assert client.get("/datasets/studio/leaves/delete").status_code == expected
    assert (b"leaves" in client.get("/datasets").content) == (ROLES[role] == 200)


def test_member_manages_what_they_made_themselves() -> None:
    owner, member = make_user("owner"), make_user("member")
    make_organisation(owner, "studio", {"member": member})
    from tests.factories.datasets import draft

    dataset_create(actor=member, owner=Namespace.objects.get(slug="studio"), draft=draft())
    assert signed_in(member).get("/datasets/studio/leaves/rights").status_code == 200


def test_member_says_nothing_about_rights_in_pictures_of_anothers_set() -> None:
    owner, member = make_user("owner"), make_user("member")
    make_organisation(owner, "studio", {"member": member})
    from tests.factories.datasets import draft

    dataset = dataset_create(actor=owner, owner=Namespace.objects.get(slug="studio"), draft=draft())
    bring(dataset, {"a-glazed.png": photo(1)})
    picture = dataset.pictures.get()
    address, shown = (reverse(name, args=[picture.public_id]) for name in ("dataset_picture_facts", "dataset_picture"))
    theirs, managers = signed_in(member), signed_in(owner)
    assert b'name="protection"' in managers.get(shown).content
    assert b'name="protection"' not in theirs.get(shown).content
    for field in ("protection", "licence_id", "source", "depicts_person", "consent"):
        assert theirs.post(address, {"repeats": "4", field: ""}).status_code == 403
    assert theirs.post(address, {"repeats": "5"}).status_code == 302
    picture.refresh_from_db()
    assert (picture.protection, picture.repeats) == ("glaze", 5)
    assert managers.post(address, {"repeats": "5", "protection": ""}).status_code == 302
    picture.refresh_from_db()
    assert picture.protection == ""
