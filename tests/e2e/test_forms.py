"""Forms that work while one looks at them: "may I?" answers every tick, and the upload page before anything travels."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.clients import Person
from tests.e2e.sites import Site
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.browser
ANSWER = "#may-i-answer"


@pytest.fixture(scope="module")
def tess(site: Site) -> Person:
    """Somebody with two published adapters."""
    person = Person(site, "tess")
    for seed, name in enumerate(("tick-one", "tick-two"), 51):
        person.upload(name, lora_bytes(seed=seed), title=name.title())
    for name in ("tick-one", "tick-two"):
        assert person.inspected(name)["state"] == "published"
    return person


def _sign_in(page: Page, person: Person) -> None:
    cookies = [{"name": cookie.name, "value": cookie.value or "", "url": person.base} for cookie in person.cookies()]
    page.context.add_cookies(cookies)  # type: ignore[arg-type]


def _find(page: Page, text: str) -> None:
    page.get_by_label("Find adapters").fill(text)
    page.get_by_role("button", name="Find").click()


def test_two_quick_ticks_both_count(page: Page, tess: Person) -> None:
    page.goto("/may-i")
    _find(page, "tick")
    boxes = [page.get_by_role("checkbox", name=name) for name in ("Tick-One", "Tick-Two")]
    expect(boxes[1]).to_be_visible()
    page.get_by_label("Personal").check()
    page.evaluate("document.querySelectorAll('#may-i-list input').forEach((box) => box.click())")
    expect(page.locator(ANSWER)).to_contain_text("tess/tick-one v1")
    expect(page.locator(ANSWER)).to_contain_text("tess/tick-two v1")
    for box in boxes:
        expect(box).to_be_checked()
    assert page.url.count("adapter=") == 2


def test_tick_while_a_search_is_on_its_way_is_kept(page: Page, tess: Person) -> None:
    page.goto("/may-i")
    _find(page, "tick-one")
    expect(page.get_by_role("checkbox", name="Tick-Two")).to_have_count(0)
    held: list[Route] = []
    page.route("**/may-i?*q=tick-two*find=1*", lambda route: held.append(route) if not held else route.continue_())
    _find(page, "tick-two")
    expect(page.get_by_role("checkbox", name="Tick-One")).to_be_visible()
    page.get_by_role("checkbox", name="Tick-One").check()
    expect(page.locator(ANSWER)).to_contain_text("Now say what")
    held[0].continue_()
    expect(page.get_by_role("checkbox", name="Tick-Two")).to_be_visible()
    expect(page.get_by_role("checkbox", name="Tick-One")).to_be_checked()


def test_asking_with_nothing_chosen_says_what_to_choose(page: Page, tess: Person) -> None:
    page.goto("/may-i")
    page.get_by_role("button", name="Ask").click()
    expect(page.locator(ANSWER)).to_contain_text("Choose at least one adapter, and say what")
    page.get_by_label("Research").check()
    expect(page.locator(ANSWER)).to_have_text("Choose at least one adapter.")


@pytest.mark.parametrize(
    ("name", "says"),
    [("a.ckpt", "Opening a pickle can run"), ("a.zip", "Unpack it"), ("a.txt", "hold numbers"), ("a", "no ending")],
)
def test_wrong_ending_is_refused_before_it_travels(
    name: str, says: str, page: Page, tess: Person, tmp_path: Path
) -> None:
    _sign_in(page, tess)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if "/api/" in request.url else None)
    file = tmp_path / name
    file.write_bytes(lora_bytes())
    page.goto("/upload")
    page.locator("[name=file]").set_input_files(file)
    expect(page.locator("#upload-progress")).to_contain_text(says)
    expect(page.locator("#upload-progress")).to_contain_text("What to do:")
    page.get_by_role("button", name="Upload and inspect").click()
    assert page.url.endswith("/upload")
    assert sent == []
    right = tmp_path / "right.safetensors"
    right.write_bytes(lora_bytes())
    page.locator("[name=file]").set_input_files(right)
    expect(page.locator("#upload-text")).to_contain_text("has arrived")


def test_progress_stands_beside_the_button_too(page: Page, tess: Person, tmp_path: Path) -> None:
    _sign_in(page, tess)
    file = tmp_path / "beside.safetensors"
    file.write_bytes(lora_bytes())
    page.goto("/upload?owner=0&name=x")
    page.locator("[name=file]").set_input_files(file)
    expect(page.locator("#upload-beside")).to_have_text("beside.safetensors has arrived.")
    expect(page.get_by_role("button", name="Upload and inspect")).to_be_enabled()


def test_new_version_of_an_adapter_is_uploaded_from_its_page(page: Page, tess: Person, tmp_path: Path) -> None:
    _sign_in(page, tess)
    file = tmp_path / "second.safetensors"
    file.write_bytes(lora_bytes(seed=53))
    page.goto("/tess/tick-one")
    page.get_by_role("link", name="Upload a new version").click()
    page.locator("[name=file]").set_input_files(file)
    expect(page.locator("#upload-text")).to_contain_text("has arrived")
    page.get_by_role("group", name="Does it depict a real person?").get_by_label("No", exact=True).check()
    page.locator("[name=rights]").check()
    page.get_by_role("button", name="Upload and inspect").click()
    page.wait_for_url("**/tess/tick-one/v/2")
