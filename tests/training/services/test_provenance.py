"""The base that a run began with is the one that it goes on with."""

from pathlib import Path
from typing import Any

from registry.models import BaseModel
from training.models import TrainingRun
from training.services.provenance import base_digest_keep, folder_digest


def test_other_weights_under_the_same_name_are_told(tmp_path: Path, settings: Any) -> None:
    settings.BASE_MODEL_LOCATIONS = {"base": str(tmp_path)}
    (tmp_path / "unet.safetensors").write_bytes(b"first")
    run = TrainingRun(base_model=BaseModel(slug="base"), base_digest=folder_digest(tmp_path))
    assert base_digest_keep(run)
    (tmp_path / "unet.safetensors").write_bytes(b"other")
    assert not base_digest_keep(run)


def test_a_hub_id_has_no_files_to_compare(settings: Any) -> None:
    settings.BASE_MODEL_LOCATIONS = {"base": "owner/name"}
    assert base_digest_keep(TrainingRun(base_model=BaseModel(slug="base")))
