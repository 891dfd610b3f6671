"""The moderators' pages: the queue, the case, its files one look at a time, figures and prepared texts."""

import io
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from PIL import Image

from accounts.models import User
from governance.handles import handle_of
from governance.models import AuditEntry
from moderation.models import Case, CaseEvidence, CaseKind, EventKind, Macro, Severity
from moderation.services.cases import case_claim
from moderation.services.evidence import Upload, evidence_add
from registry.models import Version
from tests.factories.accounts import make_user
from tests.factories.moderation import decide, make_case, make_report
from tests.factories.registry import make_version
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db
HELD = {"depicts_real_person": True}


def png(size: int = 64, colour: str = "red") -> bytes:
    """A picture of two halves, so that blurring shows."""
    picture = Image.new("RGB", (size, size), colour)
    picture.paste("blue", (0, 0, size // 2, size))
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def mo(client: Client) -> User:
    moderator = make_user("mo", is_moderator=True)
    client.force_login(moderator)
    return moderator


@pytest.fixture
def version() -> Version:
    return make_version(actor=make_user("ada"))


def _text(response: object) -> str:
    return " ".join(response.content.decode().split())  # type: ignore[attr-defined]


def _names(response: object) -> list[str]:
    return [case.kind for case in response.context["cases"]]  # type: ignore[attr-defined]


# The queue


def test_queue_has_what_is_overdue_first_then_urgent_then_by_time(client: Client, mo: User, version: Version) -> None:
    for kind in (CaseKind.QUALITY, CaseKind.SPAM, CaseKind.INTIMATE, CaseKind.LIKENESS):
        make_case(version, kind=kind)
    Case.objects.filter(kind=CaseKind.QUALITY).update(due_at=timezone.now() - timedelta(hours=1))
    page = client.get("/moderation")
    assert _names(page) == ["quality", "intimate", "likeness", "spam"]
    assert "overdue since 1 hour" in _text(page).replace("\xa0", " ")
    assert "<strong>4</strong> waiting" in _text(page)


def test_queue_is_filtered(client: Client, mo: User, version: Version) -> None:
    spam = make_case(version, kind=CaseKind.SPAM)
    make_case(version, kind=CaseKind.QUALITY)
    case_claim(case=spam, actor=mo)
    assert _names(client.get("/moderation?kind=spam")) == ["spam"]
    assert _names(client.get("/moderation?whose=mine")) == ["spam"]
    assert _names(client.get("/moderation?whose=free")) == ["quality"]
    assert _names(client.get("/moderation?late=on")) == []
    assert len(_names(client.get("/moderation?kind=nonsense"))) == 2
    part = client.get("/moderation?kind=spam", headers={"HX-Request": "true", "HX-Target": "queue"}).content.decode()
    assert part.startswith('<div id="queue"')


def test_pages_do_not_exist_for_others(client: Client, version: Version) -> None:
    case = make_case(version, kind=CaseKind.SPAM)
    paths = ["/moderation", f"/moderation/cases/{case.public_id}", "/moderation/figures", "/moderation/macros"]
    for path in paths:
        assert client.get(path)["Location"] == f"/sign-in?next={path}"
    client.force_login(make_user("eve"))
    for path in paths:
        assert client.get(path).status_code == 404
    for deed in ("claim", "release", "assign", "note", "escalate", "hold", "evidence"):
        assert client.post(f"/moderation/cases/{case.public_id}/{deed}").status_code == 404
    assert client.post(f"/moderation/versions/{version.pk}/hold").status_code == 404


# The case


def test_case_is_decided_on_its_page(client: Client, mo: User) -> None:
    held = make_version(actor=make_user("ada"), declared=HELD)
    case = make_case(held, details={"checks": ["declared-person"], "codes": ["real-person"]})
    page = client.get(case.get_absolute_url())
    text = _text(page)
    assert "no consent of that person is on file" in text  # what the policy engine says
    assert "declared person" in text
    assert page["Cache-Control"] == "no-store"
    assert client.get(f"/moderation/versions/{held.pk}")["Location"] == case.get_absolute_url()
    sent = {"verdict": "refuse", "public_reasoning": "No consent.", "revision": case.revision, "ground": "terms"}
    response = client.post(case.get_absolute_url(), sent, follow=True)
    assert response.redirect_chain == [("/moderation", 302)]
    assert Version.objects.get(pk=held.pk).state == "refused"
    assert "The case is decided already" in _text(client.get(case.get_absolute_url()))


def test_second_moderator_gets_a_clear_answer(client: Client, mo: User, version: Version) -> None:
    case = make_case(version, kind=CaseKind.SPAM)
    case_claim(case=case, actor=make_user("max", is_moderator=True))
    text = _text(client.get(case.get_absolute_url()))
    assert "max works on this case until" in text
    assert "Put the decision on record" not in text
    sent = {"verdict": "dismiss", "public_reasoning": "x", "revision": case.revision, "ground": "terms"}
    response = client.post(case.get_absolute_url(), sent)
    assert response.status_code == 409
    assert "Take another case from the queue" in _text(response)


def test_stale_decision_gets_a_clear_answer(client: Client, mo: User, version: Version) -> None:
    case = make_case(version, kind=CaseKind.SPAM)
    Case.objects.update(revision=5)
    sent = {"verdict": "dismiss", "public_reasoning": "x", "revision": case.revision, "ground": "terms"}
    response = client.post(case.get_absolute_url(), sent)
    assert response.status_code == 409
    assert "Nothing was decided." in _text(response)


@pytest.mark.parametrize(
    "changes",
    [{"verdict": "approve"}, {"public_reasoning": " "}, {"revision": ""}, {"ground": "whim"}, {"verdict": ""}],
)
def test_incomplete_decision_is_none(changes: dict[str, str], client: Client, mo: User, version: Version) -> None:
    case = make_case(version, kind=CaseKind.SPAM)
    sent = {"verdict": "dismiss", "public_reasoning": "x", "revision": "1", "ground": "terms", **changes}
    response = client.post(case.get_absolute_url(), sent)
    assert response.status_code == 200
    assert response.context["form"].errors
    assert Case.objects.get().is_open


def test_deeds_of_the_page(client: Client, mo: User, version: Version) -> None:
    case = make_case(version, kind=CaseKind.SPAM)
    at = case.get_absolute_url()
    client.post(f"{at}/claim")
    assert Case.objects.get().claimed_by == mo
    client.post(f"{at}/note", {"note-text": "Seen before."})
    client.post(f"{at}/assign", {"assignee": "mo"})
    assert Case.objects.get().assignee == mo
    assert "Choose one of" in _text(client.post(f"{at}/assign", {"assignee": "ada"}, follow=True))
    client.post(f"{at}/release")
    assert Case.objects.get().claimed_by is None
    assert "This field is required" in _text(client.post(f"{at}/escalate", {"escalate-reason": ""}))
    client.post(f"{at}/escalate", {"escalate-reason": "Help."})
    assert Case.objects.get().severity == Severity.URGENT
    text = _text(client.get(at))
    for shown in ("Seen before.", "Help.", "taken up", "put back", "assigned"):
        assert shown in text


def test_emergency_hold_is_one_click_on_the_adapters_page(client: Client, mo: User, version: Version) -> None:
    path = f"/moderation/versions/{version.pk}/hold"
    assert path in client.get("/ada/style").content.decode()
    response = client.post(path)
    assert response["Location"] == Case.objects.get().get_absolute_url()
    assert Version.objects.get().state == "quarantined"
    assert "/hold" not in client.get(Case.objects.get().get_absolute_url()).content.decode()


def test_adapters_page_offers_the_report_to_all_and_the_hold_to_moderators(client: Client, version: Version) -> None:
    text = client.get("/ada/style").content.decode()
    assert "/report?at=/ada/style/v/1" in text
    assert "/hold" not in text


# Files


def test_every_look_at_evidence_is_on_record(client: Client, mo: User, version: Version) -> None:
    case = make_case(version, kind=CaseKind.LIKENESS)
    evidence = evidence_add(case=case, upload=Upload("me.png", png()), actor=None)
    at = f"{case.get_absolute_url()}/files/evidence:{evidence.public_id}"
    page = client.get(case.get_absolute_url()).content.decode()
    assert f'src="{at.replace("/files/", "/blurred/")}"' in page
    assert f'src="{at}"' not in page
    before = AuditEntry.objects.count()
    client.get(at.replace("/files/", "/blurred/"))
    assert AuditEntry.objects.count() == before
    for number in (1, 2):
        response = client.get(at)
        assert response.content == png()
        assert (response["Cache-Control"], response["Content-Type"]) == ("no-store", "image/png")
        assert AuditEntry.objects.filter(action="case.viewed", actor=handle_of(mo)).count() == number
    assert case.events.filter(kind=EventKind.VIEWED).count() == 2


def test_blurred_picture_shows_nothing(client: Client, mo: User, version: Version) -> None:
    case = make_case(version, kind=CaseKind.LIKENESS)
    fine = Image.effect_noise((256, 256), 100).convert("RGB")
    out = io.BytesIO()
    fine.save(out, "PNG")
    evidence = evidence_add(case=case, upload=Upload("noise.png", out.getvalue()), actor=None)
    response = client.get(f"{case.get_absolute_url()}/blurred/evidence:{evidence.public_id}")
    with Image.open(io.BytesIO(response.content)) as shown:
        low, high = shown.convert("L").getextrema()
    assert fine.convert("L").getextrema()[1] - fine.convert("L").getextrema()[0] > 200
    assert high - low < 60


def test_evidence_lies_sealed_in_the_storage(version: Version) -> None:
    from django.core.files.storage import default_storage

    case = make_case(version, kind=CaseKind.LIKENESS)
    evidence = evidence_add(case=case, upload=Upload("letter.txt", b"My name is Rita."), actor=None)
    with default_storage.open(evidence.storage_key, "rb") as file:
        assert b"Rita" not in file.read()


def test_file_of_another_case_is_not_found(client: Client, mo: User, version: Version) -> None:
    case, other = make_case(version, kind=CaseKind.LIKENESS), make_case(version, kind=CaseKind.SPAM)
    evidence = evidence_add(case=other, upload=Upload("a.txt", b"text"), actor=None)
    for key in (f"evidence:{evidence.public_id}", "evidence:nothing", "preview:nothing", "nothing", "passwd:x"):
        for part in ("files", "blurred"):
            assert client.get(f"{case.get_absolute_url()}/{part}/{key}").status_code == 404
    assert (
        client.get(f"{other.get_absolute_url()}/blurred/evidence:{evidence.public_id}").status_code == 404
    )  # no picture
    text = client.get(f"{other.get_absolute_url()}/files/evidence:{evidence.public_id}")
    assert text["Content-Disposition"].startswith("attachment")


def test_moderator_adds_evidence_and_what_is_no_evidence_is_refused(client: Client, mo: User, version: Version) -> None:
    case = make_case(version, kind=CaseKind.SPAM)
    at = f"{case.get_absolute_url()}/evidence"
    client.post(at, {"evidence-file": SimpleUploadedFile("shot.png", png())})
    assert CaseEvidence.objects.get().content_type == "image/png"
    for content in (b"\x7fELF\x00\x01\xff", b"\x89PNG\r\n\x1a\nbroken", b"\xff\xfe\x00"):
        assert client.post(at, {"evidence-file": SimpleUploadedFile("x.png", content)}).status_code == 422
    assert CaseEvidence.objects.count() == 1


# People


def test_who_reported_is_shown_for_a_reason_on_record(client: Client, mo: User, version: Version) -> None:
    report, _ = make_report(version, CaseKind.RIGHTS)
    at = report.case.get_absolute_url()
    for path in ("/moderation", at):
        text = client.get(path).content.decode()
        assert "rita@example.org" not in text
        assert "Rita Right" not in text
    assert "Say why" in _text(client.post(f"{at}/senders/{report.public_id}", {"contact-reason": ""}, follow=True))
    assert "rita@" not in client.get(at).content.decode()
    shown = client.post(f"{at}/senders/{report.public_id}", {"contact-reason": "To ask for the originals."})
    assert "rita@example.org" in shown.content.decode()
    event = report.case.events.get(kind=EventKind.CONTACT)
    assert (event.actor, event.text) == (mo, "To ask for the originals.")
    entry = AuditEntry.objects.get(action="case.contact")
    assert entry.data["report"] == str(report.public_id)
    assert "originals" not in str(entry.data)
    assert "rita@" not in client.get(at).content.decode()


def test_uploaders_address_is_never_shown(client: Client, mo: User, version: Version) -> None:
    report, _ = make_report(version, CaseKind.RIGHTS)
    assert "ada@example.org" not in client.get(report.case.get_absolute_url()).content.decode()


# Figures and prepared texts


def test_figures_count_what_the_checks_get_wrong(client: Client, mo: User) -> None:
    ada = make_user("ada")
    for seed, verdict in ((1, "approve"), (2, "approve"), (3, "refuse")):
        held = make_version(actor=ada, name=f"n{seed}", content=lora_bytes(seed=seed), declared=HELD)
        decide(make_case(held, details={"checks": ["names"]}), mo, verdict)
    text = _text(client.get("/moderation/figures"))
    assert (
        '<th scope="row">names</th><td class="number">3</td><td class="number">2</td><td class="number">67 %</td>'
        in text
    )
    assert '<th scope="row">Published</th><td class="number">2</td>' in text
    assert "<svg" in text


def test_empty_figures_say_so(client: Client, mo: User) -> None:
    text = _text(client.get("/moderation/figures"))
    assert "No flagged case was decided yet." in text
    assert "Nothing was decided." in text


def test_prepared_text_is_offered_for_its_kind(client: Client, mo: User, version: Version) -> None:
    sent = {"title": "Advertising", "kind": "spam", "verdict": "take-down", "public_reasoning": "Terms 2.1 forbid it."}
    Macro.objects.all().delete()
    client.post("/moderation/macros", sent)
    macro = Macro.objects.get()
    assert (
        'data-reasoning="Terms 2.1 forbid it."'
        in client.get(make_case(version, kind=CaseKind.SPAM).get_absolute_url()).content.decode()
    )
    assert "Terms 2.1" not in client.get(make_case(version, kind=CaseKind.QUALITY).get_absolute_url()).content.decode()
    client.post(f"/moderation/macros/{macro.pk}", {**sent, "title": "Ads"})
    assert Macro.objects.get().title == "Ads"
    client.post(f"/moderation/macros/{macro.pk}/remove")
    assert not Macro.objects.exists()
    assert client.get(f"/moderation/macros/{macro.pk}").status_code == 404
    actions = list(AuditEntry.objects.filter(subject_type="moderation.macro").values_list("action", flat=True))
    assert actions == ["macro.saved", "macro.saved", "macro.removed"]


# In one's own case


@pytest.mark.parametrize("how", ["uploader", "reporter"])
def test_own_case_is_not_even_read(how: str, client: Client, mo: User) -> None:
    """What others wrote about a moderator's upload, or sent beside their report, is not for their eyes."""
    version = make_version(actor=mo if how == "uploader" else make_user("ada"))
    report, _ = make_report(version, CaseKind.SPAM, account=mo if how == "reporter" else None)
    at = report.case.get_absolute_url()
    evidence = evidence_add(case=report.case, upload=Upload("a.txt", b"text"), actor=None)
    for path in (at, f"{at}/files/evidence:{evidence.public_id}", f"{at}/blurred/evidence:{evidence.public_id}"):
        response = client.get(path)
        assert response.status_code == 403
        assert "Leave it in the queue for another moderator." in _text(response)
    for deed in ("claim", "note", "escalate", "evidence", f"senders/{report.public_id}"):
        assert client.post(f"{at}/{deed}", {"note-text": "x", "contact-reason": "x"}).status_code == 403
    assert (how == "reporter") == (report.case in client.get("/moderation").context["cases"])


def test_history_does_not_name_who_reported(client: Client, mo: User, version: Version) -> None:
    report, _ = make_report(version, CaseKind.SPAM, account=make_user("rita"))
    evidence_add(case=report.case, upload=Upload("a.txt", b"text"), actor=User.objects.get(username="rita"))
    assert "rita" not in client.get(report.case.get_absolute_url()).content.decode()
