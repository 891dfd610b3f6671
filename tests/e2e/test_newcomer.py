"""A newcomer's whole way in a real browser: sign up, upload, inspection, previews, refusal, acceptance, download."""

import hashlib
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.sites import Site
from tests.registry.artifacts.builders import adapter_file, peft
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.browser
PASSWORD = "a long enough passphrase 26"


def _sign_up(page: Page, name: str) -> None:
    page.goto("/sign-up")
    page.get_by_label("Username").fill(name)
    page.get_by_label("E-mail address").fill(f"{name}@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Sign up").click()
    expect(page.get_by_text(f"Welcome, {name}")).to_be_visible()


def _upload(page: Page, file: Path, *, name: str, base: str, licence: str) -> None:
    page.goto("/upload")
    page.locator("[name=file]").set_input_files(file)
    expect(page.locator("#upload-text")).to_contain_text("has arrived")
    page.locator("[name=base_model]").select_option(base)
    page.locator("[name=name]").fill(name)
    page.locator("[name=title]").fill(name.title())
    page.locator("[name=licence]").select_option(licence)
    page.locator("[name=training_sources]").fill("Twelve pictures drawn by the author.")
    page.get_by_role("group", name="Does it depict a real person?").get_by_label("No", exact=True).check()
    page.locator("[name=rights]").check()
    page.get_by_role("button", name="Upload and inspect").click()
    page.wait_for_url(f"**/{name}/v/1")


def test_newcomer_uploads_and_downloads(page: Page, site: Site, tmp_path: Path) -> None:
    file = tmp_path / "stripes.safetensors"
    file.write_bytes(lora_bytes(seed=7, metadata={"ss_network_dim": "4", "modelspec.trigger_phrase": "striped"}))
    _sign_up(page, "nora")
    _upload(page, file, name="stripes", base="tinybase", licence="apache-2.0")

    expect(page.get_by_role("heading", name="What is in the file")).to_be_visible()
    expect(page.get_by_text("lora in kohya layout")).to_be_visible()
    expect(page.locator("#previews img")).to_have_count(4, timeout=120_000)

    page.get_by_role("link", name="Download").click()
    page.get_by_label("Personal").check()
    page.get_by_role("button", name="See what applies").click()
    expect(page.get_by_text("Allowed: personal")).to_be_visible()
    page.get_by_role("button", name="I accept these terms").click()
    with page.expect_download() as started:
        page.locator("a[download], a.button--primary[href*='/files/']").first.click()
    downloaded = Path(started.value.path())
    assert hashlib.sha256(downloaded.read_bytes()).digest() == hashlib.sha256(file.read_bytes()).digest()
    expect(page.get_by_role("link", name="NOTICE.txt")).to_be_visible()


def test_noncommercial_base_refused_for_selling(page: Page, site: Site, tmp_path: Path) -> None:
    modules = [f"transformer.single_transformer_blocks.{n}.attn.to_q" for n in range(3)]
    shapes = {key: shape for module in modules for key, shape in peft(module, into=3072, out=3072).items()}
    file = adapter_file(tmp_path / "flux.safetensors", shapes)
    _sign_up(page, "felix")
    _upload(page, file, name="flux-style", base="flux-1-dev", licence="flux-1-dev-nc-1.1.1")
    expect(page.get_by_role("heading", name="What is in the file")).to_be_visible()

    page.get_by_role("link", name="Download").click()
    page.get_by_label("Sell the weights").check()
    page.get_by_role("button", name="See what applies").click()
    expect(page.locator(".decision--deny")).to_be_visible()
    expect(page.locator(".decision--deny .reason--deny").first).to_contain_text("flux")
    expect(page.get_by_role("button", name="I accept these terms")).to_have_count(0)
