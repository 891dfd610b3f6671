"""What stops `bin/serve` from starting is said in one clear line, and nothing is left running."""

import ast
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.sites import PROJECT, Site, free_port, launch, site_folder

pytestmark = pytest.mark.slow
LIMIT = 60  # seconds that a refusal may take


@pytest.fixture
def refused() -> Iterator[Site]:
    """A site that is meant not to start."""
    site = Site(site_folder("refused"), free_port())
    yield site
    assert site.processes() == {}
    shutil.rmtree(site.folder, ignore_errors=True)


def _refusal(environ: dict[str, str], port: int) -> str:
    """The line on stderr of a start that fails."""
    process = launch(environ, "--no-demo", "--port", str(port), output=subprocess.PIPE, errors=subprocess.PIPE)
    output, errors = (stream.decode() for stream in process.communicate(timeout=LIMIT))
    assert process.returncode == 1, output + errors
    assert "Traceback" not in output + errors
    assert re.fullmatch(r"error: [^\n]+\n", errors), errors
    return errors


def test_taken_port_is_named_with_another_to_take(refused: Site) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", refused.port))
        holder.listen()
        line = _refusal(refused.environ(), refused.port)
    assert f"port {refused.port} on 127.0.0.1 cannot be used (Address already in use)" in line
    assert f"bin/serve --port {refused.port + 1}" in line


@pytest.mark.parametrize("below", ["", "/deeper"])
def test_file_in_the_place_of_the_data_folder_is_named(refused: Site, tmp_path: Path, below: str) -> None:
    """A file is no folder for root either, whom permissions do not stop."""
    file = tmp_path / "file"
    file.touch()
    environ = {**refused.environ(), "DATA_DIR": f"{file}{below}"}
    line = _refusal(environ, refused.port)
    assert f"the data folder {file}{below} cannot be written" in line
    assert "set DATA_DIR" in line


def test_full_disk_is_named(refused: Site) -> None:
    """The first byte goes to the kernel's own full device."""
    refused.folder.mkdir(parents=True)
    (refused.folder / ".write-probe").symlink_to("/dev/full")
    line = _refusal(refused.environ(), refused.port)
    assert f"the disk that holds {refused.folder} is full" in line


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("registry.sqlite3", "DATABASE_URL is not the address of a PostgreSQL"),
        ("postgres://me:a-secret@127.0.0.1:1/registry", "Connection refused"),
        ("postgres://me:a-secret@127.0.0.1:no-port/registry", "no-port"),
        ("postgres://me:a-secret@nowhere.invalid/registry", "nowhere.invalid"),
    ],
)
def test_bad_database_url_is_named_without_its_password(refused: Site, url: str, said: str) -> None:
    line = _refusal({**refused.environ(), "DATABASE_URL": url}, refused.port)
    assert "DATABASE_URL" in line
    assert said in line
    assert "a-secret" not in line


def test_unreadable_setting_is_named(refused: Site) -> None:
    line = _refusal({**refused.environ(), "UPLOAD_MAX_BYTES": "lots"}, refused.port)
    assert line == "error: UPLOAD_MAX_BYTES is 'lots': write a whole number.\n"


@pytest.mark.parametrize("port", ["lots", "0", "65536"])
def test_impossible_port_is_refused(refused: Site, port: str) -> None:
    process = launch({**refused.environ(), "PORT": port}, output=subprocess.PIPE, errors=subprocess.PIPE)
    _, errors = process.communicate(timeout=LIMIT)
    assert process.returncode == 2
    assert f"'{port}' is no port" in errors.decode()


@pytest.mark.parametrize("program", ["serve", "test", "check"])
def test_old_python_is_told_which_one_is_needed(program: str) -> None:
    """The real program in an interpreter that says it is Python 3.10."""
    path = PROJECT / "bin" / program
    code = (
        "import runpy, sys; sys.version_info = (3, 10, 13, 'final', 0); sys.version = '3.10.13 (main)'; "
        f"sys.argv = [{str(path)!r}]; sys.path.insert(0, {str(path.parent)!r}); "
        f"runpy.run_path({str(path)!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=LIMIT, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert re.fullmatch(r"error: this needs Python 3\.11 or newer, and \S+ is 3\.10\.13\. [^\n]+\n", done.stderr)


@pytest.mark.parametrize("name", ["_bootstrap.py", "serve", "test", "check"])
def test_start_up_code_is_read_by_pythons_that_are_too_old(name: str) -> None:
    source = (PROJECT / "bin" / name).read_text()
    ast.parse(source, feature_version=(3, 6))
