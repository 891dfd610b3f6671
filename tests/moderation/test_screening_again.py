"""What was found stays found: when checks are repeated, when pictures come later, and beside much of one's own."""

import hashlib
from typing import Any

import numpy as np
import pytest
from django.test import Client
from django.utils import timezone
from safetensors.numpy import load, save

from accounts.models import User
from governance.policy import Finding
from moderation.checks import CHECKS
from moderation.consent_terms import Verification
from moderation.likeness_consent import current_consent
from moderation.models import ActsAs, Case, ProtectedIdentity, Round, Screening, ScreeningState, ScreeningWanted
from moderation.screening.subject import Subject
from moderation.selectors.matches import matches_of
from moderation.selectors.screening import checks_shown
from moderation.services.consent_answers import consent_grant, consent_refuse
from moderation.services.consents import consent_verify
from moderation.services.enrolment import template_add
from moderation.services.likeness import identity_enrol, identity_verify
from moderation.services.queueing import PAUSE, screening_again, screening_queue, versions_wanted
from moderation.services.screening import screening_run, version_screen_now
from moderation.tasks import screen_described, sweep_screenings
from registry.errors import ConflictOfInterest, TransitionRefused
from registry.models import SampleState, Version
from registry.services.adapters import adapter_update
from registry.services.publication import CHECK_FAILED, version_found_later
from registry.services.review import version_release, version_review
from registry.services.samples import Sample
from registry.states import NEEDS_MAINTAINER, VersionState
from tests.factories.accounts import make_organisation, make_user
from tests.factories.consents import make_asked, make_consent
from tests.factories.faces import OtherReader, made_face
from tests.factories.optout import addresses, hashes, make_picture, names, picture_bytes, register_as
from tests.factories.registry import make_screened
from tests.moderation.matching.reservations.pictures import with_chunk
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return make_user("ada")


def _again(version: Version) -> Version:
    version.screenings.update(created_at=timezone.now() - 2 * PAUSE)
    screening_run(screening_id=str(screening_again(version=version, actor=version.created_by).pk))
    return Version.objects.get(pk=version.pk)


def _codes(version: Version) -> set[str]:
    return {found["code"] for found in version.findings}


def test_mark_that_was_deleted_with_the_metadata_still_holds_when_checked_again(ada: User) -> None:
    marked = with_chunk(picture_bytes(make_picture()), b"tEXt", b"Comment\0noai")
    version = make_screened(actor=ada, samples=[Sample("marked.png", marked)])
    assert _codes(version) == {"reservation"}
    again = _again(version)
    assert (again.state, _codes(again)) == (VersionState.IN_REVIEW, {"reservation"})
    again.samples.update(state=SampleState.REMOVED)  # what its uploader is asked to do
    assert _again(again).state == VersionState.PUBLISHED


def test_listed_file_is_known_by_what_was_sent_when_checked_again(ada: User) -> None:
    content = picture_bytes(make_picture(), "JPEG")
    register_as(make_user("holder"), *hashes(f"sha256:{hashlib.sha256(content).hexdigest()} File"))
    version = make_screened(actor=ada, samples=[Sample("same.jpg", content)])
    assert _codes(version) == {"optout-work"}
    assert _codes(_again(version)) == {"optout-work"}


def _rescaled(content: bytes, by: float) -> bytes:
    tensors = load(content)
    return save({k: (v * by if k.endswith("up.weight") else v).astype(np.float16) for k, v in tensors.items()})


@pytest.mark.slow
def test_many_versions_of_ones_own_hide_no_original(ada: User) -> None:
    content = lora_bytes(seed=5)
    make_screened(actor=make_user("holder"), content=content)
    for n in range(6):
        copy = make_screened(actor=ada, name="mine", content=_rescaled(content, 0.5 + n / 20))
        assert _codes(copy) == {"weights-near-duplicate"}, n


def _approved(ada: User, finding: Finding) -> Version:
    version = make_screened(actor=ada)
    assert version_found_later(version=version, findings=[finding])
    version.refresh_from_db()
    moderator = make_user("mo", is_moderator=True)
    version_review(version=version, actor=moderator, approve=True, public_reasoning="Seen, and right.")
    return Version.objects.get(pk=version.pk)


@pytest.mark.parametrize(
    ("first", "later", "held"),
    [
        (("likeness-match", {"identity": "one"}), ("likeness-match", {"identity": "one"}), False),
        (("likeness-match", {"identity": "one"}), ("likeness-match", {"identity": "two"}), True),
        (("optout-work", {"entry": "1", "picture": "a"}), ("optout-work", {"entry": "1", "picture": "b"}), False),
        (("optout-work", {"entry": "1"}), ("optout-work", {"entry": "2"}), True),
        ((CHECK_FAILED, {"how": "OSError"}), (CHECK_FAILED, {"how": "OSError"}), True),
    ],
)
def test_approval_covers_what_was_seen_alone(first: Any, later: Any, held: bool, ada: User) -> None:
    version = _approved(ada, Finding("check", first[0], "In words.", first[1]))
    assert version_found_later(version=version, findings=[Finding("check", later[0], "In words.", later[1])]) is held
    version.refresh_from_db()
    assert version.state == (VersionState.IN_REVIEW if held else VersionState.PUBLISHED)


def test_what_pictures_show_later_takes_the_release_from_the_maintainer(ada: User) -> None:
    eve = make_user("eve")
    studio = make_organisation(ada, members={"member": eve})
    version = make_screened(actor=eve, namespace=studio.namespace)
    assert version.state_detail["code"] == NEEDS_MAINTAINER
    assert version_found_later(version=version, findings=[Finding("works", "optout-work", "Seen.", {"entry": "1"})])
    with pytest.raises(TransitionRefused, match="does not wait for a maintainer"):
        version_release(version=version, actor=ada)
    version_found_later(version=version, findings=[Finding("youth", "youth-sexual", "Seen.")])
    assert Version.objects.get(pk=version.pk).state == VersionState.IN_REVIEW  # it is in front of a moderator already


def test_grave_find_before_the_release_refuses(ada: User) -> None:
    eve = make_user("eve")
    studio = make_organisation(ada, members={"member": eve})
    version = make_screened(actor=eve, namespace=studio.namespace)
    version_found_later(version=version, findings=[Finding("youth", "youth-sexual", "Seen.")])
    assert Version.objects.get(pk=version.pk).state == VersionState.REFUSED


@pytest.mark.parametrize(("checked", "state"), [(True, VersionState.PUBLISHED), (False, VersionState.IN_REVIEW)])
def test_consent_that_a_moderator_checked_excuses_works_and_sources_of_that_person(
    checked: bool, state: VersionState, ada: User
) -> None:
    sam = make_user("sam", email="sam@subjects.example")
    register_as(sam, *addresses("sam.example.net"), pictures={"Shore": picture_bytes(make_picture())})
    consent = make_consent(ada, adapters=frozenset({"ada/shores"}))
    if checked:
        mo = make_user("mo", is_moderator=True)
        consent_verify(consent=consent, actor=mo, method=Verification.CALL, note="")
    version = make_screened(
        actor=ada,
        name="shores",
        samples=[Sample("shore.png", picture_bytes(make_picture()))],
        declared={"training_sources": "https://sam.example.net/pictures"},
    )
    assert (version.state, _codes(version)) == (state, set() if checked else {"optout-work", "optout-domain"})


def test_consent_of_one_holder_does_not_excuse_what_another_claims_too(ada: User) -> None:
    for name in ("sam", "kim"):
        email = f"{name}@subjects.example"
        register_as(make_user(name, email=email), pictures={"Shore": picture_bytes(make_picture())})
    consent = make_consent(ada, adapters=frozenset({"ada/shores"}))
    mo = make_user("mo", is_moderator=True)
    consent_verify(consent=consent, actor=mo, method=Verification.CALL, note="")
    samples = [Sample("shore.png", picture_bytes(make_picture()))]
    assert _codes(make_screened(actor=ada, name="shores", samples=samples)) == {"optout-work"}


def _described(version: Version, **words: Any) -> Version:
    adapter_update(actor=version.created_by, adapter=version.adapter, **words)
    screen_described(version.adapter_id)
    version_screen_now(version_id=version.pk)
    return Version.objects.get(pk=version.pk)


@pytest.mark.parametrize(
    ("words", "code", "state"),
    [
        ({"title": "In the style of Greg Rutkowski"}, "optout-name", VersionState.IN_REVIEW),
        ({"tags": ["gr3g rutk0wski"]}, "optout-name", VersionState.IN_REVIEW),
        ({"description": "A schoolgirl, 12 years old."}, "", VersionState.PUBLISHED),
        (
            {"description": "A schoolgirl, 12 years old.", "content_level": "mature"},
            "youth-sexual",
            VersionState.QUARANTINED,
        ),
    ],
)
def test_words_that_change_after_publication_are_looked_at(
    words: dict[str, Any], code: str, state: VersionState, ada: User
) -> None:
    register_as(make_user("holder"), *names("Greg Rutkowski"))
    version = _described(make_screened(actor=ada), **words)
    assert (version.state, _codes(version)) == (state, {code} - {""})
    assert versions_wanted() == []


def test_words_that_change_while_checks_run_are_looked_at_afterwards(ada: User) -> None:
    version = make_screened(actor=ada)
    assert versions_wanted() == []
    adapter_update(actor=ada, adapter=version.adapter, title="Another")
    assert versions_wanted() == [version]
    sweep_screenings()
    assert versions_wanted() == []
    queued = version.screenings.get(state=ScreeningState.QUEUED)
    adapter_update(actor=ada, adapter=version.adapter, title="A third")
    sweep_screenings()
    assert (versions_wanted(), version.screenings.count()) == ([], 2)  # what nobody has begun reads this title too
    Screening.objects.filter(pk=queued.pk).update(state=ScreeningState.RUNNING)
    adapter_update(actor=ada, adapter=version.adapter, title="A fourth")
    sweep_screenings()
    assert (versions_wanted(), version.screenings.count()) == ([version], 2)  # what runs may have read the third
    screening_run(screening_id=str(queued.pk))
    sweep_screenings()
    assert (versions_wanted(), version.screenings.count()) == ([], 3)


def _enrolled(*, verified: bool = True) -> ProtectedIdentity:
    """Somebody whose face is that of every picture, known by the address that consents are asked at."""
    identity = identity_enrol(
        user=make_user("sam", email="sam@subjects.example"),
        name="Sam Subject",
        acts_as=ActsAs.SELF,
        consent=current_consent(),
    )
    template_add(identity=identity, face=made_face(seed=1), reader=OtherReader(), consent_reference="test")
    if verified:
        identity_verify(identity=identity, moderator=make_user("mo", is_moderator=True))
    return identity


@pytest.fixture
def one_face(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every picture shows the same face."""
    faces = property(lambda subject: {picture.key: (made_face(seed=1),) for picture in subject.comparable})
    monkeypatch.setattr(Subject, "faces", faces)
    monkeypatch.setattr("moderation.matching.faces.face_reader", lambda path: OtherReader())


def _shown(ada: User) -> Version:
    return make_screened(actor=ada, samples=[Sample("face.png", picture_bytes(make_picture()))])


@pytest.mark.usefixtures("one_face")
def test_protected_likeness_goes_to_a_moderator(ada: User) -> None:
    _enrolled()
    version = _shown(ada)
    assert (_codes(version), version.state) == ({"likeness-match"}, VersionState.IN_REVIEW)
    assert version.samples.get().state == SampleState.HELD


@pytest.mark.usefixtures("one_face")
@pytest.mark.parametrize(("verified", "code"), [(True, "likeness-refused"), (False, "likeness-match")])
def test_likeness_of_a_verified_person_who_said_no_is_refused(verified: bool, code: str, ada: User) -> None:
    _enrolled(verified=verified)
    consent_refuse(consent=make_asked(ada))
    version = _shown(ada)
    assert _codes(version) == {code}
    assert version.state == (VersionState.REFUSED if verified else VersionState.IN_REVIEW)


@pytest.mark.usefixtures("one_face")
def test_later_yes_makes_an_earlier_no_a_question(ada: User) -> None:
    _enrolled()
    consent_refuse(consent=make_asked(ada))
    asked = make_asked(ada)
    consent_grant(consent=asked, terms=asked.asked_terms)  # answered by mail alone: a moderator looks
    assert _codes(_shown(ada)) == {"likeness-match"}


@pytest.mark.usefixtures("one_face")
def test_likenesses_that_another_reader_enrolled_are_no_pass(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    _enrolled()
    monkeypatch.setattr("moderation.matching.faces.face_reader", lambda path: OtherReader(model="other-2"))
    assert _codes(_shown(ada)) == {CHECK_FAILED}


@pytest.mark.parametrize("own", ["asked", "organisation", "identity"])
def test_moderator_verifies_nothing_of_their_own(own: str) -> None:
    mo = make_user("mo", is_moderator=True)
    if own == "identity":
        asked = {"name": "Mo", "acts_as": ActsAs.SELF, "consent": current_consent()}
        identity = identity_enrol(user=mo, **asked)
        with pytest.raises(ConflictOfInterest):
            identity_verify(identity=identity, moderator=mo)
        return
    ada = make_user("ada")
    studio = make_organisation(ada, members={"member": mo})
    consent = make_consent(mo) if own == "asked" else make_consent(ada, studio)
    with pytest.raises(ConflictOfInterest):
        consent_verify(consent=consent, actor=mo, method=Verification.CALL, note="")


def test_each_check_is_one_line_with_its_newest_run_and_the_earlier_ones_behind_it(ada: User, client: Client) -> None:
    register_as(make_user("holder"), *names("Greg Rutkowski"))
    version = _described(make_screened(actor=ada), title="In the style of Greg Rutkowski")
    shown = {check.title: check for check in checks_shown(version=version, moderator=False)}
    assert list(shown) == [check.title for check in CHECKS]
    line = shown["Registered names"]
    assert (line.newest.state, [run.state for run in line.earlier]) == ("flagged", ["passed"])
    assert shown["File safety"].earlier == ()
    client.force_login(ada)
    page = client.get(f"/{version.adapter}/v/1/checks").content.decode()
    assert (page.count("<strong>Registered names</strong>"), page.count("Earlier: 1 time<")) == (1, 8)


def test_moderators_compare_the_newest_matches_once(ada: User) -> None:
    version = make_screened(actor=ada, samples=[Sample("shore.png", picture_bytes(make_picture()))])
    register_as(make_user("holder"), pictures={"Shore": picture_bytes(make_picture())})
    for _ in range(2):
        ScreeningWanted.objects.create(version=version, round=Round.REGISTER)
        version_screen_now(version_id=version.pk)
    case = Case.objects.get(version=version)
    assert len(matches_of(case)) == 1
    screening_queue(version=version, round=Round.REGISTER)  # waits: what is known is still shown
    assert len(matches_of(case)) == 1
