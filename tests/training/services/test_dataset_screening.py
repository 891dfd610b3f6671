"""Screening of training pictures, by the real registers and detectors: what refuses, holds, is lifted by consent."""

import hashlib
import io
import uuid
from typing import Any

import pytest
from django.utils import timezone
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from accounts.models import User
from governance.models import AuditEntry, DecisionRecord
from moderation.consent_terms import ConsentScope, Verification
from moderation.matching.faces import DEFAULT_READER, face_reader, find_faces
from moderation.models import Block, BlockKind, CaseKind, Consent, EntryKind, OptOutEntry
from moderation.services.consent_answers import consent_revoke
from moderation.services.consents import consent_verify
from registry.errors import ConflictOfInterest
from tests.factories.accounts import make_user
from tests.factories.consents import make_consent
from tests.factories.datasets import bring, make_dataset, make_ready, photo, screen
from tests.factories.faces import face_bytes, face_picture
from tests.factories.likeness import make_identity, make_template
from tests.factories.moderation import make_report
from tests.factories.optout import make_picture, names, picture_bytes, register_as
from tests.factories.registry import make_version
from training.errors import ConsentNotLinked, RulingRefused, SnapshotRefused
from training.models import Dataset, DatasetJob, DatasetPicture, PictureState
from training.services import dataset_screening
from training.services.blocking import (
    blocks_of_deleted_lift,
    consent_ended_for,
    dataset_compare_again,
    datasets_compared_before,
)
from training.services.captions import caption_set
from training.services.dataset_rulings import dataset_rule, picture_rule
from training.services.datasets import consent_link, consent_release, dataset_recheck, dataset_update
from training.services.pictures import pictures_change
from training.services.retention import dataset_delete
from training.services.snapshots import snapshot_take

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def quick_faces(settings: Any) -> None:
    """An operator's own reader, which finds nobody; what is about faces asks for the one that ships."""
    settings.LIKENESS_READER = "tests.factories.faces.OtherReader"


@pytest.fixture
def real_faces(settings: Any, quick_faces: None) -> None:
    settings.LIKENESS_READER = DEFAULT_READER


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def mo() -> User:
    return make_user("mo", is_moderator=True)


def one(dataset: Dataset, files: dict[str, bytes | str]) -> DatasetPicture:
    """The one picture of these files, screened."""
    bring(dataset, files)
    screen(dataset)
    return dataset.pictures.get()


def codes(picture: DatasetPicture) -> list[str]:
    return [found["code"] for found in picture.findings]


def verify_entries() -> None:
    OptOutEntry.objects.update(verified=True)


def checked_consent(ada: User, mo: User, **changes: Any) -> Consent:
    consent = make_consent(ada, **changes)
    return consent_verify(consent=consent, actor=mo, method=Verification.DOCUMENT, note="Seen.")


def registered_work(seed: int = 5, owner: str = "artist") -> bytes:
    content = picture_bytes(make_picture(seed, (512, 400)))
    register_as(make_user(owner), pictures={"A work": content})
    return content


def cropped(content: bytes) -> bytes:
    picture = Image.open(io.BytesIO(content))
    return picture_bytes(picture.crop((20, 15, picture.width - 30, picture.height - 25)), "JPEG", quality=80)


def test_clean_picture_is_checked(ada: User) -> None:
    picture = one(make_dataset(ada), {"a.png": photo(1), "a.txt": "sks, a wall"})
    assert (picture.state, picture.findings, picture.faces) == (PictureState.OK, [], 0)
    assert picture.screened_at is not None


@pytest.mark.parametrize(("verified", "state"), [(False, PictureState.HELD), (True, PictureState.REFUSED)])
def test_registered_work_is_found_cropped_and_recompressed(ada: User, verified: bool, state: PictureState) -> None:
    content = registered_work()
    if verified:
        verify_entries()
    picture = one(make_dataset(ada), {"a.jpg": cropped(content)})
    assert (picture.state, codes(picture)) == (state, ["optout-work"])


def test_ones_own_registered_work_stands_in_nobodys_way(ada: User) -> None:
    content = picture_bytes(make_picture(5, (512, 400)))
    register_as(ada, pictures={"Mine": content})
    verify_entries()
    assert one(make_dataset(ada), {"a.png": content}).state == PictureState.OK


def test_artists_consent_lifts_their_opt_out_and_its_release_brings_it_back(ada: User, mo: User) -> None:
    content = registered_work(owner="sam")
    verify_entries()
    dataset = make_dataset(ada)
    assert one(dataset, {"a.png": content}).state == PictureState.REFUSED
    consent = checked_consent(ada, mo, email="sam@example.org", kind="artist", name="Sam", work="All")
    consent_link(dataset=dataset, actor=ada, consent=consent)
    screen(dataset)
    assert dataset.pictures.get().state == PictureState.OK
    consent_release(dataset=dataset, actor=ada, consent=consent)
    screen(dataset)
    assert dataset.pictures.get().state == PictureState.REFUSED


@pytest.mark.parametrize(
    "changes", [{"scopes": frozenset({ConsentScope.PREVIEW})}, {"adapters": frozenset({"ada/other"})}]
)
def test_consent_for_something_else_cannot_be_linked(ada: User, mo: User, changes: dict[str, Any]) -> None:
    with pytest.raises(ConsentNotLinked):
        consent_link(dataset=make_dataset(ada), actor=ada, consent=checked_consent(ada, mo, **changes))


def test_consent_that_nobody_has_checked_cannot_be_linked(ada: User) -> None:
    with pytest.raises(ConsentNotLinked):
        consent_link(dataset=make_dataset(ada), actor=ada, consent=make_consent(ada))


def reserved(text: str) -> bytes:
    info = PngInfo()
    info.add_text("Comment", text)
    return picture_bytes(make_picture(1), "PNG", pnginfo=info)


def test_reservation_in_the_metadata_is_honoured_though_these_are_left_out(ada: User, mo: User) -> None:
    dataset = make_dataset(ada, origin="mixed", source="A friend's disk.")
    picture = one(dataset, {"a.png": reserved("noai")})
    assert (picture.state, codes(picture)) == (PictureState.REFUSED, ["reservation"])
    assert [mark["signal"] for mark in picture.marks] == ["noai"]
    artist = checked_consent(ada, mo, kind="artist", work="All")
    pictures_change(dataset=dataset, actor=ada, pictures=[picture.public_id], changes={}, consent=artist)
    screen(dataset)
    picture.refresh_from_db()
    assert picture.state == PictureState.OK


def test_ones_own_reserved_picture_is_for_a_person(ada: User) -> None:
    assert one(make_dataset(ada), {"a.png": reserved("noai")}).state == PictureState.HELD


@pytest.mark.parametrize("declared", [True, False])
def test_protected_picture_is_refused_without_its_artists_consent(ada: User, mo: User, declared: bool) -> None:
    dataset = make_dataset(ada)
    picture = one(dataset, {"a.png" if declared else "a-glazed-intensity-High.png": photo(1)})
    if declared:
        pictures_change(dataset=dataset, actor=ada, pictures=[picture.public_id], changes={"protection": "nightshade"})
        screen(dataset)
        picture.refresh_from_db()
    assert (picture.state, codes(picture)) == (PictureState.REFUSED, ["protected-work"])
    person = checked_consent(ada, mo, email="p@example.org")
    consent_link(dataset=dataset, actor=ada, consent=person)
    screen(dataset)
    picture.refresh_from_db()
    assert picture.state == PictureState.REFUSED, "a person's consent to their likeness is none of an artist's"
    consent_link(dataset=dataset, actor=ada, consent=checked_consent(ada, mo, email="s@example.org", kind="artist"))
    screen(dataset)
    picture.refresh_from_db()
    assert picture.state == PictureState.OK


def test_set_that_is_declared_protected_waits_until_somebody_says_which(ada: User) -> None:
    dataset = make_dataset(ada, protected=True)
    picture = one(dataset, {"a.png": photo(1)})
    assert [found["code"] for found in dataset.findings] == ["protected-unmarked"]
    pictures_change(dataset=dataset, actor=ada, pictures=[picture.public_id], changes={"protection": "glaze"})
    screen(dataset)
    picture.refresh_from_db()
    assert (dataset.findings, codes(picture)) == ([], ["protected-work"])


def test_name_in_a_caption_holds_it_until_the_caption_is_changed(ada: User) -> None:
    register_as(make_user("artist"), *names("Greta Kowalski"))
    dataset = make_dataset(ada)
    picture = one(dataset, {"a.png": photo(1), "a.txt": "sks, a wall by greta kowalski"})
    assert (picture.state, codes(picture)) == (PictureState.HELD, ["optout-name"])
    looked = picture.looked_at
    caption_set(picture=picture, actor=ada, caption="sks, a wall")
    picture.refresh_from_db()
    assert picture.state == PictureState.WAITING
    screen(dataset)
    picture.refresh_from_db()
    assert (picture.state, picture.looked_at) == (PictureState.OK, looked), "its pixels were not looked at again"


def test_words_changed_do_not_wash_what_the_pixels_show(ada: User) -> None:
    content = registered_work()
    verify_entries()
    dataset = make_dataset(ada)
    picture = one(dataset, {"a.png": content, "a.txt": "one"})
    caption_set(picture=picture, actor=ada, caption="two")
    screen(dataset)
    picture.refresh_from_db()
    assert codes(picture) == ["optout-work"]


def test_copy_of_a_removed_picture_is_refused(ada: User) -> None:
    content = photo(1)
    report, _ = make_report(make_version(actor=make_user("eve")), CaseKind.INTIMATE)
    Block.objects.create(kind=BlockKind.PICTURE, value=hashlib.sha256(content).hexdigest(), case=report.case)
    picture = one(make_dataset(ada), {"a.png": content})
    assert (picture.state, codes(picture)) == (PictureState.REFUSED, ["blocked-copy"])


def enrolled(name: str, user: User) -> None:
    reader = face_reader(DEFAULT_READER)
    identity = make_identity(user, seed=None)
    make_template(identity, find_faces(face_picture(name), reader=reader)[0], reader)  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.usefixtures("real_faces")
def test_protected_likeness_holds_others_pictures_and_not_ones_own(ada: User) -> None:
    barack = make_user("barack")
    enrolled("obama-1", barack)
    picture = one(make_dataset(ada), {"a.jpg": face_bytes("obama-2")})
    assert (picture.state, codes(picture), picture.faces) == (PictureState.HELD, ["likeness-match"], 1)
    assert one(make_dataset(barack), {"a.jpg": face_bytes("obama-2")}).state == PictureState.OK
    assert one(make_dataset(make_user("eve")), {"a.jpg": face_bytes("collins")}).state == PictureState.OK


@pytest.mark.slow
@pytest.mark.usefixtures("real_faces")
def test_one_face_over_and_over_asks_who_it_is(ada: User) -> None:
    dataset = make_dataset(ada)
    face = face_picture("obama-1").convert("RGB")
    side = min(face.size)
    bring(dataset, {f"{n}.png": picture_bytes(face.crop((n, n, side, side))) for n in range(6)})
    screen(dataset)
    assert [found["code"] for found in dataset.findings] == ["person-undeclared"]
    dataset_update(dataset=dataset, actor=ada, changes={"fictional_statement": "Drawn by hand after nobody."})
    screen(dataset)
    assert dataset.findings == []


def test_check_that_fails_is_no_pass_and_is_tried_again(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the detector is gone")

    dataset = make_dataset(ada)
    bring(dataset, {"a.png": photo(1), "a.txt": "one"})
    with monkeypatch.context() as patched:
        patched.setattr(dataset_screening, "picture_look", broken)
        screen(dataset)
    picture = dataset.pictures.get()
    assert (picture.state, codes(picture), picture.attempts) == (PictureState.HELD, ["check-failed"], 3)
    caption_set(picture=picture, actor=ada, caption="two")
    screen(dataset)
    picture.refresh_from_db()
    assert (picture.state, picture.looked_at is None) == (PictureState.OK, False), "its pixels were looked at now"


def test_recheck_looks_again_at_what_is_stopped(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = make_dataset(ada)
    bring(dataset, {"a.png": photo(1)})
    with monkeypatch.context() as patched:
        patched.setattr(dataset_screening, "find_faces", lambda *_, **__: ())
        patched.setattr(dataset_screening, "picture_look", lambda *_, **__: 1 / 0)
        screen(dataset)
    assert dataset.pictures.get().state == PictureState.HELD
    dataset_recheck(dataset=dataset, actor=ada)
    screen(dataset)
    assert dataset.pictures.get().state == PictureState.OK


def test_picture_changed_in_the_storage_is_not_screened_as_itself(ada: User) -> None:
    from registry.storage import store_bytes

    dataset = make_dataset(ada)
    bring(dataset, {"a.png": photo(1)})
    store_bytes(content=photo(2), key=dataset.pictures.get().storage_key)
    screen(dataset)
    assert codes(dataset.pictures.get()) == ["check-failed"]


def test_moderator_lets_a_held_picture_pass_for_good(ada: User, mo: User) -> None:
    content = registered_work()
    dataset = make_dataset(ada)
    picture = one(dataset, {"a.png": content})
    record = picture_rule(picture=picture, actor=mo, allow=True, reasoning="The register names another work.")
    assert DecisionRecord.objects.filter(pk=record.pk, outcome="allow", subject_id=str(dataset.pk)).exists()
    picture.refresh_from_db()
    assert picture.state == PictureState.OK
    DatasetPicture.objects.update(looked_at=None)
    screen(dataset)
    picture.refresh_from_db()
    assert picture.state == PictureState.OK, "not held for the same thing again"


def test_moderators_refusal_stays_over_every_screening(ada: User, mo: User) -> None:
    dataset = make_dataset(ada)
    picture = one(dataset, {"a.png": registered_work()})
    picture_rule(picture=picture, actor=mo, allow=False, reasoning="It is theirs.")
    DatasetPicture.objects.update(looked_at=None)
    screen(dataset)
    picture.refresh_from_db()
    assert picture.state == PictureState.REFUSED
    assert "refused-by-a-person" in codes(picture)
    with pytest.raises(RulingRefused):
        picture_rule(picture=picture, actor=mo, allow=True, reasoning="Or not.")


def test_what_is_refused_by_itself_nobody_lets_pass(ada: User, mo: User) -> None:
    picture = one(make_dataset(ada), {"a-glazed.png": photo(1)})
    with pytest.raises(RulingRefused):
        picture_rule(picture=picture, actor=mo, allow=True, reasoning="Why not.")


def test_nobody_decides_about_their_own(mo: User) -> None:
    dataset = make_dataset(mo)
    picture = one(dataset, {"a.png": registered_work()})
    with pytest.raises(ConflictOfInterest):
        picture_rule(picture=picture, actor=mo, allow=True, reasoning="Mine.")


def test_finding_about_the_set_is_let_pass(ada: User, mo: User) -> None:
    register_as(make_user("artist"), *names("Greta Kowalski"))
    dataset = make_dataset(ada, title="After Greta Kowalski")
    bring(dataset, {"a.png": photo(1)})
    screen(dataset)
    assert [found["code"] for found in dataset.findings] == ["optout-name"]
    dataset_rule(dataset=dataset, actor=mo, reasoning="A street of that name.")
    dataset_recheck(dataset=dataset, actor=ada)
    screen(dataset)
    assert dataset.findings == []


# What comes to light later


def test_new_opt_out_blocks_a_dataset_that_was_used(ada: User, django_capture_on_commit_callbacks: Any) -> None:
    from training.signals import dataset_blocked

    heard: list[tuple[int, str]] = []
    dataset_blocked.connect(listener := lambda dataset_id, code, **_: heard.append((dataset_id, code)), weak=False)
    dataset = make_ready(ada, pictures=4)
    snapshot_take(dataset=dataset, actor=ada)
    assert datasets_compared_before() == []
    register_as(make_user("artist"), pictures={"A work": photo(2)})
    verify_entries()
    assert datasets_compared_before() == [dataset.pk]
    with django_capture_on_commit_callbacks(execute=False) as callbacks:
        dataset_compare_again(dataset_id=dataset.pk)
        screen(dataset)
    for callback in callbacks:
        if "dataset_blocked" in callback.__code__.co_names:
            callback()
    dataset_blocked.disconnect(listener)
    assert heard == [(dataset.pk, "optout-work")]
    assert dataset.pictures.get(path="02.png").state == PictureState.REFUSED
    assert datasets_compared_before() == []
    with pytest.raises(SnapshotRefused):
        snapshot_take(dataset=dataset, actor=ada)
    refused = dataset.pictures.get(path="02.png")
    pictures_change(dataset=dataset, actor=ada, pictures=[refused.public_id], changes={"left_out": True})
    screen(dataset)
    assert snapshot_take(dataset=dataset, actor=ada).pictures == 3
    assert AuditEntry.objects.filter(action="dataset.blocked").count() == 1


def test_unused_dataset_is_not_blocked_by_what_is_found_in_it(ada: User) -> None:
    dataset = make_ready(ada, pictures=3)
    register_as(make_user("artist"), pictures={"A work": photo(2)})
    dataset_compare_again(dataset_id=dataset.pk)
    screen(dataset)
    assert dataset.pictures.get(path="02.png").state == PictureState.HELD
    assert not dataset.blocks.exists()


def test_withdrawn_opt_out_lifts_the_block(ada: User) -> None:
    dataset = make_ready(ada, pictures=4)
    snapshot_take(dataset=dataset, actor=ada)
    register_as(make_user("artist"), pictures={"A work": photo(2)})
    dataset_compare_again(dataset_id=dataset.pk)
    screen(dataset)
    assert dataset.blocks.filter(cleared_at=None).count() == 1
    OptOutEntry.objects.filter(kind=EntryKind.WORK).update(state="withdrawn")
    DatasetPicture.objects.update(looked_at=None)
    dataset_recheck(dataset=dataset, actor=ada)
    screen(dataset)
    assert not dataset.blocks.filter(cleared_at=None).exists()


def test_consent_that_ends_blocks_until_it_is_let_go(ada: User, mo: User) -> None:
    dataset = make_ready(ada, pictures=4)
    consent = checked_consent(ada, mo)
    consent_link(dataset=dataset, actor=ada, consent=consent)
    screen(dataset)
    snapshot_take(dataset=dataset, actor=ada)
    consent_ended_for(consent_id=consent.pk)
    assert not dataset.blocks.exists(), "it holds"
    consent_revoke(consent=consent)
    consent_ended_for(consent_id=consent.pk)
    consent_ended_for(consent_id=consent.pk)
    assert list(dataset.blocks.values_list("code", "cleared_at")) == [("consent-ended", None)]
    screen(dataset)
    with pytest.raises(SnapshotRefused, match="consent"):
        snapshot_take(dataset=dataset, actor=ada)
    consent_release(dataset=dataset, actor=ada, consent=consent)
    screen(dataset)
    assert not dataset.blocks.filter(cleared_at=None).exists()
    assert snapshot_take(dataset=dataset, actor=ada)


def test_two_workers_screen_one_dataset_once(ada: User) -> None:
    dataset = make_dataset(ada)
    bring(dataset, {"a.png": photo(1)})
    job = DatasetJob.objects.get(dataset=dataset, kind="screen")
    dataset_screening.screening_run(job_id=str(job.pk))
    audits = AuditEntry.objects.filter(action="dataset.screened").count()
    dataset_screening.screening_run(job_id=str(job.pk))
    assert AuditEntry.objects.filter(action="dataset.screened").count() == audits == 1


def test_protection_that_a_file_name_tells_is_not_denied_without_a_moderator(ada: User, mo: User) -> None:
    dataset = make_dataset(ada)
    picture = one(dataset, {"a-glazed-intensity-High.png": photo(1)})
    pictures_change(dataset=dataset, actor=ada, pictures=[picture.public_id], changes={"protection": ""})
    screen(dataset)
    picture.refresh_from_db()
    assert (picture.state, codes(picture)) == (PictureState.HELD, ["protection-denied"])
    picture_rule(picture=picture, actor=mo, allow=True, reasoning="It shows a glazed pot.")
    dataset_recheck(dataset=dataset, actor=ada)
    screen(dataset)
    picture.refresh_from_db()
    assert (picture.state, codes(picture)) == (PictureState.OK, [])


def test_protection_that_was_only_declared_is_taken_back(ada: User) -> None:
    dataset = make_dataset(ada)
    picture = one(dataset, {"a.png": photo(1)})
    for value, state in (("glaze", PictureState.REFUSED), ("", PictureState.OK)):
        pictures_change(dataset=dataset, actor=ada, pictures=[picture.public_id], changes={"protection": value})
        screen(dataset)
        picture.refresh_from_db()
        assert picture.state == state


def test_what_was_found_and_not_yet_said_stands_after_the_deletion_until_the_opt_out_ends(ada: User) -> None:
    dataset = make_ready(ada, pictures=4)
    snapshot_take(dataset=dataset, actor=ada)
    register_as(make_user("artist"), pictures={"A work": photo(2)})
    dataset_compare_again(dataset_id=dataset.pk)
    screen(dataset)
    dataset.blocks.all().delete()  # as if the worker had been killed between its pictures and the set
    dataset_delete(dataset=dataset, actor=ada)
    kept = dataset.blocks.get()
    entry = OptOutEntry.objects.get(kind=EntryKind.WORK)
    assert (kept.code, kept.ref, kept.cleared_at) == ("optout-work", f"optout-work:entry={entry.public_id}", None)
    assert "A work" not in kept.message
    assert blocks_of_deleted_lift() == 0
    OptOutEntry.objects.update(state="withdrawn")
    assert blocks_of_deleted_lift() == 1
    kept.refresh_from_db()
    assert kept.cleared_at is not None


def test_a_block_keeps_nothing_of_its_picture_after_the_deletion(ada: User) -> None:
    dataset = make_ready(ada, pictures=3)
    for ref, cleared in (
        ("optout-url:url=https://a.example/ada.png", None),
        ("reservation:signal=noai", timezone.now()),
    ):
        code = ref.partition(":")[0]
        dataset.blocks.create(code=code, ref=ref, message="ada.png", picture=uuid.uuid4(), cleared_at=cleared)
    dataset_delete(dataset=dataset, actor=ada)
    assert set(dataset.blocks.values_list("ref", flat=True)) == {"optout-url", "reservation"}
    assert not any("ada.png" in message for message in dataset.blocks.values_list("message", flat=True))
    assert blocks_of_deleted_lift() == 0
