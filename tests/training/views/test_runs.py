"""The pages of runs: what is proposed, who sees what, what each button does."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from registry.models import Version
from registry.states import VersionState
from registry.storage import store_bytes
from tests.factories.accounts import make_organisation, make_user
from tests.factories.datasets import make_ready
from tests.factories.registry import catalogue, make_version
from tests.factories.training import make_run
from training.engine.config import TrainConfig
from training.models import RunFile, RunResult, RunSample, TrainingRun
from training.states import RunState

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    catalogue()
    return make_user("ada")


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_a_dataset_base_and_purpose_propose_a_whole_recipe_that_can_be_prepared(ada: User) -> None:
    dataset = make_ready(ada, pictures=5)
    client, address = signed_in(ada), reverse("run_new")
    start = {"dataset": str(dataset.public_id), "base_model": "tinybase", "purpose": "style"}
    page = client.get(address, start)
    assert page.status_code == 200
    form = page.context["form"]
    filled = {name: field for name, field in _initial(form).items() if field is not None}
    assert filled["recipe.adapter.rank"]
    checked = client.post(reverse("run_check"), filled)
    assert checked.status_code == 200
    assert b"What it will take" in checked.content
    made = client.post(address, filled)
    assert made.status_code == 302, made.context["form"].errors
    run = TrainingRun.objects.get()
    assert run.state == RunState.DRAFT
    assert TrainConfig.from_json(run.recipe) == form.proposal.config
    assert run.reasons["adapter.rank"]
    shown = client.get(made["Location"])
    assert b"May it be trained?" in shown.content
    assert b"Start it" in shown.content


def _initial(form: object) -> dict[str, object]:
    """What a browser would send of the form as it is shown."""
    found: dict[str, object] = {}
    for field in form:  # type: ignore[attr-defined]
        value = field.value()
        choices = getattr(field.field, "choices", None)
        if value is None and choices:  # a browser sends the first one
            value = next(iter(choices))[0]
        if value is None or value is False or value in ("", [], ()):
            continue
        prepared = field.field.prepare_value(value) if hasattr(field.field, "prepare_value") else value
        found[field.html_name] = "on" if prepared is True else str(prepared)
    return found


def test_a_value_that_cannot_be_is_named_at_its_field(ada: User) -> None:
    dataset = make_ready(ada, pictures=5)
    client = signed_in(ada)
    start = {"dataset": str(dataset.public_id), "base_model": "tinybase", "purpose": "style"}
    filled = _initial(client.get(reverse("run_new"), start).context["form"])
    answer = client.post(reverse("run_new"), {**filled, "recipe.adapter.rank": "9000"})
    assert answer.status_code == 422
    assert "recipe.adapter.rank" in answer.context["form"].errors
    while_typing = client.post(reverse("run_check"), {**filled, "recipe.adapter.rank": "9000"})
    assert b"notice--error" in while_typing.content
    unreadable = client.post(reverse("run_check"), {**filled, "recipe.steps": "many"})
    assert b"cannot be read" in unreadable.content


@pytest.mark.parametrize("state", list(RunState))
def test_every_state_has_a_page(ada: User, state: RunState) -> None:
    run = make_run(owner=ada, state=state)
    client = signed_in(ada)
    assert client.get(reverse("run", args=[run.public_id])).status_code == 200
    for part in ("status", "curves", "samples", "checkpoints", "log"):
        assert client.get(reverse("run_part", args=[run.public_id, part])).status_code == 200
    assert client.get(reverse("run_part", args=[run.public_id, "nothing"])).status_code == 404
    assert client.get(reverse("run_compare", args=[run.public_id]), {"step": ["x", "9" * 30]}).status_code == 200
    assert client.get(reverse("training")).status_code == 200


def test_absent_and_strange_runs_give_the_same_answer(ada: User) -> None:
    run = make_run(owner=ada)
    stranger = signed_in(make_user("eve"))
    absent = "00000000-0000-4000-8000-000000000000"
    for name, args in (
        ("run", []),
        ("run_part", ["status"]),
        ("run_events", []),
        ("run_compare", []),
        ("run_publish", []),
    ):
        there = stranger.get(reverse(name, args=[run.public_id, *args]))
        nowhere = stranger.get(reverse(name, args=[absent, *args]))
        assert there.status_code == nowhere.status_code == 404, name


def test_members_read_and_only_its_maker_and_managers_steer(ada: User) -> None:
    member, reader = make_user("mem"), make_user("rea")
    studio = make_organisation(make_user("own"), "studio", {"member": member, "reader": reader})
    run = make_run(owner=ada, namespace=studio.namespace, state=RunState.QUEUED)
    pause = reverse("run_act", args=[run.public_id, "pause"])
    assert signed_in(member).get(reverse("run", args=[run.public_id])).status_code == 200
    assert signed_in(member).post(pause).status_code == 403
    assert signed_in(reader).post(pause).status_code == 404
    assert signed_in(User.objects.get(username="own")).post(pause).status_code == 302
    run.refresh_from_db()
    assert run.state == RunState.PAUSED


def test_buttons_are_refused_where_the_state_forbids_them(ada: User) -> None:
    run = make_run(owner=ada, state=RunState.DONE)
    answer = signed_in(ada).post(reverse("run_act", args=[run.public_id, "pause"]))
    assert answer.status_code == 409
    assert signed_in(ada).post(reverse("run_act", args=[run.public_id, "dance"])).status_code == 404


def test_a_moderator_sees_and_decides_what_was_left_to_a_person(ada: User) -> None:
    run = make_run(owner=ada, manifest={"depicts_real_person": True})
    moderator = signed_in(make_user("mo", is_moderator=True))
    assert run.title.encode() in moderator.get(reverse("training")).content
    empty = moderator.post(reverse("run_decide", args=[run.public_id]), {"verdict": "allow"})
    assert empty.status_code == 422
    asked = {"verdict": "allow", "public_reasoning": "It is her own face."}
    assert moderator.post(reverse("run_decide", args=[run.public_id]), asked).status_code == 302
    assert moderator.get(reverse("run", args=[run.public_id])).status_code == 404  # it waits for nobody any more
    assert b"It is her own face." in signed_in(ada).get(reverse("run", args=[run.public_id])).content


def test_samples_are_for_the_runs_own_people(ada: User) -> None:
    run = make_run(owner=ada)
    store_bytes(content=b"\x89PNG", key="training/x.png")
    sample = RunSample.objects.create(
        run=run, step=0, prompt="a", template="a", seed=1, with_trigger=False, storage_key="training/x.png",
        sha256="0" * 64, width=8, height=8,
    )  # fmt: skip
    address = reverse("run_sample", args=[sample.pk])
    answer = signed_in(ada).get(address)
    assert answer.status_code == 200
    assert b"".join(answer.streaming_content) == b"\x89PNG"
    assert signed_in(make_user("eve")).get(address).status_code == 404
    assert Client().get(address).status_code == 404


def test_samples_are_hidden_from_others_and_the_report_goes_with_the_version(ada: User) -> None:
    run = make_run(owner=ada, state=RunState.DONE)
    version = make_version(actor=ada)
    result_of(run, version)
    store_bytes(content=b"\x89PNG", key="training/y.png")
    sample = RunSample.objects.create(
        run=run, step=0, prompt="a", template="a", seed=1, with_trigger=False, storage_key="training/y.png",
        sha256="0" * 64, width=8, height=8,
    )  # fmt: skip
    picture = reverse("run_sample", args=[sample.pk])
    report = reverse("version_training", args=["ada", version.adapter.name, version.number])
    moderator = signed_in(make_user("mona", is_moderator=True))
    for stranger in (Client(), signed_in(make_user("eve"))):
        assert stranger.get(picture).status_code == 404, "nobody screened it: it may be near a private picture"
        shown = stranger.get(report)
        assert shown.status_code == 200
        assert str(sample.pk) not in shown.content.decode()
    for reader in (signed_in(ada), moderator):
        assert b"".join(reader.get(picture).streaming_content) == b"\x89PNG"
        assert str(sample.pk) in reader.get(report).content.decode()
    Version.objects.filter(pk=version.pk).update(state=VersionState.TAKEN_DOWN)
    assert [Client().get(address).status_code for address in (picture, report)] == [404, 404]


def test_written_files_are_for_nobody_while_a_right_has_ended(ada: User) -> None:
    run = make_run(owner=ada, state=RunState.DONE)
    store_bytes(content=b"weights", key="training/z.safetensors")
    result = result_of(run, make_version(actor=ada), storage_key="training/z.safetensors")
    address = reverse("run_file", args=[run.public_id, result.file_id])
    assert b"".join(signed_in(ada).get(address).streaming_content) == b"weights"
    block = run.snapshot.dataset.blocks.create(code="optout-match", message="A new opt-out names it.")
    assert signed_in(ada).get(address).status_code == 404
    block.delete()
    Version.objects.filter(pk=result.version_id).update(state=VersionState.QUARANTINED)
    assert signed_in(ada).get(address).status_code == 404


def result_of(run: TrainingRun, version: Version, *, storage_key: str = "k") -> RunResult:
    file = RunFile.objects.create(
        run=run, step=30, layout="kohya", filename="x", storage_key=storage_key, sha256="0" * 64, size=1,
        max_difference=0,
    )  # fmt: skip
    return RunResult.objects.create(run=run, version=version, file=file, step=30)


def test_page_stays_live_until_the_draft_is_there(ada: User) -> None:
    run = make_run(owner=ada, state=RunState.DONE)
    part = reverse("run_part", args=[run.public_id, "checkpoints"])
    assert "hx-trigger" in signed_in(ada).get(part).content.decode()
    result_of(run, make_version(actor=ada))
    assert "hx-trigger" not in signed_in(ada).get(part).content.decode()
    TrainingRun.objects.filter(pk=run.pk).update(chosen_step=20)
    assert "hx-trigger" in signed_in(ada).get(part).content.decode(), "another checkpoint is being written"
