"""Discussions in a real browser: written by keyboard, edited and hidden in their place, on narrow screens too."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from playwright.sync_api import Browser, Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from registry.models import Adapter
from tests.factories.accounts import make_user
from tests.factories.discussions import make_discussion, say
from tests.factories.registry import make_version

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
WIDTHS = (1280, 390)
LONG = "averylongwordwithoutanyspace" * 8


@pytest.fixture
def adapter(settings: Any) -> Adapter:
    settings.ALLOWED_HOSTS = ["*"]
    return make_version(actor=make_user("ada")).adapter


@pytest.fixture
def browser(live_server: LiveServer, adapter: Adapter, monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright runs a loop in this thread
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield opened
        opened.close()
        connection.close()  # inside the loop Django keeps a connection of its own, which would keep the database in use


def _page(browser: Browser, live_server: LiveServer, person: User, *, scripts: bool = True) -> Page:
    client = Client()
    client.force_login(person)
    context = browser.new_context(
        base_url=live_server.url, viewport={"width": 1280, "height": 900}, java_script_enabled=scripts
    )
    context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}])
    page = context.new_page()
    page.set_default_timeout(20_000)
    return page


def _look(page: Page, name: str) -> None:
    """Nothing sticks out at either width; a picture of the page is kept where somebody wants to look at it."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        if folder := os.environ.get("SCREENSHOTS"):
            page.screenshot(path=str(Path(folder) / f"discussions-{name}-{width}.png"), full_page=True)
    page.set_viewport_size({"width": WIDTHS[0], "height": 900})


def test_discussion_by_keyboard_with_editing_in_its_place(
    browser: Browser, live_server: LiveServer, adapter: Adapter
) -> None:
    page = _page(browser, live_server, make_user("bob"))
    page.goto("/ada/style")
    page.get_by_role("link", name="Discussions").focus()
    page.keyboard.press("Enter")
    page.get_by_role("link", name="New discussion").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="New discussion")).to_be_visible()
    _look(page, "new")
    page.get_by_label("Title").focus()
    page.keyboard.type("Green circles")
    page.keyboard.press("Tab")
    page.keyboard.type(f"Can it? {LONG}")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Green circles")).to_be_visible()
    page.get_by_role("link", name="Edit comment 1").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#comment-1 textarea")).to_be_focused()
    _look(page, "edit")
    page.keyboard.press("Control+a")
    page.keyboard.type("Never mind.")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#comment-1")).to_contain_text("Never mind.")
    expect(page.locator("#comment-1")).to_be_focused()
    _look(page, "one")


def test_moderator_hides_and_brings_back_without_scripts_too(
    browser: Browser, live_server: LiveServer, adapter: Adapter
) -> None:
    bob, mo = make_user("bob"), make_user("mo", is_moderator=True)
    say(make_discussion(adapter, bob), bob, f"Buy my things. {LONG}")
    for scripts in (True, False):
        page = _page(browser, live_server, mo, scripts=scripts)
        page.goto("/ada/style/discussions/1")
        page.get_by_role("link", name="Hide comment 2").click()
        page.get_by_label("Reason").fill("Advertising.")
        page.get_by_role("button", name="Hide it").click()
        expect(page.locator("#comment-2 .notice")).to_contain_text("Advertising.")
        expect(page.get_by_text("Buy my things.")).to_be_hidden()
        page.get_by_text("What it says").click()
        expect(page.get_by_text("Buy my things.")).to_be_visible()
        if scripts:
            _look(page, "hidden")
        page.get_by_role("button", name="Bring back comment 2").click()
        expect(page.locator("#comment-2 .notice")).to_have_count(0)
        expect(page.get_by_text("Buy my things.")).to_be_visible()
