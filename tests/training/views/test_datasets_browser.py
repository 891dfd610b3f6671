"""Datasets in a real browser: a folder that goes on where it stopped, captions in place by keyboard, narrow screens."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from playwright.sync_api import Page, Route, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from tests.factories.accounts import make_user
from tests.factories.datasets import make_dataset, make_ready, photo, screen
from training.models import DatasetJob
from training.services.import_running import import_run

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
WIDTHS = (1280, 390)


@pytest.fixture
def ada(settings: Any) -> User:
    settings.ALLOWED_HOSTS = ["*"]
    settings.LIKENESS_READER = "tests.factories.faces.OtherReader"
    return make_user("ada")


@pytest.fixture
def page(live_server: LiveServer, ada: User, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright runs a loop in this thread
    client = Client()
    client.force_login(ada)
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        context = browser.new_context(base_url=live_server.url, viewport={"width": 1280, "height": 900})
        context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}])
        opened = context.new_page()
        opened.set_default_timeout(20_000)
        problems: list[str] = []
        opened.on("pageerror", lambda error: problems.append(str(error)))
        yield opened
        opened.wait_for_load_state("networkidle")  # or a request of it would outlive the database
        browser.close()
        connection.close()  # inside the loop Django keeps a connection of its own, which would keep the database in use
    assert problems == []


def _look(page: Page, name: str) -> None:
    """Nothing sticks out at either width; a picture of the page is kept where somebody wants to look at it."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        if folder := os.environ.get("SCREENSHOTS"):
            page.screenshot(path=str(Path(folder) / f"datasets-{name}-{width}.png"), full_page=True)
    page.set_viewport_size({"width": WIDTHS[0], "height": 900})


def _folder(tmp_path: Path) -> Path:
    folder = tmp_path / "set"
    (folder / "10_sks wall").mkdir(parents=True)
    for number in range(1, 5):
        (folder / "10_sks wall" / f"{number}.png").write_bytes(photo(number))
        (folder / "10_sks wall" / f"{number}.txt").write_text(f"sks wall, view {number}")
    (folder / "notes.pdf").write_bytes(b"left out before it travels")
    return folder


def test_folder_goes_on_where_it_stopped_and_is_taken_in(page: Page, ada: User, tmp_path: Path) -> None:
    """The line breaks after some files have arrived; the same folder, chosen again, sends only what is missing."""
    dataset = make_dataset(ada, trigger="")
    folder, created, broken = _folder(tmp_path), [], {"after": 3}

    def breaks(route: Route) -> None:
        if len(created) >= broken["after"]:
            route.fulfill(status=400, content_type="application/problem+json", body=json.dumps({"detail": "It broke."}))
            return
        created.append(route.request.url)
        route.continue_()

    page.route("**/api/v1/uploads", breaks)
    page.goto("/datasets/ada/leaves")
    page.set_input_files("#dataset-folder", str(folder))
    expect(page.locator("#dataset-text")).to_have_text("8 files chosen")
    page.get_by_role("button", name="Upload").click()
    expect(page.locator("#dataset-progress")).to_contain_text("The upload stopped")
    assert not DatasetJob.objects.exists()
    broken["after"] = 100
    page.goto("/datasets/ada/leaves")
    page.set_input_files("#dataset-folder", str(folder))
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_text("8 files have arrived.")).to_be_visible()
    assert len(created) == 8, "each file was created once, over both attempts"
    import_run(job_id=str(DatasetJob.objects.get(kind="import").pk))
    assert {row.repeats for row in dataset.pictures.all()} == {10}
    assert dataset.pictures.get(path="10_sks wall/2.png").caption == "sks wall, view 2"
    screen(dataset)
    page.reload()
    expect(page.get_by_text("Ready to train on.")).to_be_visible()
    _look(page, "grid")


def test_caption_is_written_in_its_place_by_keyboard(page: Page, ada: User) -> None:
    dataset = make_ready(ada, pictures=3)
    page.goto("/datasets/ada/leaves")
    box = page.get_by_label("Caption of 02.png")
    box.focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("sks, typed words")
    page.keyboard.press("Tab")
    expect(page.locator(f"#picture-{dataset.pictures.get(path='02.png').public_id}")).to_contain_text("Saved.")
    assert dataset.pictures.get(path="02.png").caption == "sks, typed words"


def test_pictures_are_chosen_and_left_out(page: Page, ada: User) -> None:
    dataset = make_ready(ada, pictures=4)
    page.goto("/datasets/ada/leaves")
    page.get_by_label("All on this page").check()
    page.get_by_role("button", name="Apply to the chosen").click()
    expect(page.get_by_text("4 pictures left out.")).to_be_visible()
    assert dataset.pictures.filter(left_out=True).count() == 4


def test_every_page_fits_at_both_widths(page: Page, ada: User) -> None:
    dataset = make_ready(ada, pictures=5)
    for part in ("", "/report", "/captions", "/about", "/rights", "/delete"):
        page.goto(f"/datasets/ada/leaves{part}")
        _look(page, part.strip("/") or "pictures")
    for name, address in (("list", "/datasets"), ("new", "/datasets/new"), ("deletions", "/datasets/deletions")):
        page.goto(address)
        _look(page, name)
    page.goto(f"/datasets/pictures/{dataset.pictures.all()[0].public_id}")
    _look(page, "picture")
