"""What a `.gitignore` leaves out, compared with what git itself says."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.compat.hub.gitignore import MOST_LINES, GitIgnore, IgnoreRefused

CASES = [
    ("*.log", ["a.log", "b/a.log", "a.logs"], ["a.log", "b/a.log"]),
    ("/a.txt", ["a.txt", "b/a.txt"], ["a.txt"]),
    ("cache/", ["cache/a", "b/cache/c/d", "cache"], ["cache/a", "b/cache/c/d"]),
    ("a/b", ["a/b", "c/a/b", "a/b/c"], ["a/b", "a/b/c"]),
    ("**/b/c", ["b/c", "a/b/c", "a/x/b/c"], ["b/c", "a/b/c", "a/x/b/c"]),
    ("a/**/z", ["a/z", "a/b/z", "a/b/c/z", "z"], ["a/z", "a/b/z", "a/b/c/z"]),
    ("a/**", ["a/b", "a/b/c", "b/a/c"], ["a/b", "a/b/c"]),
    ("*.txt\n!keep.txt", ["a.txt", "keep.txt", "b/keep.txt"], ["a.txt"]),
    ("b/\n!b/keep.txt", ["b/keep.txt"], ["b/keep.txt"]),  # nothing comes out of a folder that is left out
    ("# no rule\n\\#a\n\\!b", ["# no rule", "#a", "!b"], ["#a", "!b"]),
    ("a \nb\\ \n\r\nc\r\n", ["a", "a ", "b ", "c"], ["a", "b ", "c"]),
    ("[a-c]?[!x]", ["b1y", "b1x", "d1y"], ["b1y"]),
    ("[]-]a\n[z-a]", ["]a", "-a", "z", "a"], ["]a", "-a", "z"]),
    ("[ab", ["[ab", "a"], []),
    ("f*o*r", ["for", "foor", "fxoxr", "fo/r"], ["for", "foor", "fxoxr"]),
    ("", ["a"], []),
]


def _git(folder: Path, rules: str, paths: list[str]) -> set[str]:
    """What git leaves out. No file has to be there."""
    if not (folder / ".git").exists():
        subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    (folder / ".gitignore").write_bytes(rules.encode())
    command = ["git", "-c", "core.ignoreCase=false", "-C", str(folder), "check-ignore", "--no-index", "-z", "--stdin"]
    done = subprocess.run(command, input="\0".join(paths).encode() + b"\0", capture_output=True, check=False)
    assert done.returncode in {0, 1}, done.stderr
    return set(filter(None, done.stdout.decode().split("\0")))


@pytest.mark.parametrize(("rules", "paths", "left_out"), CASES)
def test_left_out_is_what_git_leaves_out(tmp_path: Path, rules: str, paths: list[str], left_out: list[str]) -> None:
    ignore = GitIgnore(rules)
    assert [path for path in paths if ignore.leaves_out(path)] == left_out
    assert _git(tmp_path, rules, paths) == set(left_out)


NAMES = st.text(alphabet="abx.-", min_size=1, max_size=3).filter(lambda name: name not in {".", ".."})
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
PIECES = [
    "a",
    "b",
    "x",
    ".",
    "-",
    "*",
    "**",
    "?",
    "/",
    "[ab]",
    "[!a]",
    "[a-x]",
    "[]b]",
    "[",
    "]",
    "\\a",
    "\\*",
    " ",
    "!",
]
PATTERNS = st.lists(st.sampled_from(PIECES), min_size=1, max_size=7).map("".join)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ignored")


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(rules=st.lists(PATTERNS, min_size=1, max_size=4).map("\n".join), paths=st.lists(PATHS, min_size=1, max_size=12))
def test_any_rules_and_paths_are_decided_as_git_does(folder: Path, rules: str, paths: list[str]) -> None:
    ignore = GitIgnore(rules)
    assert {path for path in paths if ignore.leaves_out(path)} == _git(folder, rules, paths), rules


def test_many_stars_cost_no_time() -> None:
    ignore = GitIgnore("\n".join(["*a" * 200 + "b", "a*" * 200 + "b", "**/a" * 60 + "/b"] * 20))
    assert not ignore.leaves_out("a" * 480 + "c")
    assert not ignore.leaves_out("a/" * 240 + "c")


def test_too_many_rules_are_refused() -> None:
    with pytest.raises(IgnoreRefused):
        GitIgnore("a\n" * (MOST_LINES + 1))
