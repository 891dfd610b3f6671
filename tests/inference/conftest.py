"""Versions with previews to render, for the tests of jobs and pages."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from pathlib import Path

import pytest

from accounts.models import User
from inference.models import PreviewJob
from inference.services.previews import preview_queue
from registry.models import Version
from tests.factories.accounts import make_user
from tests.factories.registry import make_version

STARTER = Path(__file__).resolve().parents[2] / "registry" / "starter" / "adapters"


@pytest.fixture
def ada(db: None) -> User:
    return make_user("ada")


@pytest.fixture
def version(ada: User) -> Version:
    """A published version of a small adapter, for which nothing is queued yet."""
    return make_version(
        actor=ada, declared={"trigger_words": (), "preview_prompts": ("a large red circle on a white background",)}
    )


@pytest.fixture
def job(version: Version) -> PreviewJob:
    """Its queued job."""
    queued = preview_queue(version=version)
    assert queued is not None
    return queued
