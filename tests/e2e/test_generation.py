"""Drawing on a running site: two adapters by prompt syntax in the browser, and a worker killed in the middle."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.clients import PASSWORD, Person
from tests.e2e.sites import Site, signal_all, until

STARTER = Path(__file__).resolve().parents[2] / "registry" / "starter" / "adapters"
SECONDS = 300  # on a busy machine
PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def gene(site: Site) -> Person:
    """Somebody with a style and a subject of their own, published."""
    person = Person(site, "gene")
    for name in ("outlined", "mushroom"):
        words = {"outlined": ["outlined"], "mushroom": ["a sks mushroom"]}[name]
        person.upload(name, (STARTER / f"{name}.safetensors").read_bytes(), trigger_words=words)
    for name in ("outlined", "mushroom"):
        assert person.inspected(name, seconds=SECONDS)["state"] == "published"
    return person


@pytest.fixture
def signed_in(browser: Browser, site: Site, gene: Person) -> Iterator[Page]:
    context = browser.new_context(base_url=site.url)
    context.set_default_timeout(60_000)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto("/sign-in")
    page.get_by_label("Username").or_(page.locator("[name=login]")).first.fill(gene.name)
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("main button").first.click()
    yield page
    context.close()
    assert problems == []


@pytest.mark.browser
def test_style_and_subject_are_stacked_by_prompt_syntax(signed_in: Page) -> None:
    page = signed_in
    page.goto("/try")
    page.get_by_label("Prompt", exact=True).fill(
        "a sks mushroom <lora:gene/outlined:0.7> <lora:mushroom:te=1:unet=0.9>"
    )
    expect(page.locator(".tag .badge--allow")).to_have_count(2)
    page.locator("[data-insert=outlined]").click()  # the trigger word as a chip
    expect(page.get_by_label("Prompt", exact=True)).to_have_value(re.compile("^outlined, a sks mushroom"))
    page.get_by_text("Sweep and grid").click()
    page.get_by_label("Across", exact=True).select_option("strength")
    page.get_by_label("Values across").fill("0, 1")
    page.get_by_label("Values across").press("Tab")
    expect(page.locator("[data-pictures='2']")).to_be_visible()
    page.get_by_role("button", name=re.compile("^Draw")).click()
    page.wait_for_url(re.compile("/try/[0-9a-f-]{36}$"))
    expect(page.locator(".xy th[scope=col]")).to_have_text(["strength 0", "strength 1"])
    expect(page.locator(".shot--done")).to_have_count(2, timeout=SECONDS * 1000)
    address = page.locator(".shot--done img").first.get_attribute("src")
    picture = page.request.get(address or "")
    assert picture.body().startswith(PNG)
    assert b"parameters" in picture.body()
    assert b"<lora:gene/outlined:0>" in picture.body()
    page.get_by_role("link", name="Use these settings").click()
    expect(page.get_by_label("Values across")).to_have_value("0, 1")
    page.goto("/try/history")
    expect(page.locator(".made__item").first).to_contain_text("a sks mushroom")


@pytest.mark.slow
def test_worker_killed_in_the_middle_loses_no_request(site: Site, gene: Person) -> None:
    asked = {"prompt": "a red circle <lora:gene/outlined:1>", "base_model": "tinybase", "steps": 60, "count": 6}
    made = gene.api("POST", "generations", asked, expect=201)
    with psycopg.connect(site.database_url) as connection:
        # Whoever holds the rows stops the worker at its next report: it cannot finish before it is killed.
        def caught() -> bool:
            connection.rollback()
            query = """SELECT step FROM inference_generationpicture
                       WHERE generation_id = %s AND state = 'running' FOR UPDATE"""
            return any(step for (step,) in connection.execute(query, [made["id"]]).fetchall())

        until(caught, "a picture in the middle", seconds=SECONDS, every=0.01)
        killed = site.pids("celery", "--queues gpu")
        assert killed
        signal_all(killed, signal.SIGKILL)
        connection.rollback()

    ended = until(lambda: _ended(gene, made["id"]), "six pictures", seconds=SECONDS, every=0.5)
    assert [picture["state"] for picture in ended["pictures"]] == ["done"] * 6
    attempts = site.rows(
        "SELECT attempts FROM inference_generationpicture WHERE generation_id = %s ORDER BY 1", made["id"]
    )
    assert attempts[-1] == (2,), "none was in the killed worker's hands"
    assert len({picture["sha256"] for picture in ended["pictures"]}) == 6


def _ended(person: Person, pk: str) -> Any:
    found = person.api("GET", f"generations/{pk}")
    return found if found["state"] not in {"queued", "running"} else None


@pytest.mark.slow
def test_cancelled_in_the_middle_stops_the_worker(gene: Person) -> None:
    asked = {"prompt": "a blue square", "base_model": "tinybase", "steps": 80, "count": 8}
    made = gene.api("POST", "generations", asked, expect=201)
    until(lambda: gene.api("GET", f"generations/{made['id']}")["state"] == "running", "a worker", seconds=SECONDS)
    gene.api("POST", f"generations/{made['id']}/cancel", {})
    ended = until(lambda: _ended(gene, made["id"]), "its end", seconds=SECONDS)
    assert "cancelled" in {picture["state"] for picture in ended["pictures"]}
    assert {picture["state"] for picture in ended["pictures"]} <= {"cancelled", "done"}
