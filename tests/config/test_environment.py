"""Values from the environment: read as people write them, refused by name when they cannot be read."""

import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import environment as env

NAME = "REGISTRY_TEST_VALUE"


@pytest.mark.parametrize(
    ("written", "default", "read"),
    [
        ("1", False, True),
        ("true", False, True),
        ("YES", False, True),
        (" on ", False, True),
        ("0", True, False),
        ("False", True, False),
        ("no", True, False),
        ("off", True, False),
        ("", True, True),
        ("  ", False, False),
        (None, True, True),
    ],
)
def test_flag_reads_what_people_write(
    monkeypatch: pytest.MonkeyPatch, written: str | None, default: bool, read: bool
) -> None:
    monkeypatch.delenv(NAME, raising=False)
    if written is not None:
        monkeypatch.setenv(NAME, written)
    assert env.flag(NAME, default) is read


@pytest.mark.parametrize("written", ["2", "maybe", "tru"])
def test_unclear_flag_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    monkeypatch.setenv(NAME, written)
    with pytest.raises(ImproperlyConfigured, match=f"{NAME} is '{written}'"):
        env.flag(NAME, True)


def test_number_is_read_and_empty_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, " 12 ")
    assert env.number(NAME, 3) == 12
    monkeypatch.setenv(NAME, "")
    assert env.number(NAME, 3) == 3


@pytest.mark.parametrize("written", ["twelve", "1.5", "1 000"])
def test_unreadable_number_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    monkeypatch.setenv(NAME, written)
    with pytest.raises(ImproperlyConfigured, match=f"{NAME} is"):
        env.number(NAME, 3)


def test_words_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "one, two,, three ,")
    assert env.words(NAME) == ["one", "two", "three"]
    monkeypatch.delenv(NAME)
    assert env.words(NAME, "a,b") == ["a", "b"]
    assert env.words(NAME) == []


def test_data_dir_is_absolute_and_defaults_to_var(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "a" / ".." / "b"))
    assert env.data_dir() == tmp_path / "b"
    monkeypatch.setenv("DATA_DIR", "")
    assert env.data_dir() == env.PROJECT / "var"


def test_kept_secret_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "secret"
    made = env.kept_secret(path)
    assert len(made) >= 50
    assert env.kept_secret(path) == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert env.kept_secret(tmp_path / "other") != made


def test_kept_secret_of_the_first_process_counts(tmp_path: Path) -> None:
    """Eight at once, as the processes of a fresh installation start: all get one secret, and nothing else is left."""
    path = tmp_path / "secret"
    barrier = threading.Barrier(8)

    def ask(_: int) -> str:
        barrier.wait()
        return env.kept_secret(path)

    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(ask, range(8)))
    assert made == {path.read_text()}
    assert list(tmp_path.iterdir()) == [path]


def test_pairs_are_read_up_to_the_first_sign_of_equality(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, " one = https://example.org/?a=b , two=x,")
    assert env.pairs(NAME) == {"one": "https://example.org/?a=b", "two": "x"}
    monkeypatch.delenv(NAME)
    assert env.pairs(NAME) == {}


@pytest.mark.parametrize("written", ["one", "one=", "=x", "one=x,two"])
def test_what_is_no_pair_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    monkeypatch.setenv(NAME, written)
    with pytest.raises(ImproperlyConfigured, match=NAME):
        env.pairs(NAME)
