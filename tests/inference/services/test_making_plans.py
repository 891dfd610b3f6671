"""Plans: what may be made of what, decided first, its terms accepted, and what is refused with its reason."""

from typing import Any

import pytest

from accounts.errors import NotPermitted
from accounts.models import Namespace, User
from governance.errors import GovernanceRefused
from governance.models import AuditEntry, DecisionRecord
from inference.errors import MakingRefused
from inference.models import Making, MakingJob
from inference.services.making_jobs import making_lease, rights_ended
from inference.services.making_plans import Brought, making_ask, making_queue, making_start
from registry.errors import AcceptanceNeeded, NotAvailable
from registry.models import BaseModel, Receipt, Version
from registry.services.versions import version_withdraw
from tests.factories.accounts import make_organisation, make_user
from tests.factories.registry import make_upload, make_version
from tests.inference.made import let_out, plan_of, started
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db


@pytest.fixture
def bea(db: None) -> User:
    return make_user("bea")


def _version(actor: User, name: str, seed: int = 1, **given: Any) -> Version:
    declared = {"allow_different_licence": True, "credit_required": False, **given.pop("declared", {})}
    return make_version(actor=actor, name=name, content=lora_bytes(seed=seed), declared=declared, **given)


@pytest.fixture
def one(ada: User) -> Version:
    return _version(ada, "one", 1)


@pytest.fixture
def two(ada: User) -> Version:
    return _version(ada, "two", 2)


def test_allowed_plan_shows_the_terms_of_each_part_and_its_licence(bea: User, one: Version, two: Version) -> None:
    answer = making_ask(actor=bea, plan=plan_of(bea, (one, 1.0), (two, 0.5)))
    assert answer.allowed
    assert answer.licensing is not None
    assert answer.licensing.licence_id == "apache-2.0"
    assert [version for version, _ in answer.terms] == [one, two]
    assert "use: merging" in answer.text
    assert DecisionRecord.objects.filter(pk=answer.record.pk, action="merging", outcome="allow").exists()


def test_nothing_is_queued_before_the_terms_are_accepted(bea: User, one: Version, two: Version) -> None:
    plan = plan_of(bea, (one, 1.0), (two, 0.5))
    with pytest.raises(AcceptanceNeeded) as refusal:
        making_start(actor=bea, plan=plan, accepted_terms="something else")
    assert refusal.value.data["terms"] == making_ask(actor=bea, plan=plan).digest
    assert not MakingJob.objects.exists()
    assert not Receipt.objects.exists()


def test_part_without_derivatives_is_refused_on_record(ada: User, bea: User, one: Version) -> None:
    closed = _version(ada, "closed", 3, declared={"allow_derivatives": False})
    with pytest.raises(GovernanceRefused) as refusal:
        started(bea, plan_of(bea, (one, 1.0), (closed, 1.0)))
    assert "flag-derivatives" in {reason.code for reason in refusal.value.decision.deciding}
    assert DecisionRecord.objects.filter(outcome="deny", action="merging").exists()
    assert not MakingJob.objects.exists()


def test_parts_that_no_licence_can_join_are_refused_with_the_reasons(ada: User, bea: User) -> None:
    strict = {"allow_different_licence": False}
    first = _version(ada, "first", 4, declared={"licence_id": "mit", **strict})
    second = _version(ada, "second", 5, declared={"licence_id": "cc-by-4.0", **strict})
    with pytest.raises(GovernanceRefused) as refusal:
        started(bea, plan_of(bea, (first, 1.0), (second, 1.0)))
    deciding = refusal.value.decision.deciding
    assert {reason.code for reason in deciding} == {"flag-different-licence"}
    assert any("first" in reason.message or "second" in reason.message for reason in deciding)
    assert not MakingJob.objects.exists()


def test_permissions_of_the_result_are_the_least_of_its_parts(ada: User, bea: User) -> None:
    wide = _version(ada, "wide", 6, declared={"commercial_use": ("image", "rent", "sell")})
    narrow = _version(
        ada, "narrow", 7, declared={"commercial_use": ("image",), "credit_required": True, "licence_id": "openrail++"}
    )
    job = started(bea, plan_of(bea, (wide, 1.0), (narrow, 1.0)))
    assert job.recipe["permissions"] == {
        "credit_required": True,
        "allow_different_licence": True,
        "commercial_use": ["image"],
    }
    assert job.licence_id == "openrail++"


@pytest.mark.parametrize(
    ("licence", "paid", "code"),
    [
        ("stability-nc-research-2023-11", False, "host-ban"),
        ("flux-1-dev-nc-1.1.1", True, "payment-ban"),
        ("flux-1-dev-nc-1.1.1", False, None),
    ],
)
def test_checkpoint_is_offered_only_where_the_house_may_give_the_base_on(
    bea: User, one: Version, settings: Any, licence: str, paid: bool, code: str | None
) -> None:
    """All three bases may be merged; whoever hands them on must not host, or not be paid."""
    settings.DOWNLOADS_ARE_PAID = paid
    BaseModel.objects.filter(slug="tinybase").update(licence_id=licence)
    one.base_model.refresh_from_db()
    answer = making_ask(actor=bea, plan=plan_of(bea, (one, 1.0), kind=Making.CHECKPOINT))
    assert answer.allowed == (code is None)
    if code:
        assert answer.record.action == "redistribution", "it is asked only where merging is allowed"
        assert code in {reason.code for reason in answer.decision.deciding}


@pytest.fixture
def unsure(ada: User) -> Version:
    """A part whose licence nobody has read to its end: a moderator let it out, and the gate hands it to nobody."""
    return let_out(_version(ada, "unsure", 11, declared={"licence_id": "noobai-additions"}))


def test_what_is_left_to_a_person_is_queued_for_a_draft_and_gives_no_weights(
    bea: User, one: Version, unsure: Version
) -> None:
    answer = making_ask(actor=bea, plan=plan_of(bea, (one, 1.0), (unsure, 0.5)))
    assert (answer.decision.outcome, answer.waits, answer.allowed) == ("review", True, False)
    assert [version for version, _ in answer.terms] == [one, unsure], "the terms of both are accepted"
    job = started(bea, plan_of(bea, (one, 1.0), (unsure, 0.5)))
    assert (job.state, job.decision.outcome) == ("queued", "review")
    assert [part.receipt is not None for part in job.parts.all()] == [True, False]
    assert list(Receipt.objects.values_list("acceptance__version", flat=True)) == [one.pk]
    queued = AuditEntry.objects.get(action="making.queued")
    assert queued.data == {
        "kind": "merge", "versions": [one.pk, unsure.pk], "outcome": "review", "terms": answer.digest,
    }  # fmt: skip


def test_merged_base_model_is_handed_on_by_the_rules_alone(bea: User, unsure: Version) -> None:
    """It leaves the house, so what the gate would not open for does not go out inside of it."""
    answer = making_ask(actor=bea, plan=plan_of(bea, (unsure, 1.0), kind=Making.CHECKPOINT))
    assert (answer.decision.outcome, answer.waits, answer.may_start, answer.terms) == ("review", False, False, ())
    with pytest.raises(GovernanceRefused) as refusal:
        making_start(actor=bea, plan=plan_of(bea, (unsure, 1.0), kind=Making.CHECKPOINT), accepted_terms=answer.digest)
    assert refusal.value.code == "needs-review"
    assert not MakingJob.objects.exists()


def test_answers_that_the_maker_owes_are_given_first(bea: User, one: Version, two: Version) -> None:
    BaseModel.objects.filter(slug="tinybase").update(licence_id="stability-community-2024-07")
    for version in (one, two):
        version.base_model.refresh_from_db()
    with pytest.raises(GovernanceRefused) as refusal:
        started(bea, plan_of(bea, (one, 1.0), (two, 1.0)))
    assert refusal.value.code == "needs-facts"
    assert not MakingJob.objects.exists()


def test_part_that_the_rules_refuse_meanwhile_ends_the_job(bea: User, one: Version, unsure: Version) -> None:
    """It has no receipt to be asked about, so it is asked about itself."""
    job = started(bea, plan_of(bea, (one, 1.0), (unsure, 1.0)))
    assert rights_ended(job) == {}
    Version.objects.filter(pk=unsure.pk).update(allow_derivatives=False)
    assert making_lease(job_id=str(job.pk), worker="here") is None
    job.refresh_from_db()
    assert (job.state, job.problem["why"]) == ("failed", "ada/unsure v1 may not be merged any more.")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"options": {"rank": 0}}, "rank"),
        ({"options": {"method": "magic"}}, "method"),
        ({"options": {"rank": None, "energy": None}}, "rank"),
        ({"options": {"energy": 1.5}}, "energy"),
        ({"options": {"energy": float("nan")}}, "energy"),
        ({"options": {"surprise": 1}}, "surprise"),
        ({"adapter_name": "Not A Name"}, "name"),
        ({"owner": None}, "owner"),
    ],
)
def test_plan_that_cannot_be_is_refused_at_its_field(
    bea: User, one: Version, two: Version, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(MakingRefused) as refusal:
        making_ask(actor=bea, plan=plan_of(bea, (one, 1.0), (two, 1.0), **changes))
    assert field in refusal.value.data["errors"]
    assert not DecisionRecord.objects.filter(action="merging").exists()


def test_one_adapter_twice_alone_or_at_weight_zero_is_refused(bea: User, one: Version, two: Version) -> None:
    for parts in [((one, 1.0), (one, 0.5)), ((one, 1.0),), ((one, 1.0), (two, 0.0)), ((one, 5.0), (two, 1.0))]:
        with pytest.raises(MakingRefused):
            making_ask(actor=bea, plan=plan_of(bea, *parts))


def test_adapter_that_may_not_be_seen_is_refused_like_an_absent_one(ada: User, bea: User, one: Version) -> None:
    secret = _version(ada, "secret", 8, visibility="private")
    with pytest.raises(MakingRefused) as refusal:
        making_ask(actor=bea, plan=plan_of(bea, (one, 1.0), (secret, 1.0)))
    assert "secret" not in str(refusal.value.to_json())


def test_withdrawn_adapter_is_not_taken(bea: User, one: Version, two: Version) -> None:
    version_withdraw(version=two, actor=two.created_by, reason="Mine.")
    two.refresh_from_db()
    with pytest.raises(NotAvailable):
        making_ask(actor=bea, plan=plan_of(bea, (one, 1.0), (two, 1.0)))


def test_result_goes_only_where_its_maker_may_upload(bea: User, one: Version, two: Version) -> None:
    cid = make_user("cid")
    theirs = Namespace.objects.get(user=cid)
    with pytest.raises(MakingRefused) as refusal:
        making_ask(actor=bea, plan=plan_of(bea, (one, 1.0), (two, 1.0), owner=theirs))
    assert "owner" in refusal.value.data["errors"]


def test_private_adapter_of_others_gets_no_versions_from_members(bea: User, one: Version, two: Version) -> None:
    cid = make_user("cid")
    make_organisation(cid, "studio", {"member": bea})
    studio = Namespace.objects.get(slug="studio")
    _version(cid, "inner", 9, namespace=studio, visibility="private")
    with pytest.raises(NotPermitted):
        making_ask(actor=bea, plan=plan_of(bea, (one, 1.0), (two, 1.0), owner=studio, adapter_name="inner"))


def test_as_many_jobs_wait_as_may(bea: User, one: Version, two: Version, settings: Any) -> None:
    settings.MAKING_WAITING_PER_USER = 1
    plan = plan_of(bea, (one, 1.0), (two, 1.0), kind=Making.COMPARE)
    making_queue(actor=bea, plan=plan)
    with pytest.raises(MakingRefused, match="not finished"):
        making_queue(actor=bea, plan=plan)


def test_only_reports_go_without_a_decision(bea: User, one: Version, two: Version) -> None:
    with pytest.raises(MakingRefused):
        making_queue(actor=bea, plan=plan_of(bea, (one, 1.0), (two, 1.0)))


def test_brought_checkpoint_needs_its_licence_and_sources(bea: User) -> None:
    upload = make_upload(actor=bea)
    for brought in (Brought(upload, "home-made", "Mine."), Brought(upload, "apache-2.0", " ")):
        with pytest.raises(MakingRefused):
            making_ask(actor=bea, plan=plan_of(bea, kind=Making.EXTRACT, brought=brought))
    with pytest.raises(MakingRefused):
        making_ask(actor=bea, plan=plan_of(bea, kind=Making.EXTRACT))


def test_licence_of_a_brought_checkpoint_binds_what_is_extracted(bea: User) -> None:
    brought = Brought(make_upload(actor=bea), "cc-by-nc-4.0", "A model of others.")
    answer = making_ask(actor=bea, plan=plan_of(bea, kind=Making.EXTRACT, brought=brought))
    assert answer.licensing is not None
    assert answer.licensing.licence_id == "cc-by-nc-4.0"
