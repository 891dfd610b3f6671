"""Running products for the end-to-end tests, and a headless Chromium."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.e2e.sites import Site, running_site

expect.set_options(timeout=30_000)  # a worker reads, screens and decides before a page has what is looked for


@pytest.fixture(scope="package")
def site() -> Iterator[Site]:
    """One running `bin/serve` for all; leases are short, so that what a killed worker held is soon free."""
    leases = {"JOB_LEASE_SECONDS": "3", "TRAINING_LEASE_SECONDS": "5"}
    with running_site("shared", "--no-demo", **leases, RATE_USER="100000/min") as running:
        yield running


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    assert executable, "install Chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser, site: Site) -> Iterator[Page]:
    context = browser.new_context(base_url=site.url, accept_downloads=True)
    context.set_default_timeout(30_000)
    opened = context.new_page()
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    yield opened
    context.close()
    assert problems == []
