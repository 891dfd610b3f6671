"""Looking back: what the register gets is found in what is online, once, whoever dies over it, and told properly."""

import io
from typing import Any

import pytest
from django.utils import timezone
from PIL import Image, ImageOps

from accounts.models import User
from governance.models import AuditEntry
from moderation.likeness_consent import current_consent
from moderation.models import (
    ActsAs,
    Case,
    Lookback,
    LookbackState,
    Newcomer,
    NewcomerKind,
    PictureMatch,
    PictureTrace,
    Round,
    ScreeningWanted,
    StatementOfReasons,
)
from moderation.screening.subject import Subject
from moderation.selectors.arrivals import arrivals, picture_kept
from moderation.services import looking
from moderation.services.blocks import block_describe
from moderation.services.enrolment import template_add
from moderation.services.likeness import identity_enrol
from moderation.services.lookbacks import KEPT, lookback_begin, lookbacks_due, lookbacks_tidy
from moderation.services.looking import lookback_go_on
from moderation.services.optout import claims_withdraw, optout_confirm
from moderation.services.screening import version_screen_now
from moderation.tasks import sweep_lookbacks
from registry.models import SampleState, Version
from registry.services.samples import Sample, sample_remove
from registry.states import VersionState
from tests.factories.accounts import make_user
from tests.factories.faces import OtherReader, made_face
from tests.factories.optout import (
    PDQ,
    addresses,
    csv_of,
    hashes,
    make_import,
    make_picture,
    names,
    picture_bytes,
    register_as,
    register_by_mail,
)
from tests.factories.registry import make_screened
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db
PICTURE = make_picture(1)


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def holder() -> User:
    return make_user("holder")


def _altered(picture: Image.Image = PICTURE) -> bytes:
    """Cut off on each side, mirrored and recompressed."""
    width, height = picture.size
    cut = picture.crop((width // 10, height // 10, width * 9 // 10, height * 9 // 10))
    return picture_bytes(ImageOps.mirror(cut), "JPEG", quality=50)


def _published(ada: User, *pictures: bytes, **given: Any) -> Version:
    samples = [Sample(f"{number}.png", content) for number, content in enumerate(pictures)]
    seed = 100 + Version.objects.count()  # weights of its own
    version = make_screened(actor=ada, samples=samples, content=lora_bytes(seed=seed), **given)
    assert version.state == VersionState.PUBLISHED
    _look_back()  # whatever was registered before
    return version


def _look_back() -> Lookback | None:
    """What the sweep and the workers do."""
    lookback = lookback_begin()
    while lookback and lookback_go_on(lookback_id=lookback.pk):
        pass
    for wanted in list(ScreeningWanted.objects.all()):
        version_screen_now(version_id=wanted.version_id)
    return Lookback.objects.get(pk=lookback.pk) if lookback else None


def _codes(version: Version) -> set[str]:
    return {found["code"] for found in Version.objects.get(pk=version.pk).findings}


def test_registered_work_holds_what_is_online_with_the_match_and_the_reasons(ada: User, holder: User) -> None:
    version = _published(ada, _altered())
    other = _published(ada, picture_bytes(make_picture(9)), name="other")
    register_as(holder, pictures={"Shore": picture_bytes(PICTURE)})
    lookback = _look_back()
    assert lookback is not None
    assert (lookback.state, lookback.entries, lookback.looked, lookback.found) == ("done", 1, 2, 1)
    version.refresh_from_db()
    assert (version.state, _codes(version)) == (VersionState.IN_REVIEW, {"optout-work"})
    assert Version.objects.get(pk=other.pk).state == VersionState.PUBLISHED
    match = PictureMatch.objects.get(version=version)
    assert match.against.startswith("work:")
    assert Case.objects.get(version=version).details["codes"] == ["optout-work"]
    assert AuditEntry.objects.filter(action="lookback.done", subject_id=str(lookback.pk)).exists()
    assert _look_back() is None


@pytest.mark.parametrize(
    ("things", "given", "code"),
    [
        (names("Greg Rutkowski"), {"title": "In the style of gr3g rutk0wski"}, "optout-name"),
        (
            addresses("shores.net"),
            {"declared": {"training_sources": "https://www.shores.net/all/1.png"}},
            "optout-domain",
        ),
    ],
)
def test_words_and_sources_that_are_online_are_compared_with_new_entries(
    things: list[Any], given: dict[str, Any], code: str, ada: User, holder: User
) -> None:
    version = _published(ada, **given)
    bystander = _published(ada, name="bystander")
    register_as(holder, *things)
    _look_back()
    assert (Version.objects.get(pk=version.pk).state, _codes(version)) == (VersionState.IN_REVIEW, {code})
    assert bystander.screenings.count() == 1  # nothing of it was checked again


@pytest.mark.parametrize("algorithm", ["pdq", "phash", "sha256"])
def test_hash_of_an_imported_list_is_found_in_what_is_online(algorithm: str, ada: User) -> None:
    import hashlib

    from moderation.matching.pictures import describe

    content = picture_bytes(PICTURE)
    version = _published(ada, content)
    work = describe(PICTURE)
    digits = {
        "pdq": work.pdqs[0].tobytes().hex(),
        "phash": work.phashes[0].tobytes().hex(),
        "sha256": hashlib.sha256(content).hexdigest(),
    }[algorithm]
    make_import(csv_of(f"work,{digits},{algorithm}", f"work,{PDQ},pdq"))
    _look_back()
    assert (Version.objects.get(pk=version.pk).state, _codes(version)) == (VersionState.IN_REVIEW, {"optout-work"})


def test_confirmation_verification_and_features_count_as_new(ada: User, holder: User) -> None:
    _published(ada)
    registration = register_as(holder, *names("Rutkowski"), pictures={"Shore": picture_bytes(PICTURE)})
    kinds = list(Newcomer.objects.filter(lookback=None).values_list("kind", "ref").distinct())
    work = registration.claims.get(entry__kind="work").entry
    assert kinds == [(NewcomerKind.ENTRY, work.pk)]  # a name of one word counts when it is verified
    name = registration.claims.get(entry__kind="name").entry
    type(name).objects.filter(pk=name.pk).update(verified=True)
    assert Newcomer.objects.filter(lookback=None, ref=name.pk).exists()


def test_own_and_withdrawn_works_hold_nobody_up(ada: User, holder: User) -> None:
    version = _published(ada, _altered())
    register_as(ada, pictures={"Shore": picture_bytes(PICTURE)})
    _look_back()
    assert (Version.objects.get(pk=version.pk).state, version.screenings.count()) == (VersionState.PUBLISHED, 2)
    registration = register_as(holder, *names("Greg Rutkowski"))
    claims_withdraw(holder=registration.holder, entry=registration.claims.get().entry)
    _look_back()
    assert version.screenings.count() == 2


@pytest.fixture
def one_face(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every picture shows the same face."""
    faces = property(lambda subject: {picture.key: (made_face(seed=1),) for picture in subject.comparable})
    monkeypatch.setattr(Subject, "faces", faces)
    monkeypatch.setattr("moderation.matching.faces.face_reader", lambda path: OtherReader())


@pytest.mark.usefixtures("one_face")
@pytest.mark.parametrize(("seed", "state"), [(1, VersionState.IN_REVIEW), (2, VersionState.PUBLISHED)])
def test_face_that_is_enrolled_later_is_looked_for_in_what_is_online(
    seed: int, state: VersionState, ada: User, holder: User
) -> None:
    version = _published(ada, picture_bytes(PICTURE))
    identity = identity_enrol(user=holder, name="Sam Subject", acts_as=ActsAs.SELF, consent=current_consent())
    template_add(identity=identity, face=made_face(seed=seed), reader=OtherReader(), consent_reference="test")
    lookback = _look_back()
    assert lookback is not None
    assert (lookback.identities, Version.objects.get(pk=version.pk).state) == (1, state)


def test_pictures_without_a_face_are_not_read_again_for_one(
    ada: User, holder: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = _published(ada, picture_bytes(PICTURE))
    assert PictureTrace.objects.get(version=version).faces == 0
    identity = identity_enrol(user=holder, name="Sam Subject", acts_as=ActsAs.SELF, consent=current_consent())
    template_add(identity=identity, face=made_face(seed=1), reader=OtherReader(), consent_reference="test")
    monkeypatch.setattr(Subject, "pictures", property(lambda subject: pytest.fail("a picture was read")))
    lookback = _look_back()
    assert lookback is not None
    assert lookback.found == 0


def test_removed_picture_is_looked_for_in_what_is_online(ada: User) -> None:
    from moderation.services.blocks import blocks_add
    from tests.factories.moderation import make_case

    taken = _published(ada, picture_bytes(PICTURE), name="taken")
    copy = _published(ada, _altered(), name="copy")
    mo = make_user("mo", is_moderator=True)
    for block in blocks_add(case=make_case(taken), actor=mo):
        block_describe(block.pk)
    Version.objects.filter(pk=taken.pk).update(state=VersionState.TAKEN_DOWN)
    _look_back()
    assert _codes(copy) == {"blocked-copy"}
    assert Version.objects.get(pk=copy.pk).state == VersionState.QUARANTINED


def test_uploader_is_told_the_reasons(ada: User, holder: User) -> None:
    from moderation.services.statements import version_explain, versions_unexplained

    version = _published(ada, _altered())
    register_as(holder, pictures={"Shore": picture_bytes(PICTURE)})
    _look_back()
    for pk in versions_unexplained():
        version_explain(pk)
    version.refresh_from_db()
    told = [
        *StatementOfReasons.objects.filter(version=version).values_list("facts", flat=True),
        str(version.state_detail),
    ]
    assert any("Shore" in text for text in told)


def test_versions_that_were_looked_at_before_there_were_traces_get_them(ada: User, holder: User) -> None:
    version = _published(ada, _altered())
    PictureTrace.objects.all().delete()
    register_as(holder, pictures={"Shore": picture_bytes(PICTURE)})
    _look_back()
    assert _codes(version) == {"optout-work"}
    assert PictureTrace.objects.filter(version=version).count() == 1


def test_version_that_cannot_be_compared_is_checked_again_and_is_no_pass(ada: User, holder: User) -> None:
    version = _published(ada, _altered())
    PictureTrace.objects.update(hashes=b"broken")
    sound = _published(ada, name="sound")
    register_as(holder, pictures={"Shore": picture_bytes(PICTURE)})
    _look_back()
    assert _codes(version) == {"optout-work"}
    assert Version.objects.get(pk=sound.pk).state == VersionState.PUBLISHED


def test_trace_goes_with_its_picture(ada: User) -> None:
    version = _published(ada, picture_bytes(PICTURE))
    sample_remove(sample=version.samples.get(), actor=ada)
    assert not PictureTrace.objects.exists()


def test_what_is_held_back_meets_new_entries_when_it_comes_back(ada: User, holder: User) -> None:
    version = _published(ada, _altered())
    Version.objects.filter(pk=version.pk).update(state=VersionState.QUARANTINED)
    register_as(holder, pictures={"Shore": picture_bytes(PICTURE)})
    _look_back()
    assert (ScreeningWanted.objects.count(), _codes(version)) == (1, set())
    Version.objects.filter(pk=version.pk).update(state=VersionState.PUBLISHED)
    version_screen_now(version_id=version.pk)
    assert (ScreeningWanted.objects.count(), _codes(version)) == (0, {"optout-work"})


def test_pictures_that_wait_are_not_let_out_by_checks_for_the_register(ada: User, holder: User) -> None:
    version = _published(ada, picture_bytes(PICTURE))
    version.samples.update(state=SampleState.HELD)
    register_as(ada, pictures={"Shore": picture_bytes(PICTURE)})  # the uploader's own: nothing is found
    _look_back()
    assert version.screenings.filter(round=Round.REGISTER, state="done").count() == 1
    assert version.samples.get().state == SampleState.HELD


class _Killed(BaseException):
    """Stands for a worker that is gone between two statements."""


@pytest.mark.slow
def test_killed_worker_loses_nothing_and_nothing_is_there_twice(
    ada: User, holder: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = [_published(ada, _altered(), name=f"shores-{number}") for number in range(3)]
    register_as(holder, pictures={"Shore": picture_bytes(PICTURE)})
    lookback = lookback_begin()
    assert lookback is not None
    monkeypatch.setattr(looking, "CHUNK", 1)
    advance, calls = looking._advance, []

    def dies(*args: Any) -> None:
        calls.append(args)
        if len(calls) == 2:
            raise _Killed
        advance(*args)

    monkeypatch.setattr(looking, "_advance", dies)
    with pytest.raises(_Killed):
        lookback_go_on(lookback_id=lookback.pk)
    assert (ScreeningWanted.objects.count(), lookbacks_due()) == (1, [])
    Lookback.objects.update(lease_until=timezone.now())
    assert lookbacks_due() == [lookback.pk]
    assert lookback_go_on(lookback_id=lookback.pk) is False
    lookback.refresh_from_db()
    assert (lookback.state, lookback.looked, lookback.found) == (LookbackState.DONE, 3, 3)
    for version in versions:
        version_screen_now(version_id=version.pk)
    assert [version.screenings.filter(round=Round.REGISTER).count() for version in versions] == [1, 1, 1]
    assert Case.objects.count() == 3


def test_version_over_which_workers_die_is_left_to_its_checks(ada: User, holder: User) -> None:
    version = _published(ada, picture_bytes(make_picture(5)))
    register_as(holder, *names("Greg Rutkowski"))
    lookback = lookback_begin()
    assert lookback is not None
    Lookback.objects.update(attempts=looking.GIVEN_UP)
    lookback_go_on(lookback_id=lookback.pk)
    assert ScreeningWanted.objects.get().version == version


def test_task_stops_after_its_time_and_the_next_goes_on(
    ada: User, holder: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        _published(ada, name=f"shores-{number}")
    register_as(holder, *names("Greg Rutkowski"))
    lookback = lookback_begin()
    assert lookback is not None
    monkeypatch.setattr(looking, "CHUNK", 1)
    ticks = iter(range(1000))
    monkeypatch.setattr(looking.time, "monotonic", lambda: float(next(ticks)))
    monkeypatch.setattr(looking, "SECONDS", 1.5)
    goes = 1
    while lookback_go_on(lookback_id=lookback.pk):
        goes += 1
    lookback.refresh_from_db()
    assert (goes, lookback.looked, lookback.state) == (4, 3, LookbackState.DONE)


def test_two_workers_do_not_do_the_same_look_back(ada: User, holder: User) -> None:
    _published(ada)
    register_as(holder, *names("Greg Rutkowski"))
    lookback = lookback_begin()
    assert lookback is not None
    looking._leased(lookback.pk)
    assert lookback_go_on(lookback_id=lookback.pk) is False
    lookback.refresh_from_db()
    assert lookback.looked == 0


def test_sweep_begins_and_forgets_in_time(ada: User, holder: User) -> None:
    _published(ada)
    register_as(holder, *names("Greg Rutkowski"))
    sweep_lookbacks()
    lookback = Lookback.objects.first()
    assert lookback is not None
    assert lookback.newcomers.count() == 1
    Lookback.objects.update(state="done", finished_at=timezone.now() - KEPT - KEPT)
    lookbacks_tidy()
    assert (Newcomer.objects.count(), Lookback.objects.filter(pk=lookback.pk).exists()) == (0, True)


def test_others_who_keep_pictures_and_words_ask_the_same_question(ada: User, holder: User) -> None:
    kept = [picture_kept(content) for content in (picture_bytes(make_picture(4)), _altered(), picture_bytes(PICTURE))]
    flat = picture_kept(picture_bytes(Image.new("RGB", (300, 300), "red")))
    register_as(holder, *names("Greg Rutkowski"), *addresses("shores.net"), pictures={"S": picture_bytes(PICTURE)})
    lookback = lookback_begin()
    assert lookback is not None
    came = arrivals(lookback.pk)
    from moderation.matching.pictures import examine

    rasters = [None, examine(Image.open(io.BytesIO(_altered()))).raster, examine(PICTURE).raster]
    assert came.in_pictures([*kept, flat], lambda place: rasters[place]) == {1, 2}  # type: ignore[return-value, arg-type]
    assert came.in_texts(["by greg_rutkowski"])
    assert not came.in_texts(["greg, rutkowski"])
    assert came.in_sources("see https://shores.net/a")
    assert not came.in_sources("see https://notshores.net/a")


def test_second_claimant_of_a_work_takes_away_the_first_ones_excuse(ada: User, holder: User) -> None:
    register_as(ada, pictures={"Shore": picture_bytes(PICTURE)})
    version = _published(ada, _altered())  # its own uploader's work
    register_as(holder, pictures={"My shore": picture_bytes(PICTURE)})
    lookback = _look_back()
    assert lookback is not None
    assert (lookback.entries, Version.objects.get(pk=version.pk).state) == (1, VersionState.IN_REVIEW)
    assert _codes(version) == {"optout-work"}


def test_second_claim_counts_when_it_is_confirmed_and_not_before(ada: User) -> None:
    register_as(ada, *names("Ada Lovelace"))
    version = _published(ada, title="In the style of Ada Lovelace")
    secret = register_by_mail(*names("Ada Lovelace"), email="heir@example.org", confirm=False)
    assert (_look_back(), _codes(version)) == (None, set())
    optout_confirm(secret=secret)
    _look_back()
    assert _codes(version) == {"optout-name"}


def test_list_that_names_what_somebody_registered_is_looked_for_once(ada: User) -> None:
    from moderation.matching.pictures import describe

    digits = describe(PICTURE).pdqs[0].tobytes().hex()
    row = f"work,{digits},pdq"
    register_as(ada, *hashes(f"pdq:{digits}"))
    version = _published(ada, picture_bytes(PICTURE))
    make_import(csv_of(row), name="one")
    _look_back()
    assert _codes(version) == {"optout-work"}
    make_import(csv_of(row), name="one")
    make_import(csv_of(row), name="two")  # nobody was excused any more
    assert not Newcomer.objects.filter(lookback=None).exists()


def test_same_claimant_and_one_who_steps_back_change_nothing(ada: User, holder: User) -> None:
    register_as(ada, *names("Ada Lovelace"))
    theirs = register_as(holder, *names("Ada Lovelace"))
    _look_back()
    register_as(ada, *names("Ada Lovelace"))
    claims_withdraw(holder=theirs.holder, entry=theirs.claims.get().entry)
    assert not Newcomer.objects.filter(lookback=None).exists()
    register_as(holder, *names("Ada Lovelace"))  # back again
    assert Newcomer.objects.filter(lookback=None).values("ref").distinct().count() == 1
