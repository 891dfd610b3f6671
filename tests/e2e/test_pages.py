"""Pages in a real browser: what changes by itself, what is refused, the keyboard alone, and narrow screens."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.e2e.clients import PASSWORD, Person
from tests.e2e.sites import Site, paused, until
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.browser
NARROW = {"width": 390, "height": 844}


def _sign_in(context: BrowserContext, person: Person) -> None:
    """Give the browser the person's session."""
    cookies = [{"name": cookie.name, "value": cookie.value or "", "url": person.base} for cookie in person.cookies()]
    context.add_cookies(cookies)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def paula(site: Site) -> Person:
    """A moderator with a published adapter, and one that waits for review."""
    person = Person(site, "paula")
    site.execute("UPDATE accounts_user SET is_moderator = true WHERE username = 'paula'")
    person.upload("wide", lora_bytes(seed=41), title="A very long title " * 6, tags=["a-tag-of-some-length"])
    person.upload("waits", lora_bytes(seed=42), base_model="sd-1-5", licence_id="creativeml-openrail-m")
    assert person.inspected("wide")["state"] == "published"
    assert person.inspected("waits")["state"] == "in-review"
    assert person.previewed("wide")["state"] == "done"
    return person


def test_pictures_appear_without_reloading(page: Page, site: Site) -> None:
    person = Person(site, "lena")
    with paused(site, "celery", "--queues gpu"):
        person.upload("live", lora_bytes(seed=43), preview_prompts=["a red circle", "a blue square"])
        until(lambda: person.job("live"), "the queued job")
        page.goto("/lena/live")
        page.evaluate("window.stillTheSamePage = true")
        expect(page.locator("#previews")).to_contain_text("Previews wait for a worker")
        expect(page.locator("#previews img")).to_have_count(0)

    expect(page.locator("#previews .strip")).to_have_count(3, timeout=90_000)
    # Two prompts without it and at three strengths, and two further seeds of the first, each without and with it.
    expect(page.locator("#previews img")).to_have_count(12, timeout=90_000)
    expect(page.locator("#previews [role=status]")).to_have_count(0, timeout=30_000)
    assert page.evaluate("window.stillTheSamePage")
    last = page.locator("#previews img").last
    last.scroll_into_view_if_needed()
    page.wait_for_function("[...document.querySelectorAll('#previews img')].every((i) => i.complete && i.naturalWidth)")


def test_refused_file_is_explained_on_its_page(page: Page, site: Site, tmp_path: Path) -> None:
    """A pickle under another name, sent through the form."""
    person = Person(site, "rex")
    _sign_in(page.context, person)
    file = tmp_path / "renamed.safetensors"
    file.write_bytes(b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00}\x94" + bytes(200) + b".")
    page.goto("/upload")
    page.locator("[name=file]").set_input_files(file)
    expect(page.locator("#upload-text")).to_contain_text("has arrived")
    page.locator("[name=base_model]").select_option("tinybase")
    page.locator("[name=title]").fill("Renamed")
    page.locator("[name=licence]").select_option("apache-2.0")
    page.locator("[name=training_sources]").fill("Drawn by the author.")
    page.get_by_role("group", name="Does it depict a real person?").get_by_label("No", exact=True).check()
    page.locator("[name=rights]").check()
    page.get_by_role("button", name="Upload and inspect").click()
    page.wait_for_url("**/rex/renamed/v/1")

    refusal = page.locator(".notice--error")
    expect(refusal).to_contain_text(re.compile("pickle", re.IGNORECASE), timeout=60_000)
    expect(refusal).to_contain_text("What to do:")
    expect(page.get_by_role("link", name="Download")).to_have_count(0)


def _tab_to(page: Page, wanted: str, limit: int = 40) -> None:
    """Press Tab until the focus is on what the selector names."""
    for _ in range(limit):
        page.keyboard.press("Tab")
        if page.evaluate("(wanted) => document.activeElement.matches(wanted)", wanted):
            return
    pytest.fail(f"the keyboard does not reach {wanted}")


def _focus_shows(page: Page) -> bool:
    return bool(
        page.evaluate(
            """() => {
                 const style = getComputedStyle(document.activeElement);
                 const outlined = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0;
                 return outlined || style.boxShadow !== 'none';
               }"""
        )
    )


def test_signing_in_and_out_works_by_keyboard_alone(page: Page, site: Site) -> None:
    Person(site, "kim")
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    expect(page.locator(".skip")).to_be_in_viewport()

    _tab_to(page, "a[href='/sign-in']")
    assert _focus_shows(page)
    page.keyboard.press("Enter")
    page.wait_for_url("**/sign-in*")
    if not page.evaluate("document.activeElement.matches('[name=login]')"):
        _tab_to(page, "[name=login]")
    assert _focus_shows(page)
    page.keyboard.type("kim")
    _tab_to(page, "[name=password]", limit=2)
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.locator(".menu__name")).to_have_text("kim")

    page.goto("/")
    _tab_to(page, ".menu summary")
    assert _focus_shows(page)
    page.keyboard.press("Enter")
    _tab_to(page, ".menu form button")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()


@pytest.fixture(scope="module")
def narrow(browser: Browser, site: Site, paula: Person) -> Iterator[Page]:
    """A phone in the hands of the moderator."""
    context = browser.new_context(base_url=site.url, viewport=NARROW, is_mobile=True, has_touch=True)  # type: ignore[arg-type]
    _sign_in(context, paula)
    page = context.new_page()
    page.set_default_timeout(30_000)
    yield page
    context.close()


def _overflow(page: Page) -> list[str]:
    """What reaches beyond the right edge, where the page can be scrolled sideways at all."""
    return list(
        page.evaluate(
            """() => document.documentElement.scrollWidth <= window.innerWidth && window.innerWidth === 390 ? [] :
               ['page ' + document.documentElement.scrollWidth + ' in ' + window.innerWidth,
                ...[...document.querySelectorAll('body *')]
                 .filter((e) => e.getBoundingClientRect().right > 391)
                 .map((e) => `${e.tagName}.${e.className} ${Math.round(e.getBoundingClientRect().right)}`)
                 .slice(0, 8)]"""
        )
    )


PAGES = [
    "/",
    "/?q=wide",
    "/?use=commercial-outputs",
    "/sign-in",
    "/sign-up",
    "/upload",
    "/may-i",
    "/licences",
    "/licences/flux-1-dev-nc-1.1.1",
    "/licences/openrail++",
    "/account",
    "/account/tokens",
    "/account/password",
    "/account/facts",
    "/orgs/new",
    "/paula/wide",
    "/paula/wide/v/1",
    "/paula/wide/v/1/download",
    "/paula/wide/v/1/withdraw",
    "/paula/wide/edit",
    "/paula/waits",
    "/moderation",
    "/problems/quota-exceeded",
    "/api/docs",
    "/nobody/nothing",
]


@pytest.mark.parametrize("path", PAGES)
def test_page_fits_a_narrow_screen(narrow: Page, path: str) -> None:
    narrow.goto(path, wait_until="networkidle")
    expect(narrow.locator("main")).to_be_visible()
    assert _overflow(narrow) == []


def test_review_decision_and_receipt_fit_a_narrow_screen(narrow: Page, site: Site) -> None:
    ((waiting,),) = site.rows("SELECT id FROM registry_version WHERE state = 'in-review' ORDER BY id DESC LIMIT 1")
    narrow.goto(f"/moderation/versions/{waiting}", wait_until="networkidle")
    assert _overflow(narrow) == []
    ((decision,),) = site.rows("SELECT public_id FROM governance_decisionrecord ORDER BY id DESC LIMIT 1")
    narrow.goto(f"/decisions/{decision}", wait_until="networkidle")
    assert _overflow(narrow) == []

    narrow.goto("/paula/wide/v/1/download")
    narrow.get_by_label("Personal").check()
    narrow.get_by_role("button", name="See what applies").click()
    expect(narrow.get_by_role("button", name="I accept these terms")).to_be_visible()
    assert _overflow(narrow) == []
    narrow.get_by_role("button", name="I accept these terms").click()
    expect(narrow.get_by_role("link", name="NOTICE.txt")).to_be_visible()
    assert _overflow(narrow) == []
