"""Making for real on the tiny base: merges, extractions, other forms, merged base models and conflict reports."""

import io
import json
import zipfile
from typing import Any

import pytest
import torch
from django.core.files.storage import default_storage
from safetensors.torch import load, save

from accounts.models import User
from governance.models import AuditEntry
from inference.engine import BaseSpec, load_base
from inference.engine.algebra.merging import Part, Recipe, merge_adapters
from inference.engine.algebra.truncation import Limit
from inference.engine.files import read_file
from inference.engine.weights import LoadedWeights
from inference.models import Making, MakingJob
from inference.states import JobState
from registry.models import Receipt, Version
from registry.services.uploads import upload_path
from registry.states import VersionState
from tests.factories.accounts import make_user
from tests.inference.conftest import STARTER
from tests.inference.made import plan_of, ran, started, starter

pytestmark = pytest.mark.django_db
torch.set_num_threads(1)


@pytest.fixture
def parts(ada: User) -> tuple[Version, Version]:
    return starter(ada, "striped", licence_id="creativeml-openrail-m", credit_required=True), starter(ada, "vintage")


@pytest.fixture
def bea(db: None) -> User:
    return make_user("bea")


def _content(version: Version) -> bytes:
    assert version.upload is not None
    return upload_path(version.upload.pk).read_bytes()


def _header(content: bytes) -> dict[str, Any]:
    length = int.from_bytes(content[:8], "little")
    found: dict[str, Any] = json.loads(content[8 : 8 + length])["__metadata__"]
    return found


def _weaker(name: str) -> bytes:
    """A starter a little weaker: nearly the same weights, and no copy of the file."""
    tensors = load((STARTER / f"{name}.safetensors").read_bytes())
    return save({key: tensor.float() * 0.999 for key, tensor in tensors.items()})


def test_merge_ends_in_a_draft_with_parents_licence_and_error(parts: tuple[Version, Version], bea: User) -> None:
    plan = plan_of(bea, (parts[0], 0.7), (parts[1], 0.5), options={"rank": 8})
    job = ran(started(bea, plan))
    assert (job.state, job.problem) == (JobState.DONE, {})
    version = job.version
    assert version is not None
    assert (version.state, str(version), version.created_by) == (VersionState.DRAFT, "bea/merged v1", bea)
    assert version.adapter.visibility == "private"
    edges = {(edge.parent_id, edge.relation, edge.weight) for edge in version.parents.all()}
    assert edges == {(parts[0].pk, "merge", 0.7), (parts[1].pk, "merge", 0.5)}
    assert version.licence_id == job.licence_id == "creativeml-openrail-m"
    assert version.credit_required
    assert set(version.trigger_words) == {"striped", "vintage"}
    assert 0 < job.report["error"] < 1
    assert {layer["rank"] for layer in job.report["layers"] if layer["kind"] == "lora"} <= set(range(1, 9))
    assert all(layer["block"] for layer in job.report["layers"])
    assert job.sha256 == __import__("hashlib").sha256(_content(version)).hexdigest()


def test_merged_file_is_what_the_engine_computes(parts: tuple[Version, Version], bea: User, settings: Any) -> None:
    plan = plan_of(bea, (parts[0], 0.7), (parts[1], -0.5), options={"rank": 6, "dtype": "float32"})
    version = ran(started(bea, plan)).version
    assert version is not None
    base = LoadedWeights(load_base(BaseSpec("tinybase", settings.BASE_MODEL_LOCATIONS["tinybase"])))
    files = [read_file(STARTER / f"{name}.safetensors") for name in ("striped", "vintage")]
    expected = merge_adapters([Part(files[0], 0.7), Part(files[1], -0.5)], base, Recipe("svd", Limit(6))).file.tensors
    found = load(_content(version))
    assert found.keys() == expected.keys()
    up = next(key for key in found if key.endswith("lora_up.weight"))
    down, stem = up.replace("lora_up", "lora_down"), 1e-5
    wanted = expected[up].flatten(1) @ expected[down].flatten(1)
    assert (found[up].flatten(1) @ found[down].flatten(1) - wanted).norm() <= stem * wanted.norm()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["concat", "linear", "ties", "dare", "dare-ties"])
def test_every_method_ends_in_a_draft(ada: User, bea: User, method: str) -> None:
    parts = starter(ada, "striped"), starter(ada, "outlined")
    options = {"method": method, "rank": 8, "seed": 3}
    job = ran(started(bea, plan_of(bea, (parts[0], 1.0), (parts[1], 0.5), options=options)))
    assert (job.state, job.problem) == (JobState.DONE, {})
    assert job.version is not None
    if method == "concat":
        assert job.report["error"] == pytest.approx(0, abs=1e-6)


def test_header_says_where_it_comes_from_and_names_no_private_part(ada: User, bea: User) -> None:
    public, secret = starter(ada, "striped"), starter(bea, "vintage", called="secret-work", visibility="private")
    version = ran(started(bea, plan_of(bea, (public, 1.0), (secret, 0.5)))).version
    assert version is not None
    header = _header(_content(version))
    lineage = json.loads(header["adapter_lineage"])
    assert lineage["operation"] == "merge"
    assert [parent["name"] for parent in lineage["parents"]] == ["ada/striped v1", "an adapter that is not public"]
    assert [bool(parent["sha256"]) for parent in lineage["parents"]] == [True, False]
    made = json.loads(header["made_by"])
    assert (made["base_model"], made["computed_licence"]) == ("tinybase", "apache-2.0")
    assert "secret" not in json.dumps(header)
    assert "secret" not in version.training_sources + version.notes
    assert secret.files.get().sha256 not in json.dumps(header)


def test_merging_takes_a_receipt_for_each_part(parts: tuple[Version, Version], bea: User) -> None:
    started(bea, plan_of(bea, (parts[0], 1.0), (parts[1], 1.0)))
    receipts = Receipt.objects.filter(acceptance__user=bea, acceptance__use="merging")
    assert {receipt.file.version_id for receipt in receipts} == {version.pk for version in parts}


def test_job_ends_when_a_right_has_ended_meanwhile(parts: tuple[Version, Version], bea: User) -> None:
    from registry.services.versions import version_withdraw

    job = started(bea, plan_of(bea, (parts[0], 1.0), (parts[1], 1.0)))
    version_withdraw(version=parts[1], actor=parts[1].created_by, reason="Mine again.")
    assert ran(job).state == JobState.FAILED
    assert "Mine again." in job.problem["why"]
    assert not Version.objects.filter(adapter__name="merged").exists()


@pytest.mark.parametrize("moment", ["merge_adapters", "write_form"])
def test_cancelled_job_makes_nothing(
    parts: tuple[Version, Version], bea: User, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    from inference import making_files
    from inference.services.making_jobs import making_cancel

    job = started(bea, plan_of(bea, (parts[0], 1.0), (parts[1], 1.0)))
    work = getattr(making_files, moment)

    def cancelled_meanwhile(*args: Any, **kwargs: Any) -> Any:
        making_cancel(job=MakingJob.objects.get(pk=job.pk), actor=bea)
        return work(*args, **kwargs)

    monkeypatch.setattr(making_files, moment, cancelled_meanwhile)
    assert ran(job).state == JobState.CANCELLED
    assert not Version.objects.filter(adapter__name="merged").exists()


def test_killed_worker_is_followed_by_another_and_makes_one_draft(
    parts: tuple[Version, Version], bea: User, settings: Any
) -> None:
    from datetime import timedelta

    from inference.services.making_jobs import making_lease, makings_due

    job = started(bea, plan_of(bea, (parts[0], 1.0), (parts[1], 1.0)))
    settings.JOB_LEASE = timedelta(seconds=-1)
    assert making_lease(job_id=str(job.pk), worker="dies") is not None
    settings.JOB_LEASE = timedelta(seconds=60)
    assert makings_due() == [str(job.pk)]
    assert ran(job, "second").state == JobState.DONE
    assert (job.attempts, job.worker) == (2, "second")
    assert ran(job, "third").attempts == 2
    assert Version.objects.filter(adapter__name="merged").count() == 1


def test_merged_checkpoint_is_a_zip_with_the_notices(parts: tuple[Version, Version], bea: User, settings: Any) -> None:
    job = ran(started(bea, plan_of(bea, (parts[0], 0.5), kind=Making.CHECKPOINT)))
    assert (job.state, job.problem) == (JobState.DONE, {})
    with default_storage.open(job.storage_key, "rb") as file, zipfile.ZipFile(io.BytesIO(file.read())) as archive:
        names = archive.namelist()
        assert "tinybase/model_index.json" in names
        assert "ada/striped" in archive.read("notices/01-NOTICE.txt").decode()
        weights = load(archive.read("tinybase/unet/diffusion_pytorch_model.safetensors"))
    before = load_base(BaseSpec("tinybase", settings.BASE_MODEL_LOCATIONS["tinybase"])).unet.state_dict()
    assert any(not torch.equal(weights[key].float(), before[key].float()) for key in weights)


def test_extraction_from_a_brought_checkpoint_gives_the_adapter_back(
    parts: tuple[Version, Version], bea: User, settings: Any
) -> None:
    """A checkpoint with an adapter merged in, as one file, and its difference to the base."""
    from inference.engine import applied
    from inference.engine.reading import interpret
    from inference.services.making_plans import Brought
    from tests.factories.registry import make_upload

    pipe = load_base(BaseSpec("tinybase", settings.BASE_MODEL_LOCATIONS["tinybase"]))
    with applied(pipe, interpret(read_file(STARTER / "outlined.safetensors")), 1.0):
        whole = {
            f"{part}.{key}": tensor.detach().clone().contiguous()
            for part in ("unet", "text_encoder")
            for key, tensor in getattr(pipe, part).state_dict().items()
            if tensor.is_floating_point()
        }
    upload = make_upload(actor=bea, content=save(whole), filename="tuned.safetensors")
    brought = Brought(upload, "apache-2.0", "My own training on drawn shapes.")
    plan = plan_of(
        bea, kind=Making.EXTRACT, brought=brought, adapter_name="extracted", options={"rank": 16, "dtype": "float32"}
    )
    job = ran(started(bea, plan))
    assert (job.state, job.problem) == (JobState.DONE, {})
    assert job.report["error"] < 1e-3, "the adapter has rank 16, so nothing is lost"
    assert job.version is not None
    assert job.version.training_sources == "My own training on drawn shapes."
    assert not upload_path(upload.pk).exists(), "a whole model is not kept"


@pytest.mark.slow
def test_conflict_report_sees_an_adapter_that_undoes_itself(ada: User, bea: User) -> None:
    striped = starter(ada, "striped")
    again = starter(bea, "striped", called="striped-again", content=_weaker("striped"))
    job = ran(started(bea, plan_of(bea, (striped, 1.0), (again, -1.0), kind=Making.COMPARE)))
    assert (job.state, job.problem) == (JobState.DONE, {})
    (pair,) = job.report["pairs"]
    assert (pair["manner"], pair["fights"]) == ("undoing", True)
    assert pair["cosine"] == pytest.approx(-1, abs=1e-3)
    assert all(block["overlap"] == pytest.approx(1, abs=1e-3) for block in pair["blocks"])
    assert job.report["proposed"] == [0.3, -0.3]
    assert job.report["tried"]
    assert {one["cover"] >= 0.9 for one in job.report["covers"]} == {True}, "it undoes all of its change"


def test_report_does_not_try_what_may_not_be_previewed(ada: User, bea: User, monkeypatch: pytest.MonkeyPatch) -> None:
    from registry import standing
    from registry.standing import Obstacle, ask_also

    rows = starter(ada, "striped"), starter(ada, "vintage")
    monkeypatch.setattr(standing, "_questions", dict(standing._questions))
    ask_also(
        "test",
        lambda version, use: Obstacle("no", "No pictures.", "Held.", "Wait.") if use.value == "preview" else None,
    )
    job = ran(started(bea, plan_of(bea, (rows[0], 1.0), (rows[1], 1.0), kind=Making.COMPARE)))
    assert job.state == JobState.DONE
    assert "No pictures." in job.report["not_tried"]
    assert "covers" not in job.report


def test_unexpected_error_ends_the_job_after_three_times_without_its_text(
    parts: tuple[Version, Version], bea: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    from inference import making_files

    def breaks(*_: Any, **__: Any) -> Any:
        raise RuntimeError("/srv/models: no")

    monkeypatch.setattr(making_files, "merge_adapters", breaks)
    job = started(bea, plan_of(bea, (parts[0], 1.0), (parts[1], 1.0)))
    for _ in range(3):
        with pytest.raises(RuntimeError):
            ran(job)
        job.refresh_from_db()
    assert job.state == JobState.FAILED
    assert "RuntimeError" in job.problem["why"]
    assert "/srv" not in json.dumps(job.problem)


def test_every_step_is_in_the_audit_log(parts: tuple[Version, Version], bea: User) -> None:
    ran(started(bea, plan_of(bea, (parts[0], 1.0), (parts[1], 1.0))))
    actions = set(AuditEntry.objects.values_list("action", flat=True))
    assert {"making.queued", "making.drafted", "gate.accepted", "decision.allow"} <= actions
