"""Pages: the catalogue is open, facts belong to their owner, a decision is for those who took part in it."""

import base64
import json
import uuid

import pytest
from django.test import Client
from django.urls import reverse

from governance.models import ActorProfile
from governance.policy import Outcome
from governance.problems import all_problems
from governance.rulebook import current_ruleset
from governance.services import decision_override
from governance.signing import public_bytes
from tests.factories.accounts import make_organisation, make_user
from tests.governance.conftest import Recorder

pytestmark = pytest.mark.django_db
LICENCES = sorted(current_ruleset().licences)


def test_licence_list_shows_every_licence_and_dispute(client: Client) -> None:
    page = client.get(reverse("licences"))
    text = page.content.decode()
    for licence in current_ruleset().licences.values():
        assert reverse("licence", args=[licence.id]) in text
    for dispute in current_ruleset().disputes.values():
        assert dispute.name in text


@pytest.mark.parametrize("licence_id", LICENCES)
def test_licence_page_shows_claims_clauses_and_duties(client: Client, licence_id: str) -> None:
    licence = current_ruleset().licences[licence_id]
    response = client.get(reverse("licence", args=[licence_id]))
    assert response.status_code == 200
    assert response.context["licence"] is licence
    rows = response.context["grants"]
    assert len(rows) == len(licence.claims) + len(licence.data_claims)
    text = response.content.decode()
    for clause in {claim.clause for claim in licence.claims.values()} | {duty.clause for duty in licence.duties}:
        assert clause in text


def test_licence_under_another_name_leads_to_its_page(client: Client) -> None:
    response = client.get(reverse("licence", args=["Apache-2.0"]))
    assert response.status_code == 302
    assert response["Location"] == reverse("licence", args=["apache-2.0"])


def test_unknown_licence_is_not_found(client: Client) -> None:
    response = client.get(reverse("licence", args=["gpl"]))
    assert response.status_code == 404
    assert b"list of licences" in response.content


def test_facts_need_an_account(client: Client) -> None:
    response = client.get(reverse("actor_profile"))
    assert response.status_code == 302
    assert response["Location"].startswith(reverse("sign_in"))


def test_facts_are_saved_and_shown_again(client: Client) -> None:
    ada = make_user()
    client.force_login(ada)
    sent = {"annual_revenue_usd": "1000", "receives_payment": "no", "territory": "jp", "registered_with": ["none"]}
    response = client.post(reverse("actor_profile"), sent)
    assert response.status_code == 302
    profile = ActorProfile.objects.get(user=ada)
    assert (profile.annual_revenue_usd, profile.receives_payment, profile.territory) == (1000, False, "JP")
    assert profile.registered_with == []
    assert profile.filters_content is None
    form = client.get(reverse("actor_profile")).context["form"]
    assert form["receives_payment"].value() == "no"
    assert form["filters_content"].value() == ""


def test_wrong_facts_are_not_saved(client: Client) -> None:
    client.force_login(make_user())
    response = client.post(reverse("actor_profile"), {"territory": "XX"})
    assert response.status_code == 200
    assert "territory" in response.context["form"].errors
    assert not ActorProfile.objects.exists()


@pytest.mark.parametrize(("role", "status"), [("owner", 302), ("maintainer", 403), ("reader", 403), (None, 404)])
def test_facts_of_an_organisation_are_for_its_owners(client: Client, role: str | None, status: int) -> None:
    owner, ben = make_user(), make_user("ben")
    studio = make_organisation(owner, members={role: ben} if role else None)
    client.force_login(ben)
    address = reverse("actor_profile") + "?organisation=studio"
    assert client.post(address, {"monthly_users": "7"}).status_code == status
    assert ActorProfile.objects.filter(organisation=studio, monthly_users=7).exists() is (status == 302)
    assert not ActorProfile.objects.filter(user=ben).exists()


def test_decision_is_shown_to_who_asked_for_it(client: Client, record: Recorder) -> None:
    ada = make_user()
    made = record(ada, licence_id="hunyuan-dit")
    client.force_login(ada)
    response = client.get(reverse("decision", args=[made.public_id]))
    assert response.status_code == 200
    assert b"\xc2\xa75c" in response.content
    assert "no-store" in response["Cache-Control"]


def test_decision_of_others_is_like_an_absent_one(client: Client, record: Recorder) -> None:
    made = record(make_user())
    absent = uuid.uuid4()
    for signed_in in (False, True):
        if signed_in:
            client.force_login(make_user("eve"))
        closed, none = (client.get(reverse("decision", args=[pk])) for pk in (made.public_id, absent))
        assert closed.status_code == none.status_code == 404
        texts = [r.content.decode().replace(str(pk), "") for r, pk in ((closed, made.public_id), (none, absent))]
        assert "There is no decision" in texts[0]
        assert len(texts[0]) == len(texts[1])


def test_decision_as_json_by_address_and_by_accept(client: Client, record: Recorder) -> None:
    ada = make_user()
    made = record(ada)
    client.force_login(ada)
    by_address = client.get(reverse("decision_json", args=[made.public_id]))
    by_accept = client.get(reverse("decision", args=[made.public_id]), headers={"Accept": "application/json"})
    assert by_address.json() == by_accept.json()
    assert by_address.json()["id"] == str(made.public_id)
    assert by_address.json()["request"] == made.request
    assert "Accept" in by_accept["Vary"]
    refused = Client().get(reverse("decision_json", args=[made.public_id]), headers={"Accept": "application/json"})
    assert refused.status_code == 404
    assert refused["Content-Type"] == "application/problem+json"


def test_override_is_shown_and_private_notes_are_for_moderators(client: Client, record: Recorder) -> None:
    ada, moderator = make_user(), make_user("mo", is_moderator=True)
    first = record(ada, licence_id=None)
    decision_override(
        actor=moderator,
        record=first,
        subject=(first.subject_type, first.subject_id, first.subject_label),
        action=first.action,
        outcome=Outcome.DENY,
        public_reasoning="Its author forbids this.",
        private_notes="Complaint by letter.",
    )
    second = first.overrides.get()
    client.force_login(ada)
    for pk in (first.public_id, second.public_id):
        text = client.get(reverse("decision", args=[pk])).content.decode()
        assert "Its author forbids this." in text
        assert "Complaint by letter." not in text
        assert "Complaint" not in json.dumps(client.get(reverse("decision_json", args=[pk])).json())
    client.force_login(moderator)
    assert b"Complaint by letter." in client.get(reverse("decision", args=[second.public_id])).content


def test_public_key_is_a_json_web_key(client: Client) -> None:
    (key,) = client.get("/.well-known/registry-keys.json").json()["keys"]
    assert (key["kty"], key["crv"]) == ("OKP", "Ed25519")
    assert base64.urlsafe_b64decode(key["x"] + "=") == public_bytes() == bytes.fromhex(key["hex"])


@pytest.mark.parametrize("code", sorted({problem.code for problem in all_problems()}))
def test_every_error_code_has_a_page(client: Client, code: str) -> None:
    response = client.get(reverse("problem", args=[code]))
    assert response.status_code == 200
    assert response.context["problem"].title


def test_unknown_error_code_is_not_found(client: Client) -> None:
    assert client.get(reverse("problem", args=["no-such-code"])).status_code == 404
