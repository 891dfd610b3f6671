"""A run in a real browser: started, watched live, its checkpoints compared, its draft looked at and published."""

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Page, Response, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from governance.policy import Use
from registry.models import BaseModel, Version
from tests.factories.accounts import make_user
from tests.factories.datasets import make_ready
from tests.factories.registry import catalogue
from tests.factories.training import recipe
from training.models import TrainingRun
from training.services.runs import RunPlan, run_prepare
from training.states import RunState

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]
WIDTHS = (1280, 390)
STEPS = 20
COUNT_NEWS = """() => {
    window.told = {};
    for (const name of ['run-progress', 'run-points', 'run-log', 'run-checkpoint', 'run-sample'])
        document.body.addEventListener(name, () => { window.told[name] = (window.told[name] || 0) + 1; });
    window.loadedOnce = true;
}"""


@pytest.fixture
def ada(settings: Any) -> User:
    settings.ALLOWED_HOSTS = ["*"]
    settings.LIKENESS_READER = "tests.factories.faces.OtherReader"
    catalogue()
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
        opened.set_default_timeout(30_000)
        problems: list[str] = []
        opened.on("pageerror", lambda error: problems.append(str(error)))
        yield opened
        opened.goto("about:blank")  # a stream of events would outlive the database
        browser.close()
        connection.close()  # inside the loop Django keeps a connection of its own, which would keep the database in use
    assert problems == []


@pytest.fixture
def run(ada: User) -> TrainingRun:
    plan = RunPlan(
        dataset=make_ready(ada, pictures=12),
        base_model=BaseModel.objects.get(slug="tinybase"),
        config=recipe(steps=STEPS, checkpoint_every=10),
        adapter_name="leaves",
        intended_use=Use.PERSONAL.value,
        gpu_class="cpu",
    )
    return run_prepare(actor=ada, plan=plan)


def _look(page: Page, name: str) -> None:
    """Nothing sticks out at either width; a picture of the page is kept where somebody wants to look at it."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        if folder := os.environ.get("SCREENSHOTS"):
            page.screenshot(path=str(Path(folder) / f"runs-{name}-{width}.png"), full_page=True)
    page.set_viewport_size({"width": WIDTHS[0], "height": 900})


def _worker(ended: list[bool]) -> None:
    """What a worker's process does with its first message."""
    from training.execution import run_next

    try:
        ended.append(run_next(gpu_class="cpu", worker="test:1"))
    finally:
        connection.close()


def test_run_is_started_watched_compared_and_published(page: Page, ada: User, run: TrainingRun) -> None:
    address = reverse("run", args=[run.public_id])
    streams: list[Response] = []
    page.on("response", lambda answer: streams.append(answer) if answer.url.endswith("/events") else None)
    page.goto(address)
    _look(page, "draft")
    page.get_by_role("button", name="Start it").click()
    status = page.locator("#run-status")
    expect(status).to_contain_text("Waits for a worker.")
    page.evaluate(COUNT_NEWS)

    ended: list[bool] = []
    worker = threading.Thread(target=_worker, args=(ended,))
    worker.start()
    try:
        expect(status).to_contain_text("A worker trains.", timeout=90_000)
        expect(page.locator("#run-log")).to_contain_text("Checkpoint at step 10.", timeout=90_000)
        _look(page, "live")
        expect(status).to_contain_text(f"{STEPS} of {STEPS}", timeout=90_000)
        expect(
            status.get_by_text("is a draft").or_(status.get_by_role("link", name="Look at it and publish"))
        ).to_be_visible(timeout=90_000)
    finally:
        worker.join()
    assert ended == [True]
    assert page.evaluate("window.loadedOnce"), "the page was never loaded again"
    told = page.evaluate("window.told")
    assert set(told) == {"run-progress", "run-points", "run-log", "run-checkpoint", "run-sample"}, "news came as events"
    assert [answer.headers["content-type"] for answer in streams][:1] == ["text/event-stream"]
    expect(page.locator("#run-curves svg").first).to_be_visible()
    shown = page.locator("#run-samples img")
    expect(shown.first).to_be_visible()
    expect(page.locator("#run-checkpoints")).to_contain_text("v1 draft")  # it came after the end of the run
    expect(page.locator("#run-log")).to_contain_text("is a draft: look at it")
    _look(page, "done")

    page.get_by_label("Compare step 10").check()
    page.get_by_label(f"Compare step {STEPS}").check()
    page.get_by_role("button", name="Compare side by side").click()
    expect(page.get_by_role("heading", name="Step 10")).to_be_visible()
    expect(page.get_by_role("heading", name=f"Step {STEPS}")).to_be_visible()
    broken = "[...document.images].filter((one) => one.complete && !one.naturalWidth).length"
    page.wait_for_load_state("networkidle")
    assert page.locator("main img").count() >= 4
    assert page.evaluate(broken) == 0
    _look(page, "compare")

    version = Version.objects.get(training_result__run=run)
    place = reverse("version", args=["ada", "leaves", version.number])
    page.goto(place)
    expect(page.locator("main")).to_contain_text("draft")
    page.goto(address)
    page.get_by_role("link", name="Look at it and publish").click()
    page.get_by_label("I affirm the statement above.").check()
    _look(page, "publish")
    page.get_by_role("button", name="Send it to publication").click()
    page.wait_for_url(f"**{place}")
    version.refresh_from_db()
    assert version.state == "scanning"
    run.refresh_from_db()
    assert run.state == RunState.DONE
