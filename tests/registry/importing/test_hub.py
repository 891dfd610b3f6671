"""Importing from an endpoint of the Hub protocol by its own client: cards, files, lineage, the gate, and going on."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django.live_server_helper import LiveServer

from accounts.models import ApiToken, User
from governance.policy import Use
from registry.importing.items import Item
from registry.importing.running import Import
from registry.models import Version
from registry.services.standing_pass import pass_give
from tests.factories.accounts import make_token, make_user
from tests.factories.registry import make_version
from tests.safetensors_bytes import lora_bytes

pytestmark = [pytest.mark.service, pytest.mark.django_db(transaction=True)]
WORDS = {"training_sources": "Drawn by rosa.", "depicts_real_person": "no"}


@pytest.fixture
def ben(monkeypatch: pytest.MonkeyPatch) -> User:
    """Who imports: with a token that passes the other registry's gate."""
    person = make_user("ben")
    token: ApiToken
    token, secret = make_token(person, scopes=["read", "download"])
    pass_give(actor=person, token=token, use=Use.PERSONAL)
    monkeypatch.setenv("HF_TOKEN", secret)
    return person


@pytest.fixture
def endpoint(live_server: LiveServer) -> str:
    """Two adapters of rosa."""
    rosa = make_user("rosa")
    for number, name in enumerate(("dots", "stripes")):
        make_version(
            actor=rosa, name=name, content=lora_bytes(seed=number), description=f"Draws {name}.", tags=[name],
            filename=f"{name}.safetensors", declared={"trigger_words": (name,)},
        )  # fmt: skip
    return live_server.url


def bring(endpoint: str, place: Path, **options: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"owner": "ben", "actor": "ben", "json": str(place / "report.json"), **WORDS, **options}
    call_command("import_adapters", endpoint, stdout=io.StringIO(), **given)
    report: dict[str, Any] = json.loads((place / "report.json").read_text())
    return report


def test_author_comes_over_with_cards_and_licences(endpoint: str, ben: User, tmp_path: Path) -> None:
    report = bring(endpoint, tmp_path, author="rosa")
    assert report["counts"] == {"draft": 2}
    versions = Version.objects.filter(adapter__owner__user=ben).select_related("adapter", "base_model", "upload")
    for version in versions:
        name = version.adapter.name
        assert (version.licence_id, version.base_model.slug) == ("apache-2.0", "tinybase")
        assert version.trigger_words == [name]
        assert f"Draws {name}." in version.adapter.description
        assert version.upload is not None
        assert version.upload.filename == f"{name}.safetensors"
    assert bring(endpoint, tmp_path, author="rosa")["counts"] == {"already here": 2}


def test_cut_off_it_goes_on_behind_what_is_here(
    endpoint: str, ben: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, asked = Import.bring, []

    def once(self: Import, item: Item) -> Any:
        asked.append(item.key)
        if len(asked) > 1:
            raise KeyboardInterrupt
        return real(self, item)

    monkeypatch.setattr(Import, "bring", once)
    with pytest.raises(KeyboardInterrupt):
        bring(endpoint, tmp_path, author="rosa")
    assert Version.objects.filter(adapter__owner__user=ben).count() == 1
    monkeypatch.setattr(Import, "bring", real)
    assert bring(endpoint, tmp_path, author="rosa")["counts"] == {"already here": 1, "draft": 1}


def test_what_the_gate_refuses_is_in_the_report(
    endpoint: str, ben: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", make_token(make_user("cleo"), scopes=["read", "download"])[1])
    with pytest.raises(CommandError, match="were not brought in"):
        bring(endpoint, tmp_path, repo=["rosa/dots"])
    [line] = json.loads((tmp_path / "report.json").read_text())["files"]
    assert line["outcome"] == "unreadable"
    assert "gated" in line["reasons"][0].lower() or "403" in line["reasons"][0]
    assert not Version.objects.filter(adapter__owner__user=ben).exists()


def test_one_repository_that_cannot_be_read_keeps_no_other_away_and_stands_in_the_report(
    endpoint: str, ben: User, tmp_path: Path
) -> None:
    with pytest.raises(CommandError, match="1 of 3 files were not brought in"):
        bring(endpoint, tmp_path, repo=["rosa/dots", "rosa/nothing", "rosa/stripes"])
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["counts"] == {"draft": 2, "unreadable": 1}
    [line] = [line for line in report["files"] if line["outcome"] == "unreadable"]
    assert line["key"] == "rosa/nothing"
    assert "rosa/nothing could not be read" in line["reasons"][0]


def test_repository_or_endpoint_that_is_not_there_is_said(endpoint: str, ben: User, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="rosa/nothing could not be read"):
        bring(endpoint, tmp_path, repo=["rosa/nothing"])
    with pytest.raises(CommandError, match="could not be read"):
        bring("http://127.0.0.1:9", tmp_path, author="rosa")
    with pytest.raises(CommandError, match="--author"):
        bring(endpoint, tmp_path)
