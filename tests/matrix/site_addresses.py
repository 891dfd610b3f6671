"""Every other address: who gets which status. A role that is not named gets the answer of `*`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.factories.registry import make_upload
from tests.matrix.adapter_addresses import ABSENT_ID
from tests.matrix.house import House

OPEN = {"*": 200}
PAGE = {"*": 200, "anonymous": 302}  # a guest is sent to sign in
API = {"*": 200, "anonymous": 401}
CLOSED = {"*": 404, "anonymous": 302}
MEMBERS = ("reader", "member", "uploader", "maintainer", "owner")


def members_only(others: int, inside: int, guest: int, owner: int | None = None) -> dict[str, int]:
    """Pages of the organisation: its members, its owner, and everybody else, for whom it is not there."""
    statuses = {"*": others, "anonymous": guest} | dict.fromkeys(MEMBERS, inside)
    return statuses | ({"owner": owner} if owner else {})


def mine(status: int, guest: int) -> dict[str, int]:
    """Things of the organisation's owner that are not there for anybody else."""
    return {"*": 404, "anonymous": guest, "owner": status}


Args = Callable[[House], list[Any]]


def nothing(house: House) -> list[Any]:
    return []


def fixed(*args: Any) -> Args:
    return lambda house: list(args)


def a_token(house: House) -> list[Any]:
    return [house.token_id]


def an_upload(house: House) -> list[Any]:
    """A fresh one each time: what a request removes from the disk, no rollback brings back."""
    return [make_upload(actor=house.people["owner"]).pk]


@dataclass(frozen=True)
class SiteAddress:
    name: str
    method: str
    statuses: dict[str, int]
    args: Args = nothing
    data: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = ""
    absent: tuple[Any, ...] | None = None  # the same address where there is nothing

    def __str__(self) -> str:
        return f"{self.method}-{self.name}"


S = SiteAddress
JSON = "application/json"
WHO = {"username": "stranger", "role": "reader"}
TUS = {"Tus-Resumable": "1.0.0"}
ORGANISATION = {"slug": "another", "display_name": "Another"}
QUESTION = {"use": "personal", "components": [{"role": "base", "name": "Tiny", "licence_id": "apache-2.0"}]}

SITE = [
    S("health", "GET", OPEN),
    S("favicon", "GET", {"*": 301}),
    S("schema", "GET", OPEN),
    S("api_docs", "GET", OPEN),
    # accounts
    S("api_me", "GET", API),
    S("api_tokens", "GET", API),
    S("api_tokens", "POST", {"*": 201, "anonymous": 401}, data={"name": "x", "scopes": ["read"]}, content_type=JSON),
    S("api_token", "DELETE", mine(204, 401), a_token, absent=(987_654_321,)),
    S("api_organisations", "GET", API),
    S("api_organisations", "POST", {"*": 201, "anonymous": 401}, data=ORGANISATION, content_type=JSON),
    S("api_members", "GET", members_only(404, 200, 401), fixed("studio"), absent=("nowhere",)),
    S("api_members", "POST", members_only(404, 403, 401, 201), fixed("studio"), WHO, content_type=JSON,
      absent=("nowhere",)),
    S("api_members", "DELETE", members_only(404, 403, 401, 204) | {"uploader": 204}, fixed("studio"),
      {"username": "uploader"},
      content_type=JSON, absent=("nowhere",)),
    S("sign_up", "GET", {"*": 302, "anonymous": 200}),
    S("sign_up", "POST", {"*": 302, "anonymous": 200}),
    S("sign_in", "GET", OPEN),
    S("sign_in", "POST", OPEN),
    S("sign_out", "POST", {"*": 302}),
    S("account", "GET", PAGE),
    S("account", "POST", {"*": 302}, data={"display_name": "A Name"}),
    S("password_change", "GET", PAGE),
    S("password_change", "POST", PAGE),
    S("tokens", "GET", PAGE),
    S("tokens", "POST", PAGE, data={"name": "x", "scopes": ["read"]}),
    S("token_revoke", "POST", mine(302, 302), a_token, absent=(987_654_321,)),
    S("password_reset", "GET", OPEN),
    S("password_reset", "POST", OPEN),
    S("password_reset_sent", "GET", OPEN),
    S("password_reset_choose", "GET", OPEN, fixed("MQ", "forged-token")),
    S("password_reset_choose", "POST", OPEN, fixed("MQ", "forged-token")),
    S("organisation_new", "GET", PAGE),
    S("organisation_new", "POST", {"*": 302}, data=ORGANISATION),
    S("organisation", "GET", members_only(404, 200, 302), fixed("studio"), absent=("nowhere",)),
    S("organisation", "POST", members_only(404, 403, 302, 302), fixed("studio"), WHO, absent=("nowhere",)),
    S("member_remove", "POST", members_only(404, 403, 302, 302) | {"uploader": 302}, fixed("studio", "uploader"),
      absent=("nowhere", "uploader")),
    S("token_pass", "GET", mine(200, 302), a_token, absent=(987_654_321,)),
    S("token_pass", "POST", mine(422, 302), a_token, absent=(987_654_321,)),
    # the Civitai API
    S("civitai_models", "GET", OPEN),
    S("civitai_images", "GET", OPEN),
    S("civitai_creators", "GET", OPEN),
    S("civitai_tags", "GET", OPEN),
    S("civitai_enums", "GET", OPEN),
    S("civitai_hash", "GET", {"*": 404}, fixed("0" * 64)),
    S("civitai_hashes", "POST", OPEN, data=["0" * 64], content_type=JSON),
    S("civitai_hash_ids", "POST", OPEN, data=["0" * 64], content_type=JSON),
    # governance
    S("api_licences", "GET", OPEN),
    S("api_licence", "GET", OPEN, fixed("apache-2.0")),
    S("api_decisions", "GET", API),
    S("api_decision_check", "POST", OPEN, data=QUESTION, content_type=JSON),
    S("api_audit_head", "GET", OPEN),
    S("api_facts", "GET", API),
    S("api_facts", "PUT", API, data={"territory": "DE"}, content_type=JSON),
    S("licences", "GET", OPEN),
    S("licence", "GET", OPEN, fixed("apache-2.0")),
    S("actor_profile", "GET", PAGE),
    S("actor_profile", "POST", {"*": 302}, data={"territory": "DE"}),
    S("problem", "GET", OPEN, fixed("not-found")),
    S("registry_keys", "GET", OPEN),
    # moderation
    S("review_queue", "GET", {"*": 404, "anonymous": 302, "moderator": 200}),
    S("review_decided", "GET", {"*": 404, "anonymous": 302, "moderator": 200}),
    # the opt-out register
    S("optout", "GET", OPEN),
    S("optout", "POST", {"*": 422}, data={"name": "x"}),
    S("optout_sent", "GET", OPEN),
    S("optout_confirm", "GET", {"*": 404}, fixed("forged-secret")),
    S("optout_confirm", "POST", {"*": 404}, fixed("forged-secret")),
    S("optout_manage", "GET", {"*": 404}, fixed("forged-secret")),
    S("optout_link", "GET", OPEN),
    S("optout_link", "POST", {"*": 422}),
    S("optout_mine", "GET", {"*": 404}),
    S("optout_erase", "POST", {"*": 404}),
    S("optout_withdraw", "POST", {"*": 404}, fixed(ABSENT_ID)),
    S("optout_entries", "GET", {**CLOSED, "moderator": 200}),
    S("optout_entry", "GET", CLOSED, fixed(ABSENT_ID)),
    S("optout_entry", "POST", CLOSED, fixed(ABSENT_ID)),
    S("optout_thumbnail", "GET", CLOSED, fixed(ABSENT_ID)),
    S("optout_entry_erase", "POST", CLOSED, fixed(ABSENT_ID)),
    S("optout_block", "POST", CLOSED, fixed(ABSENT_ID)),
    S("optout_lists", "GET", {**CLOSED, "moderator": 200}),
    S("optout_lists", "POST", {**CLOSED, "moderator": 422}, data={"name": "x"}),
    S("optout_import", "GET", CLOSED, fixed(987_654_321)),
    S("optout_import", "POST", CLOSED, fixed(987_654_321)),
    S("optout_export", "GET", {**CLOSED, "moderator": 200}),
    S("api_opt_outs", "GET", API),
    S("api_opt_outs", "POST", {"*": 400, "anonymous": 401}, content_type=JSON),
    S("api_opt_out", "DELETE", {"*": 404, "anonymous": 401}, fixed(ABSENT_ID)),
    S("api_opt_out_imports", "POST", {"*": 404, "anonymous": 401, "moderator": 400}),
    S("api_opt_out_import", "GET", {"*": 404, "anonymous": 401}, fixed(987_654_321)),
    S("api_opt_out_register", "GET", {"*": 404, "anonymous": 401, "moderator": 200}),
    # consents, recalls and webhooks: what belongs to somebody is not there for anybody else; its own tests have who may
    S("consent_page", "GET", {"*": 404}, fixed(ABSENT_ID)),
    S("consent_page", "POST", {"*": 404}, fixed(ABSENT_ID)),
    S("consent_open", "GET", {"*": 404}, fixed(ABSENT_ID, "forged-secret")),
    S("consents_held", "GET", PAGE),
    S("consent_ask", "GET", PAGE),
    S("consent_ask", "POST", {"*": 422, "anonymous": 302}, data={"name": "x"}),
    S("consent_held", "GET", CLOSED, fixed(ABSENT_ID)),
    S("consent_evidence_add", "POST", CLOSED, fixed(ABSENT_ID)),
    S("consent_withdraw", "POST", CLOSED, fixed(ABSENT_ID)),
    S("consent_link", "POST", CLOSED, fixed(ABSENT_ID)),
    S("my_recalls", "GET", PAGE),
    S("recall_notice", "GET", CLOSED, fixed(ABSENT_ID)),
    S("recall_notice", "POST", CLOSED, fixed(ABSENT_ID)),
    S("consents", "GET", {**CLOSED, "moderator": 200}),
    S("consent_review", "GET", CLOSED, fixed(ABSENT_ID)),
    S("consent_review", "POST", CLOSED, fixed(ABSENT_ID)),
    S("consent_evidence", "POST", CLOSED, fixed(ABSENT_ID)),
    S("recalls", "GET", {**CLOSED, "moderator": 200}),
    S("recall", "GET", CLOSED, fixed(ABSENT_ID)),
    S("recall", "POST", CLOSED, fixed(ABSENT_ID)),
    S("webhooks", "GET", members_only(404, 403, 302, 200), fixed("studio"), absent=("nowhere",)),
    S("webhooks", "POST", members_only(404, 403, 302, 422), fixed("studio"), {"url": "https://127.0.0.1/"},
      absent=("nowhere",)),
    S("webhook", "GET", members_only(404, 403, 302, 404), fixed("studio", ABSENT_ID)),
    S("webhook_secret", "POST", members_only(404, 403, 302, 404), fixed("studio", ABSENT_ID)),
    S("webhook_topics", "POST", members_only(404, 403, 302, 404), fixed("studio", ABSENT_ID)),
    S("webhook_trial", "POST", members_only(404, 403, 302, 404), fixed("studio", ABSENT_ID)),
    S("webhook_disable", "POST", members_only(404, 403, 302, 404), fixed("studio", ABSENT_ID)),
    S("webhook_replay", "POST", members_only(404, 403, 302, 404), fixed("studio", ABSENT_ID, ABSENT_ID)),
    S("api_consents", "GET", API),
    S("api_consents", "POST", {"*": 400, "anonymous": 401}, content_type=JSON),
    S("api_consent", "GET", {"*": 404, "anonymous": 401}, fixed(ABSENT_ID)),
    S("api_consent_withdraw", "POST", {"*": 404, "anonymous": 401}, fixed(ABSENT_ID), content_type=JSON),
    S("api_consent_link", "POST", {"*": 404, "anonymous": 401}, fixed(ABSENT_ID), content_type=JSON),
    S("api_recalls", "GET", API),
    S("api_recall", "GET", {"*": 404, "anonymous": 401}, fixed(ABSENT_ID)),
    S("api_recall", "POST", {"*": 404, "anonymous": 401}, fixed(ABSENT_ID), content_type=JSON),
    # likeness: what belongs to somebody is not there for anybody else; its own tests have those who may
    S("likeness", "GET", OPEN),
    S("identity_enrol", "GET", PAGE),
    S("identity_enrol", "POST", PAGE),
    S("identity_accept", "GET", {"*": 404}),
    S("identity_accept", "POST", {"*": 404}),
    S("identity_link", "GET", {"*": 404}, fixed("a" * 43)),
    S("identity", "GET", {"*": 404}, fixed(ABSENT_ID)),
    S("identity_pictures", "POST", {"*": 404}, fixed(ABSENT_ID)),
    S("identity_templates_delete", "GET", {"*": 404}, fixed(ABSENT_ID)),
    S("identity_templates_delete", "POST", {"*": 404}, fixed(ABSENT_ID)),
    S("identity_withdraw", "GET", {"*": 404}, fixed(ABSENT_ID)),
    S("identity_withdraw", "POST", {"*": 404}, fixed(ABSENT_ID)),
    S("identities", "GET", {"*": 404, "anonymous": 302, "moderator": 200}),
    S("identities", "POST", {"*": 404, "anonymous": 302, "moderator": 200}, data={"name": "Bea"}),
    S("identity_verify", "POST", {"*": 404, "anonymous": 302}, fixed(ABSENT_ID)),
    S("identity_link_renew", "POST", {"*": 404, "anonymous": 302}, fixed(ABSENT_ID)),
    # cases: their own tests have the moderators and those concerned
    S("case", "GET", CLOSED, fixed(ABSENT_ID)),
    S("case", "POST", CLOSED, fixed(ABSENT_ID)),
    S("case_claim", "POST", CLOSED, fixed(ABSENT_ID)),
    S("case_release", "POST", CLOSED, fixed(ABSENT_ID)),
    S("case_assign", "POST", CLOSED, fixed(ABSENT_ID)),
    S("case_note", "POST", CLOSED, fixed(ABSENT_ID)),
    S("case_escalate", "POST", CLOSED, fixed(ABSENT_ID)),
    S("case_hold", "POST", CLOSED, fixed(ABSENT_ID)),
    S("case_evidence", "POST", CLOSED, fixed(ABSENT_ID)),
    S("case_contact", "POST", CLOSED, fixed(ABSENT_ID, ABSENT_ID)),
    S("case_file", "GET", CLOSED, fixed(ABSENT_ID, "image:nothing")),
    S("case_file_blurred", "GET", CLOSED, fixed(ABSENT_ID, "image:nothing")),
    S("case_figures", "GET", CLOSED | {"moderator": 200}),
    S("macros", "GET", CLOSED | {"moderator": 200}),
    S("macros", "POST", CLOSED | {"moderator": 302}, data={"title": "Spam", "public_reasoning": "It is."}),
    S("macro", "GET", CLOSED, fixed(987_654_321)),
    S("macro", "POST", CLOSED, fixed(987_654_321)),
    S("macro_remove", "POST", CLOSED, fixed(987_654_321)),
    S("report", "GET", OPEN),
    S("report_kind", "GET", {"*": 404}, fixed("spam")),
    S("report_kind", "POST", {"*": 404}, fixed("spam")),
    S("report_track", "GET", {"*": 404}, fixed("a" * 43)),
    S("report_take_back", "POST", {"*": 404}, fixed("a" * 43)),
    S("report_appeal", "POST", {"*": 404}, fixed("a" * 43), {"text": "x"}),
    S("case_affected", "GET", CLOSED, fixed(ABSENT_ID)),
    S("case_affected", "POST", CLOSED, fixed(ABSENT_ID)),
    S("statement", "GET", CLOSED, fixed(ABSENT_ID)),
    S("appeal", "GET", CLOSED, fixed(ABSENT_ID)),
    S("appeal", "POST", CLOSED, fixed(ABSENT_ID)),
    S("counter_notice", "GET", CLOSED, fixed(ABSENT_ID)),
    S("counter_notice", "POST", CLOSED, fixed(ABSENT_ID)),
    S("transparency", "GET", OPEN),
    S("transparency_csv", "GET", OPEN),
    # privacy: what belongs to an account or a link is not there for anybody else; its own tests have those who may
    S("privacy", "GET", OPEN),
    S("privacy", "POST", {"*": 422}, data={"email": "x"}),
    S("privacy_sent", "GET", OPEN),
    S("privacy_erased", "GET", OPEN),
    S("privacy_open", "GET", {"*": 404}, fixed("forged-secret")),
    S("privacy_address", "GET", {"*": 404}),
    S("privacy_address_export", "POST", {"*": 404}),
    S("privacy_address_erase", "GET", {"*": 404}),
    S("privacy_address_erase", "POST", {"*": 404}),
    S("privacy_export", "GET", {"*": 404}, fixed(ABSENT_ID)),
    S("privacy_export_file", "GET", {"*": 404}, fixed(ABSENT_ID)),
    S("account_privacy", "GET", PAGE),
    S("account_privacy", "POST", {"*": 302}),
    S("account_erase", "GET", PAGE),
    S("account_erase", "POST", {"*": 422, "anonymous": 302}, data={"password": "wrong", "sure": "on"}),
    # making: a job or a receipt is there for its own person alone; its own tests have those who may
    S("arrival", "GET", CLOSED, fixed(10**9)),  # its own tests have those who may
    S("making", "GET", PAGE),
    S("making_merge", "GET", PAGE),
    S("making_merge", "POST", {"*": 422, "anonymous": 302}, data={"step": "ask"}),
    S("making_checkpoint", "GET", PAGE),
    S("making_checkpoint", "POST", {"*": 422, "anonymous": 302}, data={"step": "ask"}),
    S("making_extract", "GET", PAGE),
    S("making_extract", "POST", {"*": 422, "anonymous": 302}, data={"step": "ask"}),
    S("making_compare", "GET", PAGE),
    S("making_compare", "POST", {"*": 422, "anonymous": 302}, data={"step": "ask"}),
    S("making_job", "GET", CLOSED, fixed(ABSENT_ID)),
    S("making_cancel", "POST", CLOSED, fixed(ABSENT_ID)),
    S("making_retry", "POST", CLOSED, fixed(ABSENT_ID)),
    S("making_publish", "GET", CLOSED, fixed(ABSENT_ID)),
    S("making_publish", "POST", CLOSED, fixed(ABSENT_ID)),
    S("made_checkpoint", "GET", {"*": 403}, fixed("forged-token")),
    S("made_form", "GET", {"*": 403}, fixed("forged-token")),
    S("receipt_forms", "GET", CLOSED, fixed(ABSENT_ID)),
    S("receipt_forms", "POST", CLOSED, fixed(ABSENT_ID)),
    S("api_making_jobs", "GET", API),
    S("api_making_merges", "POST", {"*": 400, "anonymous": 401}, content_type=JSON),
    S("api_making_checkpoints", "POST", {"*": 400, "anonymous": 401}, content_type=JSON),
    S("api_making_extractions", "POST", {"*": 400, "anonymous": 401}, content_type=JSON),
    S("api_making_comparisons", "POST", {"*": 400, "anonymous": 401}, content_type=JSON),
    S("api_making_job", "GET", {"*": 404, "anonymous": 401}, fixed(ABSENT_ID)),
    S("api_making_cancel", "POST", {"*": 404, "anonymous": 401}, fixed(ABSENT_ID), content_type=JSON),
    S("api_making_retry", "POST", {"*": 404, "anonymous": 401}, fixed(ABSENT_ID), content_type=JSON),
    S("api_making_publish", "POST", {"*": 404, "anonymous": 401}, fixed(ABSENT_ID), content_type=JSON),
    S("api_making_download", "POST", {"*": 404, "anonymous": 401}, fixed(ABSENT_ID), content_type=JSON),
    S("api_receipt_forms", "GET", {"*": 404, "anonymous": 401}, fixed(ABSENT_ID)),
    S("api_receipt_forms", "POST", {"*": 404, "anonymous": 401}, fixed(ABSENT_ID), content_type=JSON),
    # registry
    S("api_uploads", "OPTIONS", {"*": 204}),
    S("api_uploads", "POST", {"*": 201, "anonymous": 401}, headers=TUS | {"Upload-Length": "10"}),
    S("api_upload", "HEAD", mine(200, 401), an_upload, headers=TUS, absent=(ABSENT_ID,)),
    S("api_upload", "PATCH", mine(409, 401), an_upload, headers=TUS | {"Upload-Offset": "0"},
      content_type="application/offset+octet-stream", absent=(ABSENT_ID,)),
    S("api_upload", "DELETE", mine(204, 401), an_upload, headers=TUS, absent=(ABSENT_ID,)),
    S("api_base_models", "GET", OPEN),
    S("api_rights_statement", "GET", OPEN),
    S("api_adapters", "GET", OPEN),
    S("api_facets", "GET", OPEN),
    S("home", "GET", OPEN),
    S("browse", "GET", OPEN),
    S("may_i", "GET", OPEN),
    S("upload", "GET", PAGE),
    S("upload", "POST", {"*": 422, "anonymous": 302}, data={"name": "x"}),
    S("my_uploads", "GET", PAGE),
    S("my_downloads", "GET", PAGE),
    S("upload_discard", "POST", mine(302, 302), an_upload, absent=(ABSENT_ID,)),
    S("creator", "GET", {"*": 302}, fixed("studio")),
    # feeds: whoever asks, they hold what strangers see
    S("feed", "GET", OPEN, fixed("atom")),
    S("feed", "GET", OPEN, fixed("rss")),
    S("feed_owner", "GET", OPEN, fixed("studio", "atom")),
]  # fmt: skip
