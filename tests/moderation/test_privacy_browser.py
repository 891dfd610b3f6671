"""One's own data in a real browser: a copy that appears while one waits, a deleted account, narrow screens."""

import io
import os
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from playwright.sync_api import Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from moderation.models import DataExport, Letter
from moderation.selectors.personal_data import USER_PARTS
from moderation.services.data_export import export_make
from moderation.services.post import letter_send
from tests.factories.accounts import PASSWORD, make_organisation, make_user
from tests.factories.consents import make_consent
from tests.factories.registry import make_version

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
WIDTHS = (1280, 390)


@pytest.fixture
def ada(settings: Any) -> User:
    settings.ALLOWED_HOSTS = ["*"]
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
            page.screenshot(path=str(Path(folder) / f"privacy-{name}-{width}.png"), full_page=True)
    page.set_viewport_size({"width": WIDTHS[0], "height": 900})


def test_copy_appears_while_one_waits_and_the_account_is_deleted(page: Page, ada: User) -> None:
    make_version(actor=ada)
    page.goto("/account")
    page.get_by_role("link", name="My data").click()
    page.get_by_role("button", name="Make a copy").click()
    expect(page.get_by_text(f"0 of {len(USER_PARTS)} parts")).to_be_visible()
    _look(page, "copy")
    export_make(export_id=DataExport.objects.get(user=ada).pk)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()  # the page has found it out by itself
    with zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes())) as zipped:
        assert "account.json" in zipped.namelist()
    page.get_by_role("link", name="Delete my account").click()
    _look(page, "delete")
    page.get_by_label("ada/style").check()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_label("Yes, delete my account").check()
    page.get_by_role("button", name="Delete my account").click()
    expect(page.get_by_role("heading", name="It is erased")).to_be_visible()
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()
    _look(page, "erased")


def test_only_owner_is_told_before_trying(page: Page, ada: User) -> None:
    make_organisation(ada)
    page.goto("/account/erase")
    expect(page.get_by_text("You are the only owner of Studio")).to_be_visible()
    _look(page, "owner")


def test_link_shows_what_is_kept_and_erases_it(page: Page, ada: User, live_server: LiveServer, settings: Any) -> None:
    settings.PUBLIC_URL = live_server.url
    make_consent(ada)
    page.context.clear_cookies()
    page.goto("/privacy")
    _look(page, "public")
    page.get_by_label("E-mail address").fill("sam@subjects.example")
    page.get_by_role("button", name="Mail me the link").click()
    expect(page.get_by_role("heading", name="Look into your mail")).to_be_visible()
    page.goto(_mailed_link())
    expect(page.get_by_text("Requests for your consent")).to_be_visible()
    _look(page, "address")
    page.get_by_role("link", name="Erase it").click()
    _look(page, "address-erase")
    page.get_by_label("Yes, erase it").check()
    page.get_by_role("button", name="Erase it").click()
    expect(page.get_by_role("heading", name="It is erased")).to_be_visible()


def _mailed_link() -> str:
    letter_send(Letter.objects.filter(key__startswith="privacy:").latest("pk").pk)
    return next(word for word in str(mail.outbox[-1].body).split() if "/privacy/open/" in word)
