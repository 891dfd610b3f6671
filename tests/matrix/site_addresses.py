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
    data: dict[str, Any] = field(default_factory=dict)
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
]  # fmt: skip
