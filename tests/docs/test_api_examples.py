"""The examples of docs/api.md, run as they stand against a server."""

import json
import os
import re
import subprocess
import zipfile
from pathlib import Path

import pytest
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from governance.models import DecisionRecord
from governance.policy import ActorFacts
from governance.selectors import actor_facts
from registry.models import Version
from registry.states import VersionState
from tests.factories.accounts import make_token, make_user
from tests.factories.registry import inspect_and_screen, make_version, stored_file
from tests.safetensors_bytes import lora_bytes

PAGE = Path(__file__).resolve().parents[2] / "docs" / "api.md"


def _sections() -> dict[str, str]:
    """The shell blocks of the page by their headings."""
    parts = re.split(r"^## (.+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    named = zip(["", *parts[1::2]], parts[0::2], strict=True)
    return {name: "\n".join(re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)) for name, text in named}


class _Shell:
    def __init__(self, server: str, folder: Path, user: User) -> None:
        (folder / "mine.safetensors").write_bytes(lora_bytes(seed=77))
        self.folder = folder
        self.environment = {**os.environ, "TOKEN": make_token(user)[1], "FILE": "mine.safetensors"}
        self.start = _sections()[""].replace("http://127.0.0.1:8000", server)
        assert server in self.start

    def run(self, *sections: str) -> str:
        script = "\n".join([self.start, *(_sections()[name] for name in sections)])
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", script],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout


@pytest.fixture
def bob(transactional_db: None) -> User:
    make_version(actor=make_user("ada"), name="outlined")
    return make_user("bob")


@pytest.fixture
def shell(bob: User, live_server: LiveServer, tmp_path: Path) -> _Shell:
    return _Shell(live_server.url, tmp_path, bob)


def _answers(text: str) -> list[dict[str, object]]:
    """JSON documents that follow one another."""
    decoder, found, text = json.JSONDecoder(), [], text.strip()
    while text:
        answer, end = decoder.raw_decode(text)
        found.append(answer)
        text = text[end:].strip()
    return found


@pytest.mark.slow
def test_looking(shell: _Shell) -> None:
    listed, sold, told = _answers(shell.run("Looking"))
    assert [item["name"] for item in listed["items"]] == ["outlined"]  # type: ignore[union-attr, index]
    assert listed["next_cursor"] == ""
    assert sold["outcome"] == "deny"
    assert told["outcome"] == "allow"


@pytest.mark.slow
def test_following_what_is_new(shell: _Shell) -> None:
    told = shell.run("Following what is new")
    assert (told.count("<feed "), told.count("<rss "), told.count("outlined v1")) == (3, 1, 4)


@pytest.mark.slow
def test_taking_a_file_and_facts(shell: _Shell, bob: User) -> None:
    taken = shell.run("Taking a file through the gate")
    assert "Terms for ada/outlined v1" in taken
    assert "Whoever passes this file on" in taken
    published = Version.objects.get(adapter__name="outlined")
    assert (shell.folder / "outlined.safetensors").read_bytes() == stored_file(published).read_bytes()
    with zipfile.ZipFile(shell.folder / "outlined.sidecars.zip") as archive:
        assert "style.civitai.info" in archive.namelist()
    shell.run("Taking a file through the gate", "Facts")
    assert actor_facts(actor=bob) == ActorFacts(territory="JP", receives_payment=False)
    asked = DecisionRecord.objects.latest("pk").request
    assert asked["actor"] == {"territory": "JP", "receives_payment": True, "serves_end_users": True}


@pytest.mark.slow
def test_discussing(shell: _Shell) -> None:
    (talk,) = _answers(shell.run("Discussing"))
    assert (talk["number"], talk["status"]) == (1, "closed")
    comments = [(said["author"], said["text"]) for said in talk["comments"]]  # type: ignore[union-attr, index, attr-defined]
    assert comments == [("bob", "The outlines *fade* for me."), ("bob", "Settled: 0.6 and more does it.")]
    listed = json.loads((shell.folder / "talks.json").read_text())
    assert [row["title"] for row in listed["items"]] == ["Strength below 0.5"]


@pytest.mark.slow
def test_making_a_version(shell: _Shell) -> None:
    told = shell.run("Making a version")
    assert told.splitlines()[-1].endswith("}scanning")
    version = Version.objects.get(adapter__name="by-api")
    inspect_and_screen(version_id=version.pk)
    version.refresh_from_db()
    assert (version.state, version.state_detail) == (VersionState.PUBLISHED, {})
    assert stored_file(version).read_bytes() == lora_bytes(seed=77)
