"""A result enters the registry as a draft with its lineage, and leaves it by its owner's hand alone."""

from dataclasses import replace

import pytest
from django.core.files.storage import default_storage
from django.db import transaction

from governance.policy import Use
from moderation.consent_terms import ConsentScope
from moderation.models import ConsentLink
from registry.errors import DeclarationIncomplete, TransitionRefused
from registry.models import RevisionEntry, Version
from registry.services.versions import latest_statement, version_send
from registry.states import VersionState
from tests.factories.accounts import make_user
from tests.factories.consents import make_consent
from tests.factories.registry import declaration, inspect_and_screen, make_version
from tests.factories.training import make_run
from tests.safetensors_bytes import lora_bytes
from training.cards import card_of
from training.errors import ResultRefused
from training.models import RunCheckpoint, RunFile, TrainingRun
from training.selectors.results import training_obstacle
from training.services.exports import exports_due
from training.services.licences import licence_proposed
from training.services.results import (
    checkpoint_choose,
    declaration_of,
    draft_try,
    result_draft,
    result_publish,
)
from training.states import RunState

pytestmark = pytest.mark.django_db


def done(step: int = 30, **given: object) -> TrainingRun:
    run = make_run(state=RunState.DONE, **given)  # type: ignore[arg-type]
    written(run, step)
    return run


def written(run: TrainingRun, step: int, layout: str = "kohya") -> RunFile:
    from registry.storage import store_bytes

    content = lora_bytes(seed=step)
    key = f"training/{run.public_id}/{step}-{layout}"
    store_bytes(content=content, key=key)
    RunCheckpoint.objects.get_or_create(run=run, step=step, defaults={"path": f"step-{step}"})
    return RunFile.objects.create(
        run=run, step=step, layout=layout, filename="leaves.safetensors", storage_key=key, sha256="0" * 64,
        size=len(content), max_difference=0.0,
    )  # fmt: skip


def publish(run: TrainingRun, version: Version, **declared: object) -> Version:
    given = {"rights_edition": latest_statement().edition, **declared}
    about = {"title": "Leaves", "visibility": "public"}
    return result_publish(run=run, version=version, actor=run.created_by, declared=given, about=about)


def test_a_draft_is_declared_by_the_runs_own_facts_and_nobody_elses_to_see() -> None:
    run = done()
    version = result_draft(run=run, actor=run.created_by, step=30)
    assert (version.state, version.trigger_words, version.licence_id) == ("draft", ["sks"], "apache-2.0")
    assert "Own work of ada" in version.training_sources
    assert version.rights_affirmed_at is None
    assert version.adapter.visibility == "private"
    assert result_draft(run=run, actor=run.created_by, step=30) == version  # asked twice, made once


def test_its_owner_sends_it_on_and_it_is_decided_about_like_any_upload() -> None:
    run = done()
    version = result_draft(run=run, actor=run.created_by, step=30)
    publish(run, version)
    version.refresh_from_db()
    assert version.state == VersionState.SCANNING
    assert version.rights_affirmed_at is not None
    inspect_and_screen(version_id=version.pk)
    version.refresh_from_db()
    assert version.state == VersionState.PUBLISHED, version.state_detail
    paths = set(RevisionEntry.objects.filter(revision=version.revision).values_list("path", flat=True))
    assert paths == {"README.md", "leaves.safetensors"}
    readme = version.revision.entries.get(path="README.md")  # type: ignore[union-attr]
    with default_storage.open(readme.blob.storage_key, "rb") as file:
        assert str(run.public_id) in file.read().decode()


def test_a_draft_is_not_sent_without_the_rights_statement() -> None:
    run = done()
    version = result_draft(run=run, actor=run.created_by, step=30)
    with pytest.raises(DeclarationIncomplete), transaction.atomic():
        publish(run, version, rights_edition="")
    with pytest.raises(DeclarationIncomplete), transaction.atomic():
        version_send(version=version, actor=run.created_by, declaration=replace(declaration(), base_model="sd-1-5"))


def test_what_is_no_draft_is_not_sent_again() -> None:
    version = make_version(actor=make_user("ada"))
    with pytest.raises(TransitionRefused), transaction.atomic():
        version_send(version=version, actor=version.created_by, declaration=declaration())


def test_another_checkpoint_takes_the_place_of_the_draft() -> None:
    run = done()
    first = result_draft(run=run, actor=run.created_by, step=30)
    written(run, 20)
    checkpoint_choose(run=run, actor=run.created_by, step=20)
    first.refresh_from_db()
    second = Version.objects.get(training_result__step=20)
    assert (first.state, second.state, second.number) == ("withdrawn", "draft", 2)


def test_a_checkpoint_that_is_not_written_yet_waits_for_a_worker() -> None:
    run = done()
    RunCheckpoint.objects.create(run=run, step=10, path="step-10")
    checkpoint_choose(run=run, actor=run.created_by, step=10)
    assert exports_due() == []  # its message has just been sent
    TrainingRun.objects.filter(pk=run.pk).update(chosen_at="2026-01-01T00:00:00Z")
    assert exports_due() == [run]


@pytest.mark.parametrize("state", [RunState.QUEUED, RunState.RUNNING, RunState.STOPPED])
def test_nothing_is_taken_from_a_run_that_is_not_over_or_was_stopped(state: RunState) -> None:
    run = make_run(state=state)
    written(run, 30)
    for act in (result_draft, checkpoint_choose):
        with pytest.raises(ResultRefused), transaction.atomic():
            act(run=run, actor=run.created_by, step=30)


def test_nothing_is_taken_when_a_right_has_ended() -> None:
    run = done()
    run.snapshot.dataset.blocks.create(code="optout-match", message="A new opt-out names it.")
    with pytest.raises(ResultRefused, match="right"), transaction.atomic():
        result_draft(run=run, actor=run.created_by, step=30)
    assert draft_try(run=run, step=30) is None
    assert run.events.filter(data__code="result-refused").exists()


def test_a_version_rests_on_the_consents_of_its_training() -> None:
    ada = make_user("ada")
    consent = make_consent(ada)
    run = done(owner=ada)
    TrainingRun.objects.filter(pk=run.pk).update(rights={**run.rights, "consent_ids": [str(consent.public_id)]})
    version = result_draft(run=run, actor=ada, step=30)
    assert ConsentLink.objects.get(version=version).consent == consent


@pytest.mark.parametrize("flags", [[], ["sell"]])
@pytest.mark.parametrize("more", [[], ["publication"], ["publication", "commercial-use"]])
def test_a_consent_to_train_alone_lets_nobody_publish_or_sell_what_was_trained(
    more: list[str], flags: list[str]
) -> None:
    ada = make_user("ada")
    consent = make_consent(ada, scopes=frozenset(ConsentScope(scope) for scope in ["training", *more]))
    run = done(owner=ada)
    TrainingRun.objects.filter(pk=run.pk).update(rights={**run.rights, "consent_ids": [str(consent.public_id)]})
    version = result_draft(run=run, actor=ada, step=30)
    version.commercial_use = flags
    found = training_obstacle(version, Use.PERSONAL)
    covered = "publication" in more and (not flags or "commercial-use" in more)
    assert (found.code if found else None) == (None if covered else "consent-scope")


@pytest.mark.parametrize(
    ("licence", "expected"),
    [("", "apache-2.0"), ("cc0-1.0", "apache-2.0"), ("cc-by-sa-4.0", {"cc-by-sa-4.0", "apache-2.0"})],
)
def test_the_licence_follows_from_base_and_pictures(licence: str, expected: object) -> None:
    manifest = {"origin": "licensed", "licence_id": licence, "source": "an archive"} if licence else {}
    found = licence_proposed(make_run(manifest=manifest))
    assert found == expected or found in expected  # type: ignore[operator]


def test_the_intended_use_ticks_the_flag_that_it_needs() -> None:
    run = make_run(intended_use=Use.SELLING_WEIGHTS.value)
    assert declaration_of(run).commercial_use == ("sell",)


def test_the_card_holds_facts_that_cannot_break_out_of_it() -> None:
    run = done(title="A title: | --- \n# not a heading")
    run.rights["training_sources"] = ["an | archive\nof two lines"]
    card = card_of(run, result_draft(run=run, actor=run.created_by, step=30))
    front, _, body = card.removeprefix("---\n").partition("\n---\n")
    assert 'license: "apache-2.0"' in front
    assert 'instance_prompt: "sks"' in front
    assert body.count("\n# ") == 1
    assert "an \\| archive of two lines" in body
    assert run.snapshot.digest in body
    assert "longer where its owner asked" in body  # the card outlives the wish, and is not written again
