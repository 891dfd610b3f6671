"""The screening: what each check finds, that a crash is no pass, one worker at a time, and pictures held or let out."""

from typing import Any

import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone
from django.utils.module_loading import import_string
from safetensors.numpy import load, save

from accounts.models import User
from moderation.checks import BY_NAME, CHECKS, checks_of
from moderation.models import (
    Case,
    CaseKind,
    CheckState,
    PictureMatch,
    Round,
    Screening,
    ScreeningCheck,
    ScreeningState,
    WeightFingerprint,
)
from moderation.screening.biometrics import outputs_may_be_compared
from moderation.screening.results import Result
from moderation.services import screening as service
from moderation.services.queueing import (
    screening_again,
    screening_of,
    screening_queue,
    screenings_due,
    versions_unscreened,
    versions_with_new_pictures,
)
from moderation.services.screening import screening_run, version_screen_now
from registry.models import SamplePicture, SampleState, Version, VersionImage
from registry.services.inspection import version_inspect
from registry.services.review import version_review
from registry.services.samples import Sample, samples_add
from registry.states import VersionState
from tests.factories.accounts import make_user
from tests.factories.optout import addresses, make_picture, names, picture_bytes, register_as
from tests.factories.registry import inspect_and_screen, make_screened, make_submitted
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def holder() -> User:
    return make_user("holder")


def _codes(version: Version) -> set[str]:
    return {found["code"] for found in version.findings}


def _check(version: Version, name: str) -> ScreeningCheck:
    return ScreeningCheck.objects.filter(screening__version=version, name=name).latest("pk")


def _waiting(actor: User, **given: Any) -> Version:
    version = make_submitted(actor=actor, **given)
    version_inspect(version_id=version.pk)
    return Version.objects.get(pk=version.pk)


def test_every_check_has_a_title_of_its_own_a_function_and_a_round() -> None:
    assert len({check.title for check in CHECKS}) == len(BY_NAME) == len(CHECKS)
    assert all(callable(import_string(f"moderation.screening.{check.function}")) for check in CHECKS)
    assert [check.name for check in checks_of(Round.INTAKE)] == list(BY_NAME)
    assert all(len(checks_of(round)) >= 5 for round in Round)


def test_harmless_upload_passes_every_check_and_is_published(ada: User) -> None:
    version = make_screened(actor=ada)
    states = dict(ScreeningCheck.objects.filter(screening__version=version).values_list("name", "state"))
    pictures = {"reservations", "works", "blocked", "likeness", "person", "explicit"}
    assert {name for name, state in states.items() if state == CheckState.PASSED} == set(BY_NAME) - pictures
    assert {name for name, state in states.items() if state == CheckState.SKIPPED} == pictures
    assert version.state == VersionState.PUBLISHED
    assert version.findings == []


def test_inspected_version_waits_for_its_checks(ada: User) -> None:
    version = _waiting(ada)
    assert version.state == VersionState.SCANNING
    assert version.decision is None
    assert versions_unscreened() == [version]


# Words


@pytest.mark.parametrize(
    "about",
    [
        {"title": "In the style of gr3g rutk0wski"},
        {"name": "greg-rutkowski"},
        {"tags": ["Greg Rutkowski"]},
        {"declared": {"trigger_words": ("GregRutkowski style",)}},
        {"content": lora_bytes(metadata={"ss_tag_frequency": '{"10_x": {"greg rutkowski": 9}}'})},
        {"content": lora_bytes(metadata={"ss_output_name": "greg_rutkowski_v2"})},
    ],
    ids=["title", "name", "tag", "trigger word", "tag in the file", "output name"],
)
def test_registered_name_holds_the_version(about: dict[str, Any], ada: User, holder: User) -> None:
    register_as(holder, *names("Greg Rutkowski"))
    version = make_screened(actor=ada, **about)
    assert version.state == VersionState.IN_REVIEW
    assert _codes(version) == {"optout-name"}
    assert _check(version, "names").state == CheckState.FLAGGED
    assert "opt-out register" in version.state_detail["why"]


def test_name_of_the_holders_own_is_no_reason(holder: User) -> None:
    register_as(holder, *names("Greg Rutkowski"))
    assert make_screened(actor=holder, title="Greg Rutkowski").state == VersionState.PUBLISHED


def test_source_of_somebody_who_opted_out_holds_the_version(ada: User, holder: User) -> None:
    register_as(holder, *addresses("shores-gallery.com"))
    sources = {"training_sources": "Pictures from https://www.shores-gallery.com/shores and my own."}
    version = make_screened(actor=ada, declared=sources)
    assert _codes(version) == {"optout-domain"}
    assert version.state == VersionState.IN_REVIEW


def test_young_people_and_sexual_content_are_refused_and_shown_to_a_moderator(ada: User) -> None:
    version = make_screened(actor=ada, description="A schoolgirl, explicit nude", name="refused")
    assert version.state == VersionState.REFUSED
    assert _codes(version) == {"youth-sexual"}
    case = Case.objects.get(version=version, kind=CaseKind.MINORS)
    assert case.is_open
    assert version.decision is not None
    assert version.decision.outcome == "deny"


def test_young_people_alone_are_no_reason(ada: User) -> None:
    assert make_screened(actor=ada, description="Children at the seaside").state == VersionState.PUBLISHED


def test_young_people_under_a_mature_level_are_refused(ada: User) -> None:
    version = make_screened(actor=ada, description="Children at the seaside", content_level="mature")
    assert version.state == VersionState.REFUSED


# Weights


def _scaled(content: bytes, by: float) -> bytes:
    tensors = load(content)
    return save({k: (v * by if k.endswith("up.weight") else v).astype(np.float16) for k, v in tensors.items()})


def test_rescaled_copy_in_another_number_format_is_held(ada: User, holder: User) -> None:
    content = lora_bytes(seed=5)
    original = make_screened(actor=holder, content=content)
    copy = make_screened(actor=ada, name="mine", content=_scaled(content, 0.7))
    assert copy.duplicate_of is None  # no digest finds it
    assert _codes(copy) == {"weights-near-duplicate"}
    assert str(original) in copy.findings[0]["message"]
    assert copy.state == VersionState.IN_REVIEW


def test_copy_of_what_the_uploader_may_not_see_does_not_name_it(ada: User, holder: User) -> None:
    content = lora_bytes(seed=5)
    make_screened(actor=holder, name="secret-name", content=content, visibility="private")
    copy = make_screened(actor=ada, name="mine", content=_scaled(content, 0.7))
    assert "secret-name" not in copy.findings[0]["message"]
    assert "another upload" in copy.findings[0]["message"]


def test_next_version_of_the_same_owner_may_resemble_the_last(ada: User) -> None:
    content = lora_bytes(seed=5)
    make_screened(actor=ada, content=content)
    assert make_screened(actor=ada, content=_scaled(content, 0.7)).state == VersionState.PUBLISHED


def test_other_weights_are_not_held(ada: User, holder: User) -> None:
    make_screened(actor=holder, content=lora_bytes(seed=5))
    version = make_screened(actor=ada, name="mine", content=lora_bytes(seed=6))
    assert version.state == VersionState.PUBLISHED
    assert WeightFingerprint.objects.count() == 2


# Pictures


def _repost(seed: int = 1) -> bytes:
    picture = make_picture(seed)
    width, height = picture.size
    cropped = picture.crop((width // 10, height // 10, width - width // 10, height - height // 10))
    return picture_bytes(cropped, "JPEG", quality=40)


def test_cropped_and_recompressed_work_holds_the_version_with_the_match(ada: User, holder: User) -> None:
    register_as(holder, pictures={"Shore": picture_bytes(make_picture())})
    version = make_screened(actor=ada, samples=[Sample("mine.jpg", _repost()), Sample("other.png", _other())])
    assert version.state == VersionState.IN_REVIEW
    assert _codes(version) == {"optout-work"}
    held, shown = version.samples.order_by("-state")[0], version.samples.order_by("state")[0]
    states = dict(version.samples.values_list("sha256", "state"))
    assert sorted(states.values()) == [SampleState.HELD, SampleState.SHOWN]
    match = PictureMatch.objects.get(version=version)
    assert match.picture == f"sample:{version.samples.get(state=SampleState.HELD).pk}"
    assert match.caption == "Shore"
    assert match.against.startswith("work:")
    assert held.original_key == shown.original_key == ""  # what was uploaded beyond the pixels is gone


def _other() -> bytes:
    return picture_bytes(make_picture(9))


def test_pictures_of_the_holders_own_works_are_no_reason(holder: User) -> None:
    register_as(holder, pictures={"Shore": picture_bytes(make_picture())})
    version = make_screened(actor=holder, samples=[Sample("mine.jpg", _repost())])
    assert version.state == VersionState.PUBLISHED
    assert version.samples.get().state == SampleState.SHOWN


def test_picture_that_comes_later_takes_a_published_version_back_into_review(ada: User, holder: User) -> None:
    version = make_screened(actor=ada)
    register_as(holder, pictures={"Shore": picture_bytes(make_picture())})
    samples_add(version=version, actor=ada, samples=[Sample("later.jpg", _repost())])
    assert versions_with_new_pictures() == [version]
    version_screen_now(version_id=version.pk)
    version.refresh_from_db()
    assert version.state == VersionState.IN_REVIEW
    assert version.samples.get().state == SampleState.HELD
    assert versions_with_new_pictures() == []


def test_harmless_picture_that_comes_later_is_shown_and_nothing_is_decided_again(ada: User) -> None:
    version = make_screened(actor=ada)
    samples_add(version=version, actor=ada, samples=[Sample("later.png", _other())])
    version_screen_now(version_id=version.pk)
    decided, version = version.decision_id, Version.objects.get(pk=version.pk)
    assert (version.state, version.decision_id) == (VersionState.PUBLISHED, decided)
    assert version.samples.get().state == SampleState.SHOWN


def test_what_a_moderator_approved_is_not_held_again_for_the_same_reason(ada: User, holder: User) -> None:
    register_as(holder, pictures={"Shore": picture_bytes(make_picture())})
    version = make_screened(actor=ada, samples=[Sample("mine.jpg", _repost())])
    moderator = make_user("mo", is_moderator=True)
    version_review(version=version, actor=moderator, approve=True, public_reasoning="Licensed from the artist.")
    assert version.samples.get().state == SampleState.SHOWN  # seen by a moderator, and let out with the version
    samples_add(version=version, actor=ada, samples=[Sample("later.png", _other())])
    version_screen_now(version_id=version.pk)
    version.refresh_from_db()
    assert version.state == VersionState.PUBLISHED


def test_removed_picture_and_checking_again_publish_it(ada: User, holder: User, monkeypatch: Any) -> None:
    register_as(holder, pictures={"Shore": picture_bytes(make_picture())})
    version = make_screened(actor=ada, samples=[Sample("mine.jpg", _repost())])
    SamplePicture.objects.filter(version=version).update(state=SampleState.REMOVED)
    version.screenings.update(created_at=timezone.now() - 2 * service_pause())
    again = screening_again(version=version, actor=ada)
    screening_run(screening_id=str(again.pk))
    version.refresh_from_db()
    assert version.state == VersionState.PUBLISHED


def service_pause() -> Any:
    from moderation.services.queueing import PAUSE

    return PAUSE


# What goes wrong


def _with(monkeypatch: pytest.MonkeyPatch, name: str, run: Any) -> None:
    monkeypatch.setattr(f"moderation.screening.{BY_NAME[name].function}", run)


def test_crashed_check_is_no_pass(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(subject: object) -> Result:
        raise ZeroDivisionError

    _with(monkeypatch, "names", crash)
    version = make_screened(actor=ada)
    assert version.state == VersionState.IN_REVIEW
    assert _codes(version) == {"check-failed"}
    row = _check(version, "names")
    assert row.state == CheckState.FAILED
    assert "ZeroDivisionError" in row.summary


def test_crashed_picture_check_holds_the_pictures(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(subject: object) -> Result:
        raise ZeroDivisionError

    _with(monkeypatch, "works", crash)
    version = make_screened(actor=ada, samples=[Sample("mine.png", _other())])
    assert version.samples.get().state == SampleState.HELD


def test_check_whose_worker_dies_each_time_has_failed_and_the_others_go_on(ada: User) -> None:
    version = _waiting(ada)
    screening = screening_queue(version=version, round=Round.INTAKE)
    assert screening is not None
    screening.checks.filter(name="works").update(attempts=service.MAX_ATTEMPTS, state=CheckState.RUNNING)
    screening_run(screening_id=str(screening.pk))
    version.refresh_from_db()
    assert _codes(version) == {"check-failed"}
    assert _check(version, "youth").state == CheckState.PASSED


def test_second_worker_leaves_a_held_screening_alone(ada: User) -> None:
    version = _waiting(ada)
    screening = screening_queue(version=version, round=Round.INTAKE)
    assert screening is not None
    lease = timezone.now() + timezone.timedelta(minutes=5)
    Screening.objects.update(state=ScreeningState.RUNNING, lease_until=lease)
    screening_run(screening_id=str(screening.pk))
    version.refresh_from_db()
    assert version.state == VersionState.SCANNING
    assert screenings_due() == []


def test_screening_whose_worker_is_gone_is_handed_out_again(ada: User) -> None:
    version = _waiting(ada)
    screening = screening_queue(version=version, round=Round.INTAKE)
    past = timezone.now() - timezone.timedelta(seconds=1)
    Screening.objects.update(state=ScreeningState.RUNNING, lease_until=past)
    assert screenings_due() == [str(screening.pk)]  # type: ignore[union-attr]
    screening_run(screening_id=str(screening.pk))  # type: ignore[union-attr]
    version.refresh_from_db()
    assert version.state == VersionState.PUBLISHED


def test_two_screenings_of_one_round_never_wait_at_once(ada: User) -> None:
    version = _waiting(ada)
    assert screening_of(version=version) is not None
    assert screening_of(version=version) is None


def test_withdrawn_while_checks_run_stays_withdrawn(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    version = _waiting(ada)
    Version.objects.filter(pk=version.pk).update(state=VersionState.WITHDRAWN)
    screening = screening_queue(version=version, round=Round.INTAKE)
    screening_run(screening_id=str(screening.pk))  # type: ignore[union-attr]
    version.refresh_from_db()
    assert version.state == VersionState.WITHDRAWN


# Licences


@pytest.mark.parametrize(("base", "allowed"), [("tinybase", True), ("flux-1-dev", False), ("sdxl-1-0", True)])
def test_licence_decides_whether_faces_are_looked_for_in_outputs(base: str, allowed: bool, ada: User) -> None:
    version = make_submitted(actor=ada, declared={"base_model": base})
    assert outputs_may_be_compared(version) is allowed


def test_worker_does_all_in_order(ada: User) -> None:
    version = make_submitted(actor=ada)
    inspect_and_screen(version_id=version.pk)
    finished = list(ScreeningCheck.objects.filter(screening__version=version).values_list("name", "finished_at"))
    assert [name for name, _ in finished] == [check.name for check in checks_of(Round.INTAKE)]
    assert [moment for _, moment in finished] == sorted(moment for _, moment in finished)


def test_rendered_picture_that_was_found_out_is_not_looked_at_again_and_again(ada: User, holder: User) -> None:
    version = make_screened(actor=ada)
    register_as(holder, pictures={"Shore": picture_bytes(make_picture())})
    key = default_storage.save("images/found.png", ContentFile(picture_bytes(make_picture())))
    rendered = VersionImage.objects.create(
        version=version, row=0, column=0, prompt="", seed=1, steps=1, guidance=1, strength=1,
        base_model="tinybase", width=64, height=64, storage_key=key, sha256="0" * 64,
    )  # fmt: skip
    assert versions_with_new_pictures() == [version]
    version_screen_now(version_id=version.pk)
    version.refresh_from_db()
    rendered.refresh_from_db()
    assert (version.state, rendered.screened_at) == (VersionState.IN_REVIEW, None)
    assert versions_with_new_pictures() == []  # or the sweep would repeat the checks until somebody decides
    VersionImage.objects.update(created_at=timezone.now())  # rendered anew
    assert versions_with_new_pictures() == [version]
