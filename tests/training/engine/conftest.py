"""Tiny bases on disk, made once for all tests of the trainer, and pictures to train on.

Torch and diffusers are loaded by the fixtures: most tests beside them need neither.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.factories.trainer import Trial
    from training.engine import Item


def _saved(name: str, folder: Path) -> Path:
    import torch

    from inference.engine import quiet
    from tests.inference.engine import pipelines

    torch.set_num_threads(1)
    quiet()
    getattr(pipelines, name)().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def sd1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _saved("tiny_sd", tmp_path_factory.mktemp("bases") / "sd1")


@pytest.fixture(scope="session")
def sdxl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _saved("tiny_sdxl", tmp_path_factory.mktemp("bases") / "sdxl")


@pytest.fixture(scope="session")
def flux1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _saved("tiny_flux", tmp_path_factory.mktemp("bases") / "flux1")


@pytest.fixture(scope="session")
def items(tmp_path_factory: pytest.TempPathFactory) -> tuple[Item, ...]:
    """Four pictures in three buckets."""
    from tests.factories.trainer import make_items

    return make_items(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="session")
def plain(sd1: Path, items: tuple[Item, ...], tmp_path_factory: pytest.TempPathFactory) -> Trial:
    """The plain recipe after its whole run, for comparing others with it; no test changes anything of it."""
    from tests.factories.trainer import config, trial

    one = trial(sd1, tmp_path_factory.mktemp("plain"), config(), items)
    one.run()
    return one
