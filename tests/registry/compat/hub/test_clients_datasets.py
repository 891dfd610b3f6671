"""Unmodified clients keep a training set on a running site: made, filled by Xet and by LFS, changed, read, deleted."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.clients import Person
from tests.e2e.sites import Site, until
from tests.factories.datasets import photo
from tests.registry.compat.hub.conftest import HERE, VERSIONS, HubClient

pytestmark = [pytest.mark.service, pytest.mark.slow]
STEPS = HERE / "dataset_client.py"
NUMBERS = itertools.count(1)
CHECKED = (
    "SELECT count(*) FROM training_datasetpicture p JOIN training_dataset d ON d.id = p.dataset_id "
    "JOIN accounts_namespace n ON n.id = d.owner_id WHERE n.slug = %s AND p.state = 'ok'"
)


@pytest.fixture(params=list(VERSIONS))
def client(request: pytest.FixtureRequest, hub_clients: Callable[[str], HubClient]) -> HubClient:
    return hub_clients(request.param)


@pytest.fixture
def person(client: HubClient, hub_site: Site) -> Person:
    return Person(hub_site, f"keeper-{client.version}-{next(NUMBERS)}")


@pytest.fixture
def keeper(client: HubClient, hub_site: Site, person: Person, tmp_path: Path) -> HubClient:
    return client.signed_in(hub_site, tmp_path / "home", person.token)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Pictures with captions beside them and in kohya's folder, and what a set does not take."""
    folder = tmp_path / "files"
    for inner in ("10_sks dog", "other"):
        (folder / inner).mkdir(parents=True)
    (folder / "a.png").write_bytes(photo(1))
    (folder / "a.txt").write_text("a leaf")
    (folder / "b.png").write_bytes(photo(2))
    (folder / "10_sks dog" / "c.png").write_bytes(photo(3))
    (folder / "other" / "new.jpg").write_bytes(photo(4, form="JPEG"))
    (folder / "README.md").write_text("# A set\n")
    (folder / "other" / "notes.gif").write_bytes(b"GIF89a")
    return folder


def test_folder_is_sent_once_and_its_captions_change(keeper: HubClient, person: Person, files: Path) -> None:
    assert keeper.run(STEPS, "folder", f"{person.name}/leaves", str(files)) == {
        "made": True,
        "taken": 409,
        "same": True,
        "stale": 412,
        "files": ["10_sks dog/c.png", "README.md", "a.png", "b.png", "metadata.jsonl", "other/new.jpg"],
        "private": True,
    }


def test_pictures_are_replaced_renamed_deleted_and_read_back(keeper: HubClient, person: Person, files: Path) -> None:
    (files / "b.txt").write_text("a stone")
    found = keeper.run(STEPS, "change", f"{person.name}/leaves", str(files))
    assert found == {
        "captions": {"a.png": "a leaf", "x/moved.png": "a stone"},
        "pictures": ["a.png", "x/moved.png"],
        "whole": True,
        "exists": False,
    }


def test_refusals_say_why_and_leave_the_set_as_it_was(keeper: HubClient, person: Person, files: Path) -> None:
    found = keeper.run(STEPS, "refusals", f"{person.name}/leaves", str(files))
    assert {step: said[0] for step, said in found.items() if step != "left"} == {
        "damaged": 400,
        "public": 403,
        "moved": 501,
    }
    assert "damaged.png: It is damaged" in found["damaged"][1]
    assert found["left"] == ["README.md", "metadata.jsonl"]


def test_hf_upload_says_what_is_missing_and_its_pictures_stand_on_the_page(
    keeper: HubClient, person: Person, hub_site: Site, files: Path
) -> None:
    done = keeper.hf("upload", f"{person.name}/leaves", str(files), "--repo-type", "dataset")
    assert done.returncode == 0, done.stderr
    if keeper.version != "old":  # whose `hf upload` prints no warnings of the server
        assert f"/datasets/{person.name}/leaves/rights" in done.stderr
    page = person.ask("GET", f"/datasets/{person.name}/leaves")
    assert page.status == 200
    assert "c.png" in page.text
    until(lambda: hub_site.rows(CHECKED, person.name) == [(4,)], "all four pictures are checked")
