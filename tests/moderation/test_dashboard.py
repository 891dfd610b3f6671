"""The dashboard in a real browser: the keys, pictures one look at a time, and narrow screens."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from django.test import Client
from playwright.sync_api import Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from governance.models import AuditEntry
from moderation.models import Case, CaseKind, Macro, Recall
from moderation.recall_texts import recall_text
from moderation.services.enrolment import picture_read
from moderation.services.evidence import Upload, evidence_add
from registry.models import Version, VersionImage
from tests.factories.accounts import make_user
from tests.factories.consents import make_receipt
from tests.factories.faces import OtherReader
from tests.factories.likeness import make_identity, make_waiting
from tests.factories.moderation import decide, make_case, make_report
from tests.factories.registry import make_version
from tests.moderation.test_blocks import as_bytes, drawing
from tests.safetensors_bytes import lora_bytes

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
HELD = {"depicts_real_person": True}


@pytest.fixture
def mo(settings: Any) -> User:
    settings.ALLOWED_HOSTS = ["*"]
    return make_user("mo", is_moderator=True)


@pytest.fixture
def held() -> Case:
    version = make_version(actor=make_user("ada"), declared=HELD)
    content = as_bytes(drawing(1))
    VersionImage.objects.create(
        version=version, row=0, column=0, prompt="a portrait", seed=1, steps=1, guidance=1, strength=1,
        base_model="tinybase", width=256, height=256, sha256=hashlib.sha256(content).hexdigest(),
        storage_key=default_storage.save("images/portrait.png", ContentFile(content)),
    )  # fmt: skip
    return make_case(version, details={"checks": ["likeness"], "codes": ["likeness-match"]}, summary="A face is near.")


@pytest.fixture
def page(live_server: LiveServer, mo: User, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright runs a loop in this thread
    client = Client()
    client.force_login(mo)
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        context = browser.new_context(base_url=live_server.url, viewport={"width": 1280, "height": 900})
        context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}])
        opened = context.new_page()
        opened.set_default_timeout(20_000)
        problems: list[str] = []
        opened.on("pageerror", lambda error: problems.append(str(error)))
        opened.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
        yield opened
        opened.wait_for_load_state("networkidle")  # or a request of it would outlive the database
        browser.close()
        connection.close()  # inside the loop Django keeps a connection of its own, which would keep the database in use
    assert problems == []


def _shot(page: Page, name: str) -> None:
    """Keep a picture of the page where somebody wants to look at it."""
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)


def _overflow(page: Page) -> list[str]:
    width = page.viewport_size["width"] if page.viewport_size else 0
    return list(
        page.evaluate(
            """(width) => document.documentElement.scrollWidth <= width ? [] : [...document.querySelectorAll('body *')]
               .filter((e) => e.getBoundingClientRect().right > width + 1)
               .map((e) => `${e.tagName}.${e.className} ${Math.round(e.getBoundingClientRect().right)}`).slice(0, 8)""",
            width,
        )
    )


def test_queue_is_walked_by_keys(page: Page, held: Case) -> None:
    report, _ = make_report(held.version, CaseKind.INTIMATE)
    page.goto("/moderation")
    _shot(page, "queue")
    page.keyboard.press("j")
    first = page.locator("[data-case]").first
    expect(first).to_be_focused()
    page.keyboard.press("j")
    expect(page.locator("[data-case]").nth(1)).to_be_focused()
    page.keyboard.press("j")  # the last one stays
    expect(page.locator("[data-case]").nth(1)).to_be_focused()
    page.keyboard.press("k")
    expect(first).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{report.case.get_absolute_url()}")
    page.keyboard.press("u")
    page.wait_for_url("**/moderation")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    _shot(page, "keys")
    page.keyboard.press("j")  # nothing moves behind the list
    expect(page.locator("[data-case]:focus")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).to_be_hidden()


def test_queue_is_filtered_without_reloading(page: Page, held: Case) -> None:
    make_case(held.version, kind=CaseKind.SPAM)
    page.goto("/moderation")
    page.evaluate("window.stillTheSamePage = true")
    page.locator("[name=kind]").select_option("spam")
    expect(page.locator("[data-case]")).to_have_count(1)
    page.wait_for_url("**kind=spam*")
    assert page.evaluate("window.stillTheSamePage")
    page.locator("[name=kind]").focus()
    page.keyboard.press("j")  # a list that is chosen from takes its own keys
    assert page.evaluate("document.activeElement.name") == "kind"


def test_keys_choose_and_never_send(page: Page, held: Case) -> None:
    page.goto(held.get_absolute_url())
    _shot(page, "case")
    for key, verdict in (("r", "refuse"), ("a", "approve")):
        page.keyboard.press(key)
        expect(page.locator(f"[name=verdict][value={verdict}]")).to_be_checked()
        expect(page.locator("[name=public_reasoning]")).to_be_focused()
        page.keyboard.type("raej?cu")  # while somebody types, keys are letters
        expect(page.locator("[name=public_reasoning]")).to_have_value("raej?cu")
        page.locator("[name=public_reasoning]").fill("")
        page.locator("h1").click()
        page.evaluate("document.activeElement.blur()")
    page.keyboard.press("e")
    expect(page.locator("#escalate textarea")).to_be_focused()
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("c")
    expect(page.get_by_text("works on it until")).to_be_visible()
    assert Case.objects.get().is_open
    page.keyboard.press("r")
    page.keyboard.type("No consent of the person is on file.")
    page.get_by_role("button", name="Put the decision on record").click()
    page.wait_for_url("**/moderation")
    assert Version.objects.get().state == "refused"


def test_picture_is_shown_by_its_own_key_and_each_look_is_on_record(page: Page, held: Case) -> None:
    evidence_add(case=held, upload=Upload("me.png", as_bytes(drawing(2))), actor=None)
    page.goto(held.get_absolute_url())
    pictures = page.locator("[data-reveal]")
    expect(pictures).to_have_count(2)
    for number in (0, 1):
        assert "/blurred/" in pictures.nth(number).locator("img").get_attribute("src")
    pictures.first.scroll_into_view_if_needed()
    pictures.first.focus()
    with page.expect_response("**/files/image:*?look=*"):
        page.keyboard.press("Space")
    expect(pictures.first).to_have_attribute("aria-pressed", "true")
    expect(pictures.nth(1)).to_have_attribute("aria-pressed", "false")
    _shot(page, "revealed")
    page.keyboard.press("Space")
    expect(pictures.first).to_have_attribute("aria-pressed", "false")
    with page.expect_response("**/files/image:*?look=*"):
        pictures.first.click()
    assert AuditEntry.objects.filter(action="case.viewed").count() == 2


def test_prepared_text_fills_the_form(page: Page, held: Case) -> None:
    Macro.objects.create(title="No consent", verdict="refuse", public_reasoning="Terms 4.1.", private_notes="Usual.")
    page.goto(held.get_absolute_url())
    page.locator("#macro-choice").select_option(label="No consent")
    expect(page.locator("[name=public_reasoning]")).to_have_value("Terms 4.1.")
    expect(page.locator("[name=private_notes]")).to_have_value("Usual.")
    expect(page.locator("[name=verdict][value=refuse]")).to_be_checked()


def test_pages_fit_a_narrow_screen(page: Page, held: Case, mo: User) -> None:
    published = make_version(actor=User.objects.get(username="ada"), name="online", content=lora_bytes(seed=5))
    report, token = make_report(published, CaseKind.RIGHTS, text="A long word: " + "x" * 200)
    case = decide(report.case, mo, "quarantine")
    statement = case.statements.get()
    page.set_viewport_size({"width": 390, "height": 844})
    paths = {
        "queue": "/moderation",
        "case": case.get_absolute_url(),
        "figures": "/moderation/figures",
        "macros": "/moderation/macros",
        "report": "/report?at=/ada/online",
        "notice": "/report/rights?at=/ada/online/v/1",
        "track": f"/reports/{token}",
        "statement": f"/cases/statements/{statement.public_id}",
        "transparency": "/transparency",
    }
    wide = {}
    for name, path in paths.items():
        assert page.goto(path).status in {200, 404}, name
        page.wait_for_load_state("networkidle")
        _shot(page, f"narrow-{name}")
        wide[name] = _overflow(page)
    assert {name: found for name, found in wide.items() if found} == {}
    page.set_viewport_size({"width": 1280, "height": 900})
    for name, path in paths.items():
        page.goto(path)
        page.wait_for_load_state("networkidle")
        _shot(page, f"wide-{name}")


def test_recall_is_asked_with_a_restriction_and_its_words_follow_the_decision(page: Page, mo: User) -> None:
    version = make_version(actor=make_user("ada"))
    make_receipt(version, make_user("bob"))
    case = make_case(version, kind=CaseKind.INTIMATE, summary="Somebody says that it is them.")
    page.goto(case.get_absolute_url())
    words, told = page.get_by_label("What those who downloaded it must do"), page.locator("#recall")
    expect(told).to_be_hidden()  # nothing that restricts is chosen
    page.locator("#decision input[name=verdict][value=take-down]").check()
    expect(told).to_be_visible()
    expect(words).to_be_hidden()
    page.locator("#decision input[name=recall][value=yes]").check()
    expect(words).to_have_value(recall_text(kind="intimate", removed=True))
    _shot(page, "recall-1280")
    page.set_viewport_size({"width": 390, "height": 844})
    assert _overflow(page) == []
    _shot(page, "recall-390")
    page.locator("#decision input[name=verdict][value=quarantine]").check()
    expect(words).to_have_value(recall_text(kind="intimate", removed=False))
    words.fill("Keep it apart.")
    page.locator("#decision input[name=verdict][value=take-down]").check()
    expect(words).to_have_value("Keep it apart.")  # what somebody wrote stays
    page.locator("#decision [name=public_reasoning]").fill("It shows a person who did not consent.")
    page.get_by_role("button", name="Put the decision on record").click()
    page.wait_for_url("**/moderation")
    assert Recall.objects.get().what_to_do == "Keep it apart."
    page.goto(case.get_absolute_url())
    expect(page.get_by_text("1 told, 0 confirmed")).to_be_visible()
    _shot(page, "recalled-390")


@pytest.mark.parametrize("width", [1280, 390])
def test_charts_label_their_axes_at_both_widths(page: Page, mo: User, width: int) -> None:
    version = make_version(actor=make_user("ada"))
    for kind in (CaseKind.SPAM, CaseKind.QUALITY, CaseKind.LICENCE):
        decide(make_case(version, kind=kind, details={"checks": ["near-duplicate-weights"]}), mo, "dismiss")
    make_case(version, kind=CaseKind.RIGHTS)
    page.set_viewport_size({"width": width, "height": 900})
    page.goto("/moderation/figures")
    for title in ("Cases a day", "Open cases", "Decided cases", "Share in which nothing was wrong"):
        label = page.get_by_text(title, exact=True)
        expect(label).to_be_visible()
        assert label.evaluate("element => parseFloat(getComputedStyle(element).fontSize)") >= 13  # it does not shrink
    assert _overflow(page) == []
    _shot(page, f"figures-{width}")


@pytest.mark.parametrize("width", [1280, 390])
def test_enrolment_without_a_template_says_what_to_do(page: Page, mo: User, width: int) -> None:
    identity = make_identity(mo, seed=None)
    picture_read(picture_id=make_waiting(identity).pk, reader=OtherReader())
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"/likeness/{identity.public_id}")
    expect(page.get_by_text("Not protected: there is no template.")).to_be_visible()
    page.get_by_role("link", name="send a photograph").click()
    expect(page.get_by_label("Photographs", exact=False).first).to_be_in_viewport()
    assert _overflow(page) == []
    _shot(page, f"unprotected-{width}")
