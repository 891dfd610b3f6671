"""`manage.py import_adapters`: facts from cards and sidecars, the same intake, once each, and a report."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from PIL import Image

from accounts.models import User
from registry.importing import running
from registry.models import Adapter, Lineage, SamplePicture, Upload, Version
from registry.models.imports import ImportedFile
from registry.services.versions import latest_statement
from tests.factories.accounts import make_user
from tests.factories.registry import catalogue
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db
CARD = """---
license: apache-2.0
base_model: tinybase
tags: [dots, "license:apache-2.0"]
instance_prompt: dotted
registry:
  training_sources: Drawn by the author.
  depicts_real_person: false
---
# Dots

Draws dots.
"""
Bring = Callable[..., dict[str, Any]]


@pytest.fixture
def ada() -> User:
    catalogue()
    return make_user("ada")


@pytest.fixture
def bring(ada: User, tmp_path: Path) -> Bring:
    """Run the command over the test's folder; its report."""

    def run(*, failing: bool = False, **options: Any) -> dict[str, Any]:
        place = tmp_path.parent / f"{tmp_path.name}.json"
        given = {"owner": "ada", "actor": "ada", "json": str(place), "stdout": io.StringIO(), **options}
        if failing:
            with pytest.raises(CommandError, match="were not brought in"):
                call_command("import_adapters", str(tmp_path), **given)
        else:
            call_command("import_adapters", str(tmp_path), **given)
        report: dict[str, Any] = json.loads(place.read_text())
        return report

    return run


def put(folder: Path, name: str, *, seed: int = 1, card: str = CARD, **beside: Any) -> Path:
    path = folder / f"{name}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(lora_bytes(seed=seed))
    if card:
        path.with_suffix(".md").write_text(card)
    for end, content in beside.items():
        path.with_suffix("." + end.replace("_", ".")).write_text(json.dumps(content))
    return path


def outcomes(report: dict[str, Any]) -> dict[str, str]:
    return {line["key"]: line["outcome"] for line in report["files"]}


def test_card_becomes_a_draft_until_somebody_affirms_the_rights(tmp_path: Path, bring: Bring) -> None:
    put(tmp_path, "dots")
    assert outcomes(bring()) == {"dots.safetensors": "draft"}
    version = Version.objects.get()
    assert (version.state, version.licence_id, version.trigger_words) == ("draft", "apache-2.0", ["dotted"])
    assert version.rights_statement is None
    adapter = Adapter.objects.get()
    assert (adapter.name, [tag.name for tag in adapter.tags.all()]) == ("dots", ["dots"])
    assert adapter.description.startswith("# Dots")


def test_affirmed_rights_send_it_to_the_checks(tmp_path: Path, bring: Bring) -> None:
    put(tmp_path, "dots")
    report = bring(affirm_rights=latest_statement().edition)
    assert report["counts"] == {"submitted": 1}
    assert Version.objects.get().state == "scanning"
    with pytest.raises(CommandError, match="statement in force"):
        bring(affirm_rights="1999-01")


def test_sidecars_and_picture_fill_what_no_card_says(tmp_path: Path, bring: Bring) -> None:
    info = {
        "baseModel": "SDXL 1.0",
        "trainedWords": ["dotted", "blue,"],
        "model": {"name": "Dots!", "nsfw": True, "poi": False, "description": "<p>Draws &amp; dots</p>", "tags": ["x"],
                  "allowNoCredit": False, "allowCommercialUse": "{Image,Rent}", "allowDerivatives": False},
    }  # fmt: skip
    manager = {"usage_tips": '{"strength": 0.7}', "base_model": "Pony"}
    path = put(tmp_path, "My Dots_v2", card="", civitai_info=info, metadata_json=manager)
    Image.new("RGB", (64, 64), "red").save(path.with_suffix(".preview.png"))
    bring(licence="cc-by-4.0", training_sources="Drawn by hand.")
    version = Version.objects.select_related("adapter", "base_model").get()
    assert (version.adapter.name, version.adapter.title) == ("my-dots-v2", "Dots!")
    assert (version.adapter.description, version.adapter.content_level) == ("Draws & dots", "mature")
    assert (version.base_model.slug, version.trigger_words, version.strength) == ("sdxl-1-0", ["dotted", "blue"], 0.7)
    assert (version.commercial_use, version.allow_derivatives, version.credit_required) == (
        ["image", "rent"], False, True,
    )  # fmt: skip
    assert SamplePicture.objects.count() == 1


def test_sidecar_of_another_file_is_left_out_and_said(tmp_path: Path, bring: Bring) -> None:
    info = {"trainedWords": ["wrong"], "files": [{"hashes": {"SHA256": "AB" * 32}}]}
    put(tmp_path, "dots", civitai_info=info)
    [line] = bring()["files"]
    assert "speaks of another file" in line["notes"][0]
    assert Version.objects.get().trigger_words == ["dotted"]


def test_nothing_is_guessed_and_the_report_says_what_is_missing(tmp_path: Path, bring: Bring) -> None:
    put(tmp_path, "bare", card="")
    put(tmp_path, "odd", seed=2, card=CARD.replace("apache-2.0", "my-own-licence"))
    put(tmp_path, "broken", seed=3, card="---\nlicense: [\n---\n")
    report = bring(failing=True)
    assert set(outcomes(report).values()) == {"incomplete"}
    bare, broken, odd = (line["reasons"] + line["notes"] for line in report["files"])
    assert [reason.split(":")[0] for reason in bare] == [
        "base_model", "license", "registry.training_sources", "registry.depicts_real_person",
    ]  # fmt: skip
    assert odd == ["license: name a licence of the catalogue"]
    assert "cannot be read" in broken[-1]
    assert not Version.objects.exists()
    assert not Upload.objects.exists()


def test_card_that_claims_what_its_base_forbids_is_refused_with_reasons(tmp_path: Path, bring: Bring) -> None:
    put(tmp_path, "claim", card=CARD.replace("tinybase", "sdxl-turbo").replace("apache-2.0", "mit"))
    [line] = bring(failing=True)["files"]
    assert line["outcome"] == "refused"
    assert line["reasons"]
    assert not Version.objects.exists()


def test_parents_come_first_and_are_linked(tmp_path: Path, bring: Bring) -> None:
    lineage = CARD.replace("registry:\n", "registry:\n  parents: [{adapter: ada/zebra, relation: merge}, other/dots]\n")
    put(tmp_path, "a-merge", card=lineage)
    put(tmp_path, "dots", seed=2)
    put(tmp_path, "zebra", seed=3)
    report = bring()
    assert [line["key"][:4] for line in report["files"]] == ["zebr", "dots", "a-me"]
    edges = Lineage.objects.values_list("child__adapter__name", "parent__adapter__name", "relation")
    assert sorted(edges) == [("a-merge", "dots", "merge"), ("a-merge", "zebra", "merge")]


def test_parent_that_is_not_here_keeps_the_child_out(tmp_path: Path, bring: Bring) -> None:
    put(tmp_path, "child", card=CARD.replace("registry:\n", "registry:\n  parents: [ada/nowhere]\n"))
    [line] = bring(failing=True)["files"]
    assert line["reasons"] == ["registry.parents: nowhere is not here under ada; bring it first"]


def test_repeated_it_brings_only_what_is_new_or_changed(tmp_path: Path, bring: Bring) -> None:
    put(tmp_path, "dots")
    bring()
    put(tmp_path, "stripes", seed=2)
    assert outcomes(bring()) == {"dots.safetensors": "already here", "stripes.safetensors": "draft"}
    put(tmp_path, "dots", seed=9)
    assert bring()["counts"] == {"draft": 1, "already here": 1}
    assert sorted(Version.objects.values_list("adapter__name", "number")) == [("dots", 1), ("dots", 2), ("stripes", 1)]


def test_cut_off_before_its_row_is_written_it_leaves_nothing_half(
    tmp_path: Path, bring: Bring, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "dots")
    put(tmp_path, "stripes", seed=2)
    real = running.audit_append

    def cut(**given: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "audit_append", cut)
    with pytest.raises(KeyboardInterrupt):
        bring()
    assert (Version.objects.count(), ImportedFile.objects.count()) == (0, 0)
    monkeypatch.setattr(running, "audit_append", real)
    assert bring()["counts"] == {"draft": 2}
    assert Version.objects.count() == 2


def test_same_names_in_several_folders_stay_apart(tmp_path: Path, bring: Bring) -> None:
    put(tmp_path, "one/style", seed=1)
    put(tmp_path, "two/style", seed=2)
    bring()
    assert sorted(Adapter.objects.values_list("name", flat=True)) == ["one-style", "two-style"]


def test_dry_run_changes_nothing(tmp_path: Path, bring: Bring) -> None:
    put(tmp_path, "dots")
    assert outcomes(bring(dry_run=True)) == {"dots.safetensors": "would be imported"}
    assert not Adapter.objects.exists()


def test_owner_of_somebody_else_is_refused(tmp_path: Path, bring: Bring) -> None:
    make_user("bob")
    put(tmp_path, "dots")
    [line] = bring(failing=True, owner="bob")["files"]
    assert line["outcome"] == "refused"
    assert not Version.objects.exists()


def test_link_that_leads_out_of_the_folder_is_not_followed(tmp_path: Path, bring: Bring) -> None:
    inside = tmp_path / "inside"
    outside = put(tmp_path.parent / f"{tmp_path.name}-out", "secret")
    inside.mkdir()
    (inside / "link.safetensors").symlink_to(outside)
    assert bring()["files"] == []
