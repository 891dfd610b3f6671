"""A consent, from the mail that asks for it to the recall when it is taken back; worker, mail and webhook are real."""

import html
import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from registry.webhook_signing import verify
from tests.e2e.clients import Person
from tests.e2e.sites import Site, running_site, until
from tests.moderation.receivers import Hook, Sink, hook_server, smtp_sink
from tests.safetensors_bytes import lora_bytes

pytestmark = [pytest.mark.slow, pytest.mark.browser]
MINE = "Take my consent back"


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    with smtp_sink() as found:
        yield found


@pytest.fixture(scope="module")
def hook() -> Iterator[Hook]:
    with hook_server() as found:
        yield found


@pytest.fixture(scope="module")
def mailing(sink: Sink, hook: Hook) -> Iterator[Site]:
    """A site of its own, whose mails and webhook messages come here."""
    mail = {"EMAIL_HOST": "127.0.0.1", "EMAIL_PORT": str(sink.port)}
    with running_site("recalls", "--no-demo", WEBHOOK_NETWORKS="127.0.0.0/8", **mail) as running:
        yield running


def _mail(sink: Sink, to: str, words: str) -> str:
    """The text of the mail to this address with these words in its subject, once it has come."""

    def look() -> Any:
        found = [one for one in sink.messages if one["To"] == to and words in one["Subject"]]
        return found[0] if found else None

    return str(until(look, f"a mail to {to}", 60).get_body(("plain",)).get_content())


def _download(person: Person, organisation: str = "") -> Any:
    path, asked = "adapters/ada/face/versions/1/download", {"use": "personal", "organisation": organisation}
    terms = person.api("POST", path, asked)["terms"]
    return person.api("POST", path, {**asked, "accepted_terms": terms["digest"]})


def test_consent_taken_back_recalls_what_was_downloaded(
    mailing: Site, sink: Sink, hook: Hook, browser: Browser
) -> None:
    ada, bob, eve = (Person(mailing, name) for name in ("ada", "bob", "eve"))
    ada.upload("face", lora_bytes(seed=31))
    assert ada.inspected("face")["state"] == "published"
    assert eve.post_form("/orgs/new", slug="studio", display_name="Studio").status == 302
    made = eve.post_form("/orgs/studio/webhooks", url=hook.url, topics="recall")
    secret = re.search(r"whsec_[\w+/=]+", html.unescape(made.text))
    assert secret is not None, made.text

    terms = {"scopes": ["training", "publication"], "adapters": ["ada/face"], "until": None}
    ada.api("POST", "consents", {"email": "sam@subjects.example", "name": "Sam", "terms": terms}, expect=201)
    link = re.search(r"https?://[^/\s]+(/consent/\S+)", _mail(sink, "sam@subjects.example", "asks for your consent"))
    assert link is not None

    context = browser.new_context(base_url=mailing.url)
    page = context.new_page()
    page.goto(link[1])
    assert link[1].rsplit("/", 1)[1] not in page.url  # the secret has left the address bar
    expect(page.get_by_text("Nothing happens unless you say yes.")).to_be_visible()
    page.get_by_role("button", name="I allow this").press("Enter")
    expect(page.get_by_role("button", name=MINE)).to_be_visible()
    expect(page.get_by_text("ada/face v1")).to_be_visible()

    assert _download(bob)["download_url"]
    url = _download(eve, "studio")["download_url"]
    assert eve.ask("GET", url).status == 200

    page.goto(link[1])  # the same link, later
    page.get_by_role("button", name=MINE).press("Enter")
    expect(page.get_by_text("Revoked.", exact=False)).to_be_visible()
    context.close()

    # In the answer to the revocation itself, not some time after it: the version is held back and its links are dead.
    assert ada.version("face")["state"] == "quarantined"
    refused = eve.ask("GET", url)
    assert refused.status == 410
    assert "A person whose consent it rests on has revoked it." in html.unescape(refused.text)

    for person in (bob, eve):
        text = _mail(sink, f"{person.name}@example.org", "Recall:")
        notice = re.search(r"/account/recalls/[0-9a-f-]{36}", text)
        assert notice is not None
        shown = person.ask("GET", notice[0])
        assert shown.status == 200
        assert "What you must do" in shown.text
    received = until(lambda: hook.received, "the webhook message", 60)
    verify(secret=secret[0], received=received[0].headers, body=received[0].body, now=time.time())
    assert json.loads(received[0].body)["type"] == "recall.issued"

    blocked = bob.ask("GET", "/ada/face/v/1/download")
    assert (blocked.status, "has revoked it" in blocked.text) == (410, True)
    recalls = [one["To"] for one in sink.messages if "Recall:" in one["Subject"]]
    assert sorted(recalls) == ["bob@example.org", "eve@example.org"]
    assert len(hook.received) == 1
    log = mailing.log.read_text()
    assert link[1].rsplit("/", 1)[1] not in log
