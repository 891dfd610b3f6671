"""A registered work in an upload: held with the match, refused, appealed, decided by another moderator, on record."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.sites import PROJECT, Site
from tests.e2e.test_newcomer import _sign_up
from tests.factories.optout import make_picture, picture_bytes
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.browser


@pytest.fixture
def works(tmp_path: Path) -> tuple[Path, Path]:
    """A work, and a cropped and recompressed copy of it."""
    picture = make_picture(41, (640, 480))
    work, copy = tmp_path / "Shore at dusk.png", tmp_path / "mine.jpg"
    work.write_bytes(picture_bytes(picture))
    copy.write_bytes(picture_bytes(picture.crop((64, 48, 576, 432)), "JPEG", quality=40))
    return work, copy


def _person(browser: Browser, site: Site, name: str, *, moderator: bool = False) -> Page:
    """Somebody in a browser of their own, signed in."""
    context = browser.new_context(base_url=site.url)
    context.set_default_timeout(30_000)
    page = context.new_page()
    _sign_up(page, name)
    if moderator:
        site.rows("UPDATE accounts_user SET is_moderator = true WHERE username = %s RETURNING id", name)
    return page


def _open_case(page: Page, label: str) -> None:
    page.goto("/moderation")
    page.get_by_role("link", name=label).first.click()
    page.get_by_role("button", name="Take it up").click()


def _decide(page: Page, verdict: str, reasoning: str) -> None:
    page.locator("[name=verdict]").locator(f"xpath=self::select | self::input[@value='{verdict}']").first.wait_for()
    choice = page.locator(f"input[name=verdict][value={verdict}]")
    if choice.count():
        choice.check()
    else:
        page.locator("select[name=verdict]").select_option(verdict)
    page.locator("[name=public_reasoning]").fill(reasoning)
    page.get_by_role("button", name="Put the decision on record").click()


def _manage(site: Site, *arguments: str) -> str:
    environment = {**site.environ(), "DATABASE_URL": site.database_url}
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=PROJECT, env=environment, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    return done.stdout


def test_registered_work_in_an_upload_goes_all_the_way(
    browser: Browser, site: Site, works: tuple[Path, Path], tmp_path: Path
) -> None:
    work, copy = works
    artist = _person(browser, site, "artemisia")
    artist.goto("/opt-out")
    artist.locator("[name=name]").fill("Artemisia")
    artist.locator("[name=pictures]").set_input_files(work)
    for box in artist.get_by_role("main").get_by_role("checkbox").all():
        box.check()
    artist.get_by_role("main").get_by_role("button", name="Register").click()
    artist.goto("/opt-out/mine")
    expect(artist.get_by_text("Shore at dusk")).to_be_visible()
    _until_worked_out(site)

    uploader = _person(browser, site, "upton")
    file = tmp_path / "shores.safetensors"
    file.write_bytes(lora_bytes(seed=411))
    uploader.goto("/upload")
    uploader.locator("[name=pictures]").set_input_files(copy)
    _fill_and_send(uploader, file)
    expect(uploader.get_by_text("held for a person to decide")).to_be_visible(timeout=120_000)
    expect(uploader.locator("#checks")).to_contain_text("Shore at dusk")

    first = _person(browser, site, "mona", moderator=True)
    _open_case(first, "upton/shores v1")
    expect(first.get_by_role("heading", name="Matches, side by side")).to_be_visible()
    _decide(first, "refuse", "It is made of works whose artist has opted out.")

    uploader.goto("/upton/shores/v/1")
    expect(uploader.get_by_text("A moderator refused the publication.")).to_be_visible()
    uploader.get_by_role("link", name="Appeal the decision").click()
    uploader.locator("[name=text]").fill("The picture was a mistake; the training pictures are my own drawings.")
    uploader.get_by_role("button", name="Send the appeal").click()

    second = _person(browser, site, "otto", moderator=True)
    _open_case(second, "upton/shores v1")
    _decide(second, "approve", "The training pictures were shown; the example is removed.")
    uploader.goto("/upton/shores/v/1")
    expect(uploader.get_by_role("link", name="Download").first).to_be_visible()

    assert "the chain is whole" in _manage(site, "audit_verify")
    exported = [json.loads(line) for line in _manage(site, "audit_export").splitlines()]
    deeds = {entry["action"] for entry in exported}
    assert {"version.in-review", "version.refused", "version.published"} <= deeds


def _until_worked_out(site: Site) -> None:
    from tests.e2e.sites import until

    until(lambda: site.rows("SELECT 1 FROM moderation_workfeatures"), "the work's features", 120)


def _fill_and_send(page: Page, file: Path) -> None:
    page.locator("[name=file]").set_input_files(file)
    expect(page.locator("#upload-text")).to_contain_text("has arrived")
    page.locator("[name=base_model]").select_option("tinybase")
    page.locator("[name=name]").fill("shores")
    page.locator("[name=licence]").select_option("apache-2.0")
    page.locator("[name=training_sources]").fill("Twelve pictures drawn by the author.")
    page.get_by_role("group", name="Does it depict a real person?").get_by_label("No", exact=True).check()
    page.locator("[name=rights]").check()
    page.get_by_role("button", name="Upload and inspect").click()
    page.wait_for_url("**/shores/v/1")
