"""A catalogue that cannot be trusted is refused whole, with the file and what to change."""

import shutil
from pathlib import Path

import pytest

from governance.policy import CatalogueError, load_ruleset
from tests.governance.policy.conftest import CATALOGUE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small catalogue that loads: two licences and the disputes that need no more."""
    for name in ("apache-2.0", "stability-community-2024-07"):
        shutil.copy(CATALOGUE / f"{name}.toml", tmp_path)
    return tmp_path


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


EDITS = [
    # file, what is replaced, by what, what the message says
    ("apache-2.0", 'name = "Apache License 2.0"', "", "'name' is missing"),
    ("apache-2.0", 'grant = "yes"', 'grant = "perhaps"', "perhaps"),
    ("apache-2.0", '"personal", "research",', '"personal", "personal",', "two claims for the use personal"),
    ("apache-2.0", '"personal", "research",', '"personal",', "no claim for research"),
    ("apache-2.0", '"personal", "research",', '"personal", "flying",', "flying"),
    ("apache-2.0", 'grant = "yes"\nclause = "§2"', 'grant = "yes"\nclause = ""', "cites no clause"),
    ("apache-2.0", 'grant = "yes"', 'grant = "conditional"', "conditional exactly when it names conditions"),
    ("apache-2.0", 'status = "text"', 'status = "hearsay"', "hearsay"),
    ("apache-2.0", 'kind = "licence-copy"', 'kind = "thank-you"', "thank-you"),
    ("apache-2.0", 'id = "apache-2.0"', 'id = "apache-2"', "name it apache-2.toml"),
    ("apache-2.0", 'rule = "own-terms"', 'rule = "same"\ncompatible_with = ["gpl"]', "compatible_with names gpl"),
    ("apache-2.0", 'id = "apache-2.0"', "id = ", "not valid TOML"),
    ("apache-2.0", '"apache2"', '"stability-ai-community"', "names both"),
    ("stability-community-2024-07", "limit = 1_000_000\n", "", "does not say its limit"),
    ("stability-community-2024-07", 'registrar = "stability-ai"\n', "", "does not say its limit"),
    ("stability-community-2024-07", 'conditions = ["revenue"]', 'conditions = ["income"]', "'income' is missing"),
]


@pytest.mark.parametrize(("name", "old", "new", "message"), EDITS)
def test_broken_file_is_refused(folder: Path, name: str, old: str, new: str, message: str) -> None:
    load_ruleset(folder)
    _edit(folder / f"{name}.toml", old, new)
    with pytest.raises(CatalogueError, match=message) as refused:
        load_ruleset(folder)
    assert name in str(refused.value) or "stability-ai-community" in str(refused.value)


def test_folder_without_licences_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="No licence was found"):
        load_ruleset(tmp_path)


def test_dispute_about_an_unknown_licence_is_refused(folder: Path) -> None:
    (folder / "disputes.toml").write_text(
        '[[models]]\nid = "m"\nname = "M"\ntext = "T."\n'
        '[[models.assertions]]\nlicence = "gpl"\nasserted_by = "x"\nstatus = "text"\ntext = "T."\n'
    )
    with pytest.raises(CatalogueError, match="m names gpl"):
        load_ruleset(folder)


def test_digest_follows_content_and_not_layout(folder: Path) -> None:
    before = load_ruleset(folder).digest
    path = folder / "apache-2.0.toml"
    path.write_text("# a remark\n" + path.read_text())
    assert load_ruleset(folder).digest == before
    _edit(path, "2004-01", "2004-02")
    assert load_ruleset(folder).digest != before


def test_ruleset_cannot_be_changed(folder: Path) -> None:
    rules = load_ruleset(folder)
    with pytest.raises(TypeError):
        rules.licences["mine"] = rules.licences["apache-2.0"]  # type: ignore[index]
    with pytest.raises(AttributeError):
        rules.licences["apache-2.0"].name = "Mine"  # type: ignore[misc]
