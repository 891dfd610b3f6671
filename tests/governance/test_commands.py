"""The commands as they are typed: no traceback where there is no database, no data, or no reader any more."""

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import connection

from governance.services import audit_append

PROJECT = Path(__file__).resolve().parents[2]
COMMANDS = ["audit_verify", "audit_export"]


def _run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "DATA_DIR")}
    environment["DJANGO_SETTINGS_MODULE"] = "config.settings.development"
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=PROJECT,
        env={**environment, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_command_without_a_database_says_so_in_one_line(command: str, tmp_path: Path) -> None:
    nobody = "postgres://nobody@127.0.0.1:1/registry?connect_timeout=2"
    for variables in ({"DATA_DIR": str(tmp_path)}, {"DATA_DIR": str(tmp_path), "DATABASE_URL": nobody}):
        done = _run(command, **variables)
        assert done.returncode == 1
        [line] = done.stderr.splitlines()
        assert "The database cannot be reached" in line
        assert "bin/serve" in line


@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.parametrize("command", COMMANDS)
def test_command_on_an_empty_database_says_so_in_one_line(command: str, tmp_path: Path) -> None:
    done = _run(command, DATA_DIR=str(tmp_path), DATABASE_URL=_address("postgres"))
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert "no tables of this program yet" in line


@pytest.mark.slow
def test_receipt_check_needs_neither_database_nor_data_folder(tmp_path: Path) -> None:
    file = tmp_path / "receipt.json"
    file.write_text(json.dumps({"adapter": "ada/rain", "version": 1, "recipient": "ada", "key_id": "ab" * 8}))
    done = _run("receipt_verify", str(file), DATA_DIR=str(tmp_path / "new"))
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert f"names the key {'ab' * 8}" in line
    assert not (tmp_path / "new" / "keys").exists()


def _address(name: str) -> str:
    given = settings.DATABASES["default"]
    password = f":{given['PASSWORD']}" if given["PASSWORD"] else ""
    host = given["HOST"] or given["OPTIONS"].get("host", "")
    return f"postgresql://{given['USER']}{password}@/{name}?host={quote(host, safe='')}&port={given['PORT'] or 5432}"


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_export_whose_reader_has_enough_ends_in_silence(tmp_path: Path) -> None:
    for number in range(400):  # more than a pipe holds
        audit_append(actor=None, action="act", subject=("t", str(number)), data={"text": "x" * 300})
    line = f'{sys.executable} manage.py audit_export | head -n 1; exit "${{PIPESTATUS[0]}}"'
    environment = {**os.environ, "DATABASE_URL": _address(connection.settings_dict["NAME"]), "DATA_DIR": str(tmp_path)}
    environment["DJANGO_SETTINGS_MODULE"] = "config.settings.development"
    done = subprocess.run(
        ["bash", "-c", line], cwd=PROJECT, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["sequence"] == 1
