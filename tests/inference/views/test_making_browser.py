"""Making in a real browser: two adapters, their decision, a draft; a conflict report; by keyboard, at both widths."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from django.db import connection
from django.test import Client
from playwright.sync_api import Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from inference.making import make
from inference.models import MakingJob
from tests.factories.accounts import make_user
from tests.factories.registry import inspect_and_screen
from tests.inference.made import starter

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
torch.set_num_threads(1)
WIDTHS = (1280, 390)


@pytest.fixture
def bea(settings: Any) -> User:
    settings.ALLOWED_HOSTS = ["*"]
    ada = make_user("ada")
    starter(ada, "striped")
    starter(ada, "outlined")
    return make_user("bea")


@pytest.fixture
def page(live_server: LiveServer, bea: User, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright runs a loop in this thread
    client = Client()
    client.force_login(bea)
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        context = browser.new_context(base_url=live_server.url, viewport={"width": 1280, "height": 900})
        context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}])
        opened = context.new_page()
        opened.set_default_timeout(30_000)
        problems: list[str] = []
        opened.on("pageerror", lambda error: problems.append(str(error)))
        yield opened
        opened.wait_for_load_state("networkidle")
        browser.close()
        connection.close()  # inside the loop Django keeps a connection of its own, which would keep the database in use
    assert problems == []


def _look(page: Page, name: str) -> None:
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        if folder := os.environ.get("SCREENSHOTS"):
            page.screenshot(path=str(Path(folder) / f"making-{name}-{width}.png"), full_page=True)
    page.set_viewport_size({"width": WIDTHS[0], "height": 900})


def _work() -> None:
    make(job_id=str(MakingJob.objects.latest("created_at").pk), worker="here")


def test_two_adapters_are_merged_published_and_downloaded_through_the_gate(page: Page) -> None:
    page.goto("/making/merge")
    page.get_by_label("Adapter 1").fill("ada/striped")
    page.get_by_label("Weight 1").fill("0.7")
    page.get_by_label("Adapter 2").fill("ada/outlined")
    page.get_by_label("Name in the address").fill("merged")
    page.get_by_role("button", name="See what applies").press("Enter")
    expect(page.get_by_text("Allowed: merging")).to_be_visible()
    expect(page.get_by_role("heading", name="The licence that follows")).to_be_visible()
    _look(page, "asked")
    page.get_by_role("button", name="I accept these terms").press("Enter")
    expect(page.get_by_text("Waits for a worker")).to_be_visible()
    _work()
    expect(page.get_by_text("bea/merged v1 is a draft.")).to_be_visible()
    _look(page, "draft")
    page.get_by_role("link", name="Publish it").click()
    page.get_by_label("I affirm the statement above.").check()
    _look(page, "publish")
    page.get_by_role("button", name="Send it to publication").click()
    page.wait_for_url("**/bea/merged/v/1")
    job = MakingJob.objects.get()
    assert job.version_id is not None
    inspect_and_screen(version_id=job.version_id)
    page.goto("/bea/merged/v/1/download")
    page.get_by_role("button", name="See what applies").click()
    page.get_by_role("button", name="I accept these terms").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="merged.safetensors").click()
    assert download.value.path().stat().st_size == job.size
    page.get_by_role("link", name="Other forms").click()
    page.get_by_label("Layout").select_option("diffusers")
    page.get_by_label("Rank").fill("4")
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_text("rank 4, diffusers layout")).to_be_visible()
    _work()
    expect(page.get_by_role("link", name="Download")).to_be_visible()
    _look(page, "forms")
    page.goto("/bea/merged/v/1/making")
    expect(page.get_by_role("heading", name="How it was made")).to_be_visible()
    _look(page, "made")


def test_conflict_report_leads_to_try_it_at_the_proposed_weights(page: Page) -> None:
    page.goto("/making/compare?with=ada/striped&with=ada/outlined")
    page.get_by_role("button", name="Compare").press("Enter")
    expect(page.get_by_text("Waits for a worker")).to_be_visible()
    _work()
    expect(page.get_by_role("heading", name="Proposed weights")).to_be_visible()
    expect(page.get_by_text("Tried in pictures")).to_be_visible()
    _look(page, "conflicts")
    address = page.get_by_role("link", name="Use these in Try it").get_attribute("href")
    assert address is not None
    assert "lora%3Aada%2Fstriped%3A1" in address
    for name in ("", "/extract", "/checkpoint"):
        page.goto(f"/making{name}")
        _look(page, name.strip("/") or "index")
