"""The pages of the register: what people can do without an account, and what moderators see."""

import io
import re
from typing import Any

import pytest
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import User
from moderation.models import OptOutEntry, OptOutHolder, OptOutImport, OptOutPicture, OptOutRegistration
from moderation.selectors.optout import names_found
from moderation.services.lists import import_run
from moderation.services.optout import optout_register
from moderation.services.optout_mail import holder_mails_send
from tests.factories.accounts import make_token, make_user
from tests.factories.optout import (
    PDQ,
    csv_of,
    make_import,
    make_picture,
    names,
    picture_bytes,
    prepare,
    queue_import,
    register_as,
    register_by_mail,
    secret_in,
    submission,
    the_entry,
)

pytestmark = pytest.mark.django_db
FORM = {"name": "Ada", "email": "ada@example.org", "names": "Greg Rutkowski", "statement": "on"}


@pytest.fixture
def mo(client: Client) -> User:
    moderator = make_user("mo", is_moderator=True)
    client.force_login(moderator)
    return moderator


def _text(response: Any) -> str:
    return " ".join(response.content.decode().split())


def _picture(seed: int = 1, name: str = "Shore.png") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, picture_bytes(make_picture(seed)), "image/png")


def test_stranger_registers_confirms_looks_and_withdraws(client: Client) -> None:
    assert "You need no account" in _text(client.get("/opt-out"))
    everything = {
        "names": "Greg Rutkowski\n\nZdzisław Beksiński",
        "mononyms": "Banksy",
        "addresses": "https://example.com/gallery",
        "hashes": f"pdq:{PDQ} Waves",
        "pictures": [_picture(), _picture(2, "Dunes.png")],
    }
    response = client.post("/opt-out", {**FORM, **everything})
    assert response["Location"] == "/opt-out/sent"
    assert "Look into your mail" in _text(client.get("/opt-out/sent"))
    assert names_found("greg rutkowski") == ()
    holder_mails_send(holder_id=OptOutHolder.objects.get().pk)
    [sent] = mail.outbox
    link = next(word for word in str(sent.body).split() if "/opt-out/confirm/" in word)
    path = re.sub(r"^https?://[^/]+", "", link)
    shown = client.get(path)
    assert shown["Referrer-Policy"] == "strict-origin"
    for told in ("Greg Rutkowski", "Banksy", "example.com/gallery", "Waves", "Shore", "Confirm: I opt these out"):
        assert told in _text(shown)
    assert names_found("greg rutkowski") == ()  # looking is not confirming
    response = client.post(path)
    assert response["Location"] == "/opt-out/mine"
    assert len(names_found("greg rutkowski")) == 1
    text = _text(client.get("/opt-out/mine"))
    for told in ("Greg Rutkowski", "Shore is being worked out", "it is looked for when a moderator has verified it"):
        assert told in text
    entry = the_entry("Greg Rutkowski")
    assert client.post(f"/opt-out/mine/{entry.public_id}/withdraw")["Location"] == "/opt-out/mine"
    assert names_found("greg rutkowski") == ()


def test_manage_link_opens_ones_entries_in_this_browser_alone(client: Client) -> None:
    secret = register_by_mail(*names("Greg Rutkowski"))
    assert client.get("/opt-out/mine").status_code == 404
    response = client.get(f"/opt-out/open/{secret}")
    assert (response["Location"], response["Referrer-Policy"]) == ("/opt-out/mine", "strict-origin")
    page = client.get("/opt-out/mine")
    assert "Greg Rutkowski" in _text(page)
    assert "no-store" in page["Cache-Control"]
    assert secret not in str(client.session.items())
    assert Client().get("/opt-out/mine").status_code == 404
    OptOutHolder.objects.update(link_digest="x")  # a newer link was sent
    assert client.get("/opt-out/mine").status_code == 404


def test_entries_of_others_cannot_be_withdrawn(client: Client) -> None:
    register_as(make_user("ada"), *names("Greg Rutkowski"))
    client.get(f"/opt-out/open/{register_by_mail(*names('Ada Lovelace'), email='eve@example.org')}")
    entry = the_entry("Greg Rutkowski")
    assert client.post(f"/opt-out/mine/{entry.public_id}/withdraw").status_code == 404
    assert len(names_found("greg rutkowski")) == 1


@pytest.mark.parametrize("path", ["/opt-out/confirm/nonsense", "/opt-out/open/nonsense"])
def test_wrong_links_open_nothing_and_are_counted(client: Client, path: str) -> None:
    statuses = [client.get(path).status_code for _ in range(32)]
    assert statuses == [404] * 30 + [429] * 2


def test_account_registers_without_mail(client: Client) -> None:
    client.force_login(make_user("ada"))
    assert "E-mail address" not in _text(client.get("/opt-out"))
    response = client.post("/opt-out", {"names": "Greg Rutkowski", "statement": "on"})
    assert response["Location"] == "/opt-out/mine"
    assert len(names_found("greg rutkowski")) == 1
    assert mail.outbox == []


WRONG = [
    ({"statement": ""}, "This field is required"),
    ({"email": ""}, "This field is required"),
    ({"email": "no address"}, "valid email"),
    ({"names": ""}, "Name at least one work"),
    ({"names": "Ada Lovelace\nRose"}, "Line 2, “Rose”: A single word"),
    ({"addresses": "co.uk"}, "shared by everybody"),
    ({"hashes": PDQ}, "Write the algorithm before the hash"),
    ({"hashes": "pdq:12"}, "64 hexadecimal digits"),
    ({"names": "\n".join(f"Ada Number{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(501))}, "too many"),
    ({"addresses": "\n".join(["x"] * 30)}, "And 20 more lines"),
]


@pytest.mark.parametrize(("change", "told"), WRONG, ids=[told for _, told in WRONG])
def test_mistakes_are_named_and_nothing_is_kept(client: Client, change: dict[str, str], told: str) -> None:
    response = client.post("/opt-out", {**FORM, **change})
    assert response.status_code == 422
    assert told in _text(response)
    assert not OptOutRegistration.objects.exists()
    assert not OptOutEntry.objects.exists()


def test_bad_picture_is_named_and_the_good_ones_are_not_kept(client: Client) -> None:
    svg = SimpleUploadedFile("logo.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml")
    cut = SimpleUploadedFile("cut.png", picture_bytes(make_picture())[:3000], "image/png")
    response = client.post("/opt-out", {**FORM, "pictures": [_picture(), svg, cut]})
    assert response.status_code == 422
    for told in ("logo.svg: It is no JPEG, PNG or WebP", "cut.png: It is damaged"):
        assert told in _text(response)
    assert not OptOutPicture.objects.exists()


def test_too_many_pictures_are_refused(client: Client, settings: Any) -> None:
    settings.OPTOUT_PICTURES_AT_ONCE = 1
    response = client.post("/opt-out", {**FORM, "pictures": [_picture(), _picture(2)]})
    assert (response.status_code, "send at most 1 at a time" in _text(response)) == (422, True)


def test_registering_is_throttled_by_address(client: Client, settings: Any) -> None:
    settings.OPTOUT_REGISTRATIONS_PER_ADDRESS = 2
    mails = [f"{n}@example.org" for n in range(4)]
    statuses = [client.post("/opt-out", {**FORM, "email": email}).status_code for email in mails]
    assert statuses == [302, 302, 429, 429]
    assert OptOutRegistration.objects.count() == 2
    other = Client(REMOTE_ADDR="192.0.2.9")
    assert other.post("/opt-out", FORM).status_code == 302


def test_one_mailbox_is_not_flooded_whoever_writes_to_it(settings: Any) -> None:
    settings.OPTOUT_MAILS_PER_MAILBOX = 2
    spellings = ["ada@example.org", "ADA@example.org", " ada@example.org", "ada@example.org"]
    clients = [Client(REMOTE_ADDR=f"192.0.2.{n}") for n in range(4)]
    answers = [one.post("/opt-out", {**FORM, "email": email}) for one, email in zip(clients, spellings, strict=True)]
    assert [answer.status_code for answer in answers] == [302, 302, 429, 429]
    assert Client(REMOTE_ADDR="192.0.2.20").post("/opt-out/link", {"email": "ada@example.org"}).status_code == 429


def test_asking_for_the_link_says_the_same_for_every_mailbox(client: Client) -> None:
    register_by_mail(*names("Greg Rutkowski"))
    for email in ("ada@example.org", "nobody@example.org"):
        assert client.post("/opt-out/link", {"email": email})["Location"] == "/opt-out/sent"
    assert OptOutHolder.objects.get().link_wanted_at is not None


def test_everything_can_be_deleted_by_who_has_the_link(client: Client) -> None:
    client.get(f"/opt-out/open/{register_by_mail(*names('Greg Rutkowski'))}")
    assert "Nothing was deleted" in _text(client.post("/opt-out/mine/erase", follow=True))
    assert len(names_found("greg rutkowski")) == 1
    assert "your data is deleted" in _text(client.post("/opt-out/mine/erase", {"sure": "yes"}, follow=True))
    assert not OptOutEntry.objects.exclude(text="").exists()
    assert client.get("/opt-out/mine").status_code == 404


def test_holder_reads_why_a_moderator_decided(client: Client, mo: User) -> None:
    ada = make_user("ada")
    register_as(ada, *names("Greg Rutkowski"))
    entry = the_entry("Greg Rutkowski")
    answer = {"verdict": "reject", "public_reasoning": "Not yours.", "private_notes": "Third time."}
    response = client.post(f"/moderation/opt-out/entries/{entry.public_id}", answer)
    assert response.status_code == 302
    client.force_login(ada)
    text = _text(client.get("/opt-out/mine"))
    assert "A moderator: Not yours." in text
    assert "rejected" in text
    assert "Third time" not in text


# Moderators

PAGES = ["/moderation/opt-out", "/moderation/opt-out/lists", "/moderation/opt-out/export"]


@pytest.mark.parametrize("path", [*PAGES, "entry", "picture", "import"])
def test_pages_do_not_exist_for_others(client: Client, path: str) -> None:
    register_as(make_user("ada"), pictures={"Shore": picture_bytes(make_picture())})
    entry = f"/moderation/opt-out/entries/{the_entry('Shore').public_id}"
    job = make_import(csv_of("name,Greg Rutkowski"))
    path = {"entry": entry, "picture": f"{entry}/picture", "import": f"/moderation/opt-out/imports/{job.pk}"}.get(
        path, path
    )
    assert client.get(path)["Location"].startswith("/sign-in")
    client.force_login(User.objects.get(username="ada"))
    for response in (client.get(path), client.post(path)):
        assert response.status_code in {404, 405}
        assert b"Shore" not in response.content
    client.force_login(make_user("mo", is_moderator=True))
    assert client.get(path).status_code == 200


def test_register_is_searched_and_paged(client: Client, mo: User) -> None:
    register_as(make_user("ada"), *names("Greg Rutkowski", "Banksy"))
    make_import(csv_of(*[f"work,{number + 1:064x},pdq" for number in range(40)]))
    page = client.get("/moderation/opt-out")
    assert len(page.context["entries"]) == 30
    rest = client.get(page.context["next_url"])
    assert len(rest.context["entries"]) == 12
    found = client.get("/moderation/opt-out?q=rutk&kind=name&state=unverified")
    assert [entry.text for entry in found.context["entries"]] == ["Greg Rutkowski"]
    works = client.get("/moderation/opt-out?kind=work&state=active")
    assert "kind=work" in works.context["next_url"]
    assert client.get("/moderation/opt-out?q=%00&kind=nonsense").status_code == 200


def test_entry_shows_its_claims_hashes_and_decisions(client: Client, mo: User) -> None:
    register_by_mail(pictures={"Shore": picture_bytes(make_picture())}, name="Ada L.", on_behalf=True)
    entry = the_entry("Shore")
    digits = bytes(entry.hashes.get().bits).hex()
    make_import(csv_of(f"work,{digits},pdq,,,their-id"), name="The list")
    path = f"/moderation/opt-out/entries/{entry.public_id}"
    text = _text(client.get(path))
    for told in ("Ada L., by mail", "on behalf", "List The list", "their-id", f"pdq:{digits}", f"{path}/picture"):
        assert told in text
    assert "ada@example.org" not in text  # nobody needs it to decide
    assert client.get(f"{path}/picture")["Content-Type"] == "image/jpeg"
    client.post(path, {"verdict": "withdraw", "public_reasoning": "Asked for by phone."})
    assert "Asked for by phone." in _text(client.get(path))
    assert client.post(path, {"verdict": "nonsense", "public_reasoning": "x"}).status_code == 422


def test_entry_is_erased_and_a_holder_blocked_from_its_page(client: Client, mo: User) -> None:
    register_as(make_user("ada"), *names("Greg Rutkowski", "Ada Lovelace"))
    path = f"/moderation/opt-out/entries/{the_entry('Greg Rutkowski').public_id}/erase"
    client.post(path)
    assert the_entry("Greg Rutkowski")
    assert "An erased entry" in _text(client.post(path, {"sure": "yes"}, follow=True))
    holder = OptOutHolder.objects.get()
    client.post(f"/moderation/opt-out/holders/{holder.public_id}/block", {"public_reasoning": ""})
    assert len(names_found("ada lovelace")) == 1
    client.post(f"/moderation/opt-out/holders/{holder.public_id}/block", {"public_reasoning": "None of it is theirs."})
    assert names_found("ada lovelace") == ()


def test_list_is_imported_on_the_page_and_reported(client: Client, mo: User) -> None:
    file = SimpleUploadedFile("people.csv", csv_of("name,Greg Rutkowski", "name,Rose"))
    response = client.post("/moderation/opt-out/lists", {"name": "People", "file": file})
    job = OptOutImport.objects.get()
    assert response["Location"] == f"/moderation/opt-out/imports/{job.pk}"
    assert "waits" in _text(client.get(response["Location"]))
    import_run(import_id=job.pk)
    text = _text(client.get(response["Location"]))
    assert "1 of its 2 lines cannot be read" in text
    assert "A single word" in text
    client.post(response["Location"], {"verdict": "accept"})
    import_run(import_id=job.pk)
    assert "done" in _text(client.get("/moderation/opt-out/lists"))
    assert names_found("greg rutkowski")[0].verified


def test_page_says_what_is_wrong_with_a_file(client: Client, mo: User) -> None:
    file = SimpleUploadedFile("page.html", b"<html>")
    response = client.post("/moderation/opt-out/lists", {"name": "People", "file": file})
    assert (response.status_code, "neither CSV" in _text(response)) == (422, True)


def test_failing_list_is_shown_as_failing(client: Client, mo: User) -> None:
    make_import(b"kind,value\nx,y\n", name="Broken one")
    text = _text(client.get("/moderation/opt-out/lists"))
    assert "Not one of its lines names an entry." in text
    assert "What it named before still counts." in text


def test_export_is_downloaded(client: Client, mo: User) -> None:
    register_as(make_user("ada"), *names("Greg Rutkowski"))
    response = client.get("/moderation/opt-out/export?format=csv&kind=name")
    assert response["Content-Disposition"] == 'attachment; filename="opt-out.csv"'
    assert "name,Greg Rutkowski" in b"".join(response.streaming_content).decode()  # type: ignore[attr-defined]
    assert client.get("/moderation/opt-out/export?format=exe").status_code == 404


# API


def test_api_registers_lists_and_withdraws(client: Client) -> None:
    _, secret = make_token(make_user("ada"), ["read", "write"])
    headers = {"Authorization": f"Bearer {secret}"}
    body = {
        "names": [{"name": "Greg Rutkowski"}, {"name": "Banksy", "mononym": True}],
        "addresses": ["https://example.com/gallery"],
        "hashes": [f"pdq:{PDQ} Waves"],
        "statement_affirmed": True,
    }
    made = client.post("/api/v1/opt-outs", body, content_type="application/json", headers=headers)
    assert made.status_code == 201
    assert {item["text"] for item in made.json()["items"]} == {
        "Greg Rutkowski",
        "Banksy",
        "example.com/gallery",
        "Waves",
    }
    key = next(item["id"] for item in made.json()["items"] if item["text"] == "Greg Rutkowski")
    assert client.delete(f"/api/v1/opt-outs/{key}", headers=headers).status_code == 204
    listed = client.get("/api/v1/opt-outs", headers=headers).json()["items"]
    assert {item["text"]: item["state"] for item in listed}["Greg Rutkowski"] == "withdrawn"
    assert client.get("/api/v1/opt-outs").status_code == 401


def test_api_names_each_thing_that_cannot_be_taken(client: Client) -> None:
    _, secret = make_token(make_user("ada"), ["read", "write"])
    body = {"names": [{"name": "Rose"}], "addresses": ["x", "co.uk"], "statement_affirmed": True}
    answer = client.post(
        "/api/v1/opt-outs", body, content_type="application/json", headers={"Authorization": f"Bearer {secret}"}
    )
    assert answer.status_code == 422
    assert set(answer.json()["errors"]) == {"names[0]", "addresses[0]", "addresses[1]"}
    assert not OptOutRegistration.objects.exists()


def test_api_asks_for_the_statement_and_the_scope(client: Client) -> None:
    ada = make_user("ada")
    _, reading = make_token(ada, ["read"])
    _, writing = make_token(ada, ["read", "write"])
    body = {"names": [{"name": "Greg Rutkowski"}], "statement_affirmed": False}
    for secret, status in ((reading, 403), (writing, 400)):
        headers = {"Authorization": f"Bearer {secret}"}
        answer = client.post("/api/v1/opt-outs", body, content_type="application/json", headers=headers)
        assert answer.status_code == status


def test_api_imports_and_exports_for_moderators(client: Client) -> None:
    moderator = make_user("mo", is_moderator=True)
    _, secret = make_token(moderator, ["read", "write", "admin"])
    headers = {"Authorization": f"Bearer {secret}"}
    file = SimpleUploadedFile("people.jsonl", b'{"kind": "name", "value": "Greg Rutkowski"}\n')
    made = client.post("/api/v1/opt-out-imports", {"list": "People", "file": file}, headers=headers)
    assert made.status_code == 202
    import_run(import_id=made.json()["id"])
    assert client.get(f"/api/v1/opt-out-imports/{made.json()['id']}", headers=headers).json()["added"] == 1
    exported = client.get("/api/v1/opt-out-register?as=jsonl", headers=headers)
    assert b"Greg Rutkowski" in b"".join(exported.streaming_content)  # type: ignore[attr-defined]
    assert client.get("/api/v1/opt-out-register?as=exe", headers=headers).status_code == 400
    _, others = make_token(make_user("eve"), ["read", "write", "admin"])
    assert client.get("/api/v1/opt-out-register", headers={"Authorization": f"Bearer {others}"}).status_code == 404


# Commands


def _run(command: str, *args: Any, **options: Any) -> str:
    out = io.StringIO()
    call_command(command, *args, stdout=out, **options)
    return out.getvalue()


def test_commands_import_and_export(tmp_path: Any) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes(csv_of("name,Greg Rutkowski", "name,Mary Shelley"))
    told = _run("optout_import", str(file), name="People", source="https://example.org/people.csv")
    assert "2 lines, 2 added, 0 known, 0 withdrawn, 0 refused" in told
    assert OptOutImport.objects.get().url == "https://example.org/people.csv"
    assert file.exists()
    written = tmp_path / "out.csv"
    _run("optout_export", output=written)
    assert "name,Mary Shelley" in written.read_text()
    assert written.stat().st_mode & 0o077 == 0


def test_command_says_what_is_wrong(tmp_path: Any) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes(csv_of("name,Greg Rutkowski", "name,Rose"))
    with pytest.raises(CommandError, match="--list"):
        _run("optout_import", str(file))
    with pytest.raises(CommandError, match="--accept"):
        _run("optout_import", str(file), name="People")
    with pytest.raises(CommandError, match="held for a moderator"):
        _run("optout_import", str(file), name="People")
    assert "1 refused" in _run("optout_import", str(file), name="Others", accept=True)
    with pytest.raises(CommandError, match="cannot read"):
        _run("optout_import", str(tmp_path / "none.csv"), name="People")
    with pytest.raises(CommandError, match="OPTOUT_LISTS"):
        _run("optout_import", refresh=True)
    with pytest.raises(CommandError, match="no import"):
        _run("optout_import", resume=987_654)


def test_command_goes_on_with_an_import_that_stopped() -> None:
    job = queue_import(csv_of("name,Greg Rutkowski"))
    assert "1 added" in _run("optout_import", resume=job.pk)


def test_mail_links_lead_to_the_site_itself(settings: Any) -> None:
    secret = register_by_mail(*names("Greg Rutkowski"), confirm=False)
    body = str(mail.outbox[-1].body)
    assert f"{settings.PUBLIC_URL}/opt-out/confirm/{secret}" in body
    assert secret_in(body) == secret


def test_page_of_ones_entries_looks_for_a_picture_that_is_worked_out(client: Client) -> None:
    ada = make_user("ada")
    client.force_login(ada)
    made = optout_register(submission=submission(pictures={"Shore": picture_bytes(make_picture())}), user=ada)
    waits = client.get("/opt-out/mine").content.decode()
    assert 'hx-trigger="every 3s"' in waits
    assert "Nothing registered" not in waits
    prepare(made)
    done = client.get("/opt-out/mine").content.decode()
    assert "hx-trigger" not in done
    assert "Shore" in done
