"""Training sets by the clients' own calls: made, filled, changed, deleted, and what they refuse."""

import hashlib
import io
import json
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.utils import timezone
from PIL import Image

from accounts.models import User
from governance.models import AuditEntry
from registry.models import Upload
from registry.services import transfers
from registry.services.uploads import upload_path
from registry.services.xet_sessions import session_folder, sessions_expire
from tests.factories.accounts import make_organisation, make_user
from tests.factories.datasets import bring, make_dataset, photo, screen
from tests.registry.compat.hub.calls import Hub, copied, large, path_of, removed, removed_folder, small
from tests.registry.compat.hub.xet.making import shard_bytes, xorb_bytes
from training.models import Dataset, DatasetEdit, DatasetPicture, DatasetTransfer, DatasetXetSession, PictureState
from training.services import dataset_commits
from training.services.captions import caption_set
from training.services.datasets import EDITION
from training.services.snapshots import obstacles
from training.signals import dataset_job_queued

pytestmark = pytest.mark.django_db
REPO = "ada/leaves"


@pytest.fixture
def ada(db: None) -> User:
    return make_user("ada")


@pytest.fixture
def hub(ada: User) -> Hub:
    client = Hub(ada, kind="datasets")
    assert client.create("leaves").status_code == 200
    return client


def _put(hub: Hub, files: dict[str, bytes], *more: dict[str, Any], repo: str = REPO, **options: Any) -> Any:
    """Pictures as large objects, everything else inside the commit."""
    pictures = [large(path, hub.send(repo, raw), len(raw)) for path, raw in files.items() if path.endswith("g")]
    texts = [small(path, raw) for path, raw in files.items() if not path.endswith("g")]
    return hub.commit(repo, *pictures, *texts, *more, **options)


def _tree() -> dict[str, str]:
    return dict(DatasetPicture.objects.values_list("path", "caption"))


def _head(hub: Hub) -> str:
    return str(hub.call("GET", f"/api/datasets/{REPO}/revision/main").json()["sha"])


def test_set_is_made_private_and_nothing_is_trained_on_it_before_its_rights_are_declared(ada: User) -> None:
    hub = Hub(ada, kind="datasets")
    answer = hub.create("leaves", private=False)  # as older clients always say
    assert answer.json()["url"] == "http://testserver/datasets/ada/leaves"
    assert "http://testserver/datasets/ada/leaves/rights" in answer["X-HF-Warning"]
    assert "none is ever public" in answer["X-HF-Warning"]
    assert hub.call("GET", f"/api/datasets/{REPO}").json()["private"] is True
    assert Hub(make_user("eve")).call("GET", f"/api/datasets/{REPO}").status_code == 404
    assert obstacles(Dataset.objects.get())[0] == "Nobody has affirmed the rights to its pictures."
    taken = hub.create("leaves")
    assert (taken.status_code, taken.json()["url"]) == (409, "http://testserver/datasets/ada/leaves")
    assert hub.create("No name!").status_code == 422
    assert Hub(make_user("bea"), kind="datasets").create("x", organization="ada").status_code == 403


def test_pictures_and_captions_are_taken_in_as_by_the_page(hub: Hub) -> None:
    exif = Image.Exif()
    exif[0x010E], exif[0x0112] = "A secret place", 6
    files = {
        "10_sks dog/a.jpg": photo(1, form="JPEG", exif=exif),
        "10_sks dog/a.txt": b"a  dog\nruns",
        "b.png": photo(2),
        "metadata.jsonl": b'{"file_name": "b.png", "text": "a leaf"}\n{"file_name": 3}\n',
        "config.json": json.dumps({"source": "Drawn by me.", "pictures": {"b.png": {"repeats": 3}}}).encode(),
        "alone.txt": b"of nothing",
    }
    answer = _put(hub, files)
    assert answer.status_code == 200, answer.content
    dog, leaf = DatasetPicture.objects.order_by("path")
    assert (dog.path, dog.caption, dog.repeats, dog.caption_by) == ("10_sks dog/a.jpg", "a dog runs", 10, "sidecar")
    assert (leaf.path, leaf.caption, leaf.repeats, leaf.state) == ("b.png", "a leaf", 3, PictureState.WAITING)
    assert (dog.width, dog.height) == (240, 320)  # upright
    assert dog.sha256 == hashlib.sha256(files["10_sks dog/a.jpg"]).hexdigest() != dog.stored_sha256
    dataset = Dataset.objects.get()
    assert (dataset.trigger, dataset.class_word, dataset.source) == ("sks", "dog", "Drawn by me.")
    said = answer["X-HF-Warning"]
    for part in (
        "Line 2 has no file_name",
        "alone.txt",
        "2 new pictures are being checked",
        f"/datasets/{REPO}/rights",
    ):
        assert part in said
    assert answer.json()["commitOid"] == _head(hub)
    assert answer.json()["commitUrl"] == f"http://testserver/datasets/{REPO}/commit/{_head(hub)}"
    listed = hub.call("GET", f"/api/datasets/{REPO}/tree/main?recursive=true").json()
    sizes = {entry["path"]: entry["size"] for entry in listed if entry["type"] == "file"}
    assert set(sizes) == {"10_sks dog/a.jpg", "README.md", "b.png", "metadata.jsonl"}
    stored = b"".join(hub.call("GET", f"/datasets/{REPO}/resolve/main/10_sks%20dog/a.jpg").streaming_content)
    assert len(stored) == sizes["10_sks dog/a.jpg"]
    assert b"secret" not in stored
    assert not Image.open(io.BytesIO(stored)).getexif()
    assert screen(dataset) is not None
    assert set(dataset.pictures.values_list("state", flat=True)) == {PictureState.OK}
    assert not Upload.objects.exists()
    entry = AuditEntry.objects.filter(action="dataset.committed").get()
    assert entry.data["added"] == 2


def test_nothing_of_a_commit_with_a_bad_file_is_taken(hub: Hub) -> None:
    _put(hub, {"a.png": photo(1)})
    before, stored = _head(hub), DatasetPicture.objects.get().storage_key
    bad = {"b.png": photo(2), "c.png": photo(3)[:900], "d.jpg": b"no picture", "a.txt": b"words"}
    changes = [large(path, hub.send(REPO, raw), len(raw)) for path, raw in bad.items() if path != "a.txt"]
    answer = hub.commit(REPO, removed("a.png"), small("b.txt", b"words"), *changes)
    assert answer.status_code == 400
    for part in ("Nothing was committed", "c.png: It is damaged", "d.jpg: It is no JPEG"):
        assert part in answer.json()["error"]
    assert (_head(hub), list(_tree())) == (before, ["a.png"])
    folder = stored.rpartition("/")[0]
    assert len(default_storage.listdir(folder)[1]) == 2  # the picture and its small copy; nothing of b.png


def test_same_again_sends_nothing_and_changes_nothing(hub: Hub) -> None:
    files = {"a.png": photo(1), "a.txt": b"a leaf"}
    first = _put(hub, files).json()["commitOid"]
    sha, size = hashlib.sha256(files["a.png"]).hexdigest(), len(files["a.png"])
    asked = {"files": [{"path": path, "size": len(raw), "sample": ""} for path, raw in files.items()]}
    assert hub.call("POST", f"/api/datasets/{REPO}/preupload/main", asked).json()["files"][0]["oid"] == sha
    assert "actions" not in hub.batch(REPO, (sha, size)).json()["objects"][0]
    again = _put(hub, files)
    assert (again.status_code, again.json()["commitOid"]) == (200, first)
    kept = DatasetPicture.objects.get()  # what is downloaded is another file, and is known as well
    assert hub.commit(REPO, large("a.png", kept.stored_sha256, 1)).json()["commitOid"] == first
    assert AuditEntry.objects.filter(action="dataset.committed").count() == 1


def test_captions_of_pictures_that_are_there_are_changed_and_can_be_put_back(hub: Hub) -> None:
    _put(hub, {"a.png": photo(1), "x/b.png": photo(2), "c.png": photo(3), "c.txt": b"a stone"})
    lines = b'{"file_name": "a.png", "text": "one"}\n{"file_name": "x/b.png", "text": "two"}\n'
    assert hub.commit(REPO, small("metadata.jsonl", lines), small("x/b.txt", b"not this")).status_code == 200
    assert _tree() == {"a.png": "one", "x/b.png": "two", "c.png": "a stone"}
    assert DatasetEdit.objects.get().count == 2
    hub.commit(REPO, small("a.txt", b"three"))
    assert _tree()["a.png"] == "three"
    text = b"".join(hub.call("GET", f"/datasets/{REPO}/resolve/main/metadata.jsonl"))
    before = _head(hub)
    assert hub.commit(REPO, small("metadata.jsonl", text)).json()["commitOid"] == before


def test_pictures_are_replaced_moved_and_deleted(hub: Hub) -> None:
    one, two, three = photo(1), photo(2), photo(3)
    _put(hub, {"a.png": one, "b/x.png": two, "b/y.png": three, "a.txt": b"a leaf"})
    names = dict(DatasetPicture.objects.values_list("path", "public_id"))
    answer = _put(hub, {"a.png": photo(4)}, removed("b/y.png"))
    assert answer.status_code == 200, answer.content
    new = DatasetPicture.objects.get(path="a.png")
    assert (new.caption, new.public_id == names["a.png"]) == ("a leaf", False)
    assert set(_tree()) == {"a.png", "b/x.png"}
    # A renamed file is the same picture; two may change their places.
    _put(hub, {"c.png": two}, removed_folder("b"))
    assert DatasetPicture.objects.get(path="c.png").public_id == names["b/x.png"]
    _put(hub, {"a.png": two, "c.png": photo(4)})
    assert DatasetPicture.objects.get(path="a.png").public_id == names["b/x.png"]
    assert DatasetPicture.objects.get(path="c.png").public_id == new.public_id
    assert hub.commit(REPO, copied("d.png", "a.png"), removed("a.png")).status_code == 200
    assert set(_tree()) == {"c.png", "d.png"}


def test_same_file_is_held_once_and_the_answer_says_so(hub: Hub) -> None:
    answer = _put(hub, {"a.png": photo(1), "b.png": photo(1)})
    assert "b.png: It is the same file as a.png" in answer["X-HF-Warning"]
    assert set(_tree()) == {"a.png"}
    assert "same file as a.png" in hub.commit(REPO, copied("0.png", "a.png"))["X-HF-Warning"]
    assert set(_tree()) == {"a.png"}


def test_what_was_refused_or_left_out_does_not_come_back_by_itself(hub: Hub) -> None:
    _put(hub, {"a.png": photo(1), "b.png": photo(2)})
    DatasetPicture.objects.filter(path="a.png").update(state=PictureState.REFUSED)
    DatasetPicture.objects.filter(path="b.png").update(left_out=True)
    answer = _put(hub, {"a.png": photo(1), "c.png": photo(2)})
    assert answer.status_code == 200
    for part in ("a.png: It was refused before", "c.png: It is there already, and left out"):
        assert part in answer["X-HF-Warning"]
    assert DatasetPicture.objects.get(path="a.png").state == PictureState.REFUSED
    assert _put(hub, {"a.png": photo(3)}).status_code == 200  # another picture takes its place
    assert DatasetPicture.objects.get(path="a.png").state == PictureState.WAITING


def test_generated_texts_stay_when_a_client_deletes_everything(hub: Hub) -> None:
    _put(hub, {"a.png": photo(1), "a.txt": b"a leaf", "b.png": photo(2)})
    answer = hub.commit(REPO, removed("README.md"), removed("metadata.jsonl"), removed("b.png"))
    assert answer.status_code == 200
    assert "which stay" in answer["X-HF-Warning"]
    assert _tree() == {"a.png": "a leaf"}
    assert hub.commit(REPO, removed("nothing.png")).status_code == 400
    assert hub.commit(REPO, removed_folder("nowhere")).status_code == 400


def test_stale_parent_is_412_and_a_change_on_the_page_makes_one(hub: Hub, ada: User) -> None:
    first = _put(hub, {"a.png": photo(1)}).json()["commitOid"]
    caption_set(picture=DatasetPicture.objects.get(), actor=ada, caption="by hand")
    assert _put(hub, {"b.png": photo(2)}, parent=first).status_code == 412
    assert _tree() == {"a.png": "by hand"}
    assert _put(hub, {"b.png": photo(2)}, parent=_head(hub)).status_code == 200


@pytest.mark.parametrize(
    ("path", "size", "taken", "mode"),
    [
        ("a.png", 10, True, "lfs"), ("a/b.WEBP", 10, True, "lfs"), ("a.png", 0, False, "lfs"),
        ("a.png", 51 * 1024**2, False, "lfs"), ("a.txt", 10, True, "regular"), ("a.caption", 10, True, "regular"),
        ("metadata.jsonl", 10, True, "regular"), ("metadata.jsonl", 600 * 1024, True, "lfs"),
        ("config.json", 10, True, "regular"), ("x/config.json", 10, False, "regular"),
        ("README.md", 10, False, "regular"), (".hidden.png", 10, False, "regular"), ("a.gif", 10, False, "regular"),
        ("a.zip", 10, False, "regular"), ("a.safetensors", 10, False, "regular"), ("a.txt", 2**21, False, "lfs"),
    ],
)  # fmt: skip
def test_what_a_set_cannot_take_is_left_out_before_it_is_sent(
    hub: Hub, path: str, size: int, taken: bool, mode: str
) -> None:
    body = {"files": [{"path": path, "size": size, "sample": ""}]}
    answer = hub.call("POST", f"/api/datasets/{REPO}/preupload/main", body)
    file = answer.json()["files"][0]
    assert (not file["shouldIgnore"], file["uploadMode"]) == (taken, mode)
    assert ("Not taken" in answer.get("X-HF-Warning", "")) is not taken
    if not taken and size < 100 and not path.endswith(".png"):
        assert hub.commit(REPO, small(path, b"words")).status_code == 400


@pytest.mark.parametrize("path", ["../a.png", "x" * 301 + ".png", "a.png/b.png"])
def test_path_that_is_none_is_refused(hub: Hub, path: str) -> None:
    answer = _put(hub, {"a.png": photo(1), path: photo(2)})
    assert answer.status_code == 400
    assert _tree() == {}


def test_only_main_is_written_and_what_a_set_has_not_is_said(hub: Hub) -> None:
    answer = _put(hub, {"a.png": photo(1)}, rev="other")
    assert (answer.status_code, answer["X-Error-Code"]) == (404, "RevisionNotFound")
    body = {"startingPoint": "main"}
    assert hub.call("POST", f"/api/datasets/{REPO}/branch/other", body).status_code == 501
    moving = {"fromRepo": REPO, "toRepo": "ada/other", "type": "dataset"}
    assert hub.call("POST", "/api/repos/move", moving).status_code == 501
    assert hub.call("POST", f"/api/datasets/{REPO}/commit/main?create_pr=1", raw=b"").status_code == 501
    settings = f"/api/datasets/{REPO}/settings"
    assert hub.call("PUT", settings, {"private": True}).json()["private"] is True
    assert hub.call("PUT", settings, {"visibility": "public"}).status_code == 403
    assert hub.call("PUT", settings, {"gated": "manual"}).status_code == 501


def test_set_is_deleted_by_who_manages_it(hub: Hub, ada: User) -> None:
    _put(hub, {"a.png": photo(1)})
    body = {"name": "leaves", "organization": "ada", "type": "dataset"}
    assert Hub(make_user("eve")).call("DELETE", "/api/repos/delete", body).status_code == 404
    assert hub.call("DELETE", "/api/repos/delete", {**body, "type": "model"}).status_code == 404
    assert hub.call("DELETE", "/api/repos/delete", body).status_code == 200
    assert hub.call("GET", f"/api/datasets/{REPO}").status_code == 404
    assert not DatasetPicture.objects.exists()
    assert hub.create("leaves").status_code == 200


def test_what_another_repository_has_is_sent_again(hub: Hub, ada: User) -> None:
    raw = photo(1)
    _put(hub, {"a.png": raw})
    sha = hashlib.sha256(raw).hexdigest()
    hub.create("other")
    model = Hub(ada)
    model.create("shapes")
    for client, repo in ((hub, "ada/other"), (model, "ada/shapes")):
        assert "actions" in client.batch(repo, (sha, len(raw))).json()["objects"][0]
    assert "did not arrive" in hub.commit("ada/other", large("a.png", sha, len(raw))).json()["error"]
    bea = Hub(make_user("bea"), kind="datasets")
    bea.create("leaves")
    assert "did not arrive" in bea.commit("bea/leaves", large("a.png", sha, len(raw))).json()["error"]
    assert bea.batch(REPO, (sha, len(raw))).status_code == 404


def test_what_a_member_sent_another_member_has_to_send_too(ada: User) -> None:
    bea = make_user("bea")
    make_organisation(ada, "studio", {"member": bea})
    owner, member = Hub(ada, kind="datasets"), Hub(bea, kind="datasets")
    owner.create("leaves", organization="studio")
    raw = photo(1)
    sha = owner.send("studio/leaves", raw)
    assert member.commit("studio/leaves", large("a.png", sha, len(raw))).status_code == 400
    assert _put(member, {"b.png": photo(2)}, repo="studio/leaves").status_code == 200
    body = {"name": "leaves", "organization": "studio", "type": "dataset"}
    assert member.call("DELETE", "/api/repos/delete", body).status_code == 403


def test_object_comes_in_parts(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfers, "PART", 1000)
    raw = photo(1, (64, 64))
    sha = hashlib.sha256(raw).hexdigest()
    answer = hub.batch(REPO, (sha, len(raw)), transfers=("basic", "multipart")).json()
    assert answer["transfer"] == "multipart"
    upload = answer["objects"][0]["actions"]["upload"]
    parts = []
    for number in range(1, -(-len(raw) // 1000) + 1):
        piece = raw[(number - 1) * 1000 : number * 1000]
        sent = hub.client.generic("PUT", path_of(upload["header"][f"{number:05d}"]), piece)
        parts.append({"partNumber": number, "etag": sent["ETag"]})
    assert hub.call("POST", path_of(upload["href"]), {"oid": sha, "parts": parts}).status_code == 200
    verify = path_of(answer["objects"][0]["actions"]["verify"]["href"])
    assert hub.call("POST", verify, {"oid": sha, "size": len(raw)}).status_code == 200
    assert hub.commit(REPO, large("a.png", sha, len(raw))).status_code == 200
    assert not DatasetTransfer.objects.exists()


def test_object_comes_by_xet_in_a_session_of_its_own(hub: Hub, ada: User) -> None:
    raw = photo(1)
    answer = hub.call("GET", f"/api/datasets/{REPO}/xet-write-token/main").json()
    place, headers = path_of(answer["casUrl"]), {"Authorization": f"Bearer {answer['accessToken']}"}
    packed = xorb_bytes([(raw[:5000], 1), (raw[5000:], 0)])
    name = hashlib.sha256(packed).hexdigest()
    shard = shard_bytes([(hashlib.sha256(raw).hexdigest(), [(name, len(raw), 0, 2)])])
    for path, body in ((f"/v1/xorbs/default/{name}", packed), ("/v1/shards", shard)):
        sent = hub.client.generic("POST", f"{place}{path}", body, headers=headers)
        assert sent.status_code == 200, sent.content
    assert DatasetXetSession.objects.get().size == len(packed)
    assert hub.commit(REPO, large("a.png", hashlib.sha256(raw).hexdigest(), len(raw))).status_code == 200
    model = Hub(ada)
    model.create("shapes")
    other = model.call("GET", "/api/models/ada/shapes/xet-write-token/main").json()
    foreign = {"Authorization": f"Bearer {other['accessToken']}"}
    assert hub.client.generic("POST", f"{place}/v1/shards", shard, headers=foreign).status_code == 404


def test_set_with_no_room_and_commits_that_are_too_large_are_refused(
    hub: Hub, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DATASET_PICTURES_MAX = 2
    _put(hub, {"a.png": photo(1), "b.png": photo(2)})
    assert _put(hub, {"c.png": photo(3)}).status_code == 413
    assert _put(hub, {"c.png": photo(3)}, removed("a.png")).status_code == 200
    monkeypatch.setattr(dataset_commits, "MOST_NEW", 1)
    settings.DATASET_PICTURES_MAX = 9
    assert _put(hub, {"d.png": photo(4), "e.png": photo(5)}).status_code == 400
    settings.QUOTA_USER_BYTES = 10
    sha = hashlib.sha256(photo(6)).hexdigest()
    assert hub.batch(REPO, (sha, len(photo(6)))).json()["objects"][0]["error"]["code"] == 413
    assert set(_tree()) == {"b.png", "c.png"}


def test_bytes_that_were_sent_and_not_committed_are_no_part_of_the_set(hub: Hub) -> None:
    sha = hub.send(REPO, photo(1))
    transfer = DatasetTransfer.objects.get()
    assert upload_path(transfer.upload_id).exists()
    assert transfer.sha256 == sha
    assert _tree() == {}


def test_size_of_a_picture_that_was_taken_in_before_is_that_of_its_file(ada: User) -> None:
    dataset = make_dataset(ada)
    bring(dataset, {"a.png": photo(1)})
    dataset.pictures.update(content_size=None)
    hub = Hub(ada, kind="datasets")
    listed = hub.call("GET", f"/api/datasets/{REPO}/tree/main").json()
    stored = b"".join(hub.call("GET", f"/datasets/{REPO}/resolve/main/a.png").streaming_content)
    assert next(entry["size"] for entry in listed if entry["path"] == "a.png") == len(stored)


def _files_of(dataset: Dataset) -> int:
    return len(default_storage.listdir(f"datasets/{dataset.public_id}")[1])


def test_commit_is_worked_out_anew_when_the_set_changes_meanwhile(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    _put(hub, {"a.png": photo(1)})
    real, changed = dataset_commits.measure, []

    def slow(content: bytes) -> Any:
        if not changed:
            changed.append(DatasetPicture.objects.filter(path="a.png").update(caption="by hand"))
        return real(content)

    monkeypatch.setattr(dataset_commits, "measure", slow)
    assert _put(hub, {"b.png": photo(2)}).status_code == 200
    assert _tree() == {"a.png": "by hand", "b.png": ""}
    assert _files_of(Dataset.objects.get()) == 4  # nothing is left of the first try


def test_commit_onto_a_named_parent_does_not_pass_over_what_changed_meanwhile(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = _put(hub, {"a.png": photo(1)}).json()["commitOid"]
    real = dataset_commits.measure

    def slow(content: bytes) -> Any:
        DatasetPicture.objects.filter(path="a.png").update(caption="by hand")
        return real(content)

    monkeypatch.setattr(dataset_commits, "measure", slow)
    assert _put(hub, {"b.png": photo(2)}, parent=parent).status_code == 412
    assert _tree() == {"a.png": "by hand"}
    assert _files_of(Dataset.objects.get()) == 2


@pytest.mark.django_db(transaction=True)
def test_bytes_of_what_was_saved_stay_although_the_news_of_it_fails(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: Any, **__: Any) -> None:
        raise ConnectionError("no broker")

    raw = photo(1)
    change = large("a.png", hub.send(REPO, raw), len(raw))
    monkeypatch.setattr(dataset_job_queued, "send", lost)
    with pytest.raises(ConnectionError):
        hub.commit(REPO, change)
    assert default_storage.exists(DatasetPicture.objects.get().storage_key)


def test_sessions_of_sets_end_with_their_time_and_not_before(hub: Hub) -> None:
    hub.call("GET", f"/api/datasets/{REPO}/xet-write-token/main")
    session = DatasetXetSession.objects.get()
    assert sessions_expire() == 0
    assert session_folder(session).is_dir()
    DatasetXetSession.objects.update(expires_at=timezone.now())
    assert sessions_expire() == 1
    assert not session_folder(session).exists()


def test_rights_page_of_a_set_that_a_client_made_asks_for_the_statement_and_takes_it(hub: Hub, ada: User) -> None:
    hub.client.force_login(ada)
    place = f"/datasets/{REPO}/rights"
    assert "Nobody has affirmed it yet" in hub.client.get(place).content.decode()
    said = {"origin": "own", "depicts_real_person": "", "rights": "on", "rights_edition": EDITION}
    assert hub.client.post(place, said).status_code == 302
    assert Dataset.objects.get().rights_affirmed_at is not None
    assert "Nobody has affirmed it yet" not in hub.client.get(place).content.decode()
    assert "rights" not in _put(hub, {"a.png": photo(1)})["X-HF-Warning"]
