"""Addresses of the Hub protocol that read: who gets which status, asked with a token of theirs."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.matrix.expectations import MAY, standing
from tests.matrix.house import Case

REPO = "/api/models/{owner}/{name}"
FILE = "style.safetensors"
INSIDE = {"contributor", "manager", "moderator"}
HOLDERS = {"uploader", "personal-owner"}  # these hold a receipt of what is published


def _always(case: Case, role: str) -> int:
    return 200


def _needs(permission: str, done: int) -> Callable[[Case, str], int]:
    """403 for who may not, 401 for a guest who could sign in."""

    def status(case: Case, role: str) -> int:
        if role == "anonymous":
            return 401
        return done if standing(case, role) in MAY[permission] else 403

    return status


def _revision(case: Case, role: str) -> int:
    """Others find a revision where it is published; from inside everybody finds one once the file was read."""
    if standing(case, role) in INSIDE:
        return 200 if case.version.revision_id is not None else 404
    return 200 if case.situation == "published" else 404


def _weights(case: Case, role: str) -> int:
    """Only what is published passes the gate, and only for who accepted its terms."""
    if case.situation != "published":
        return 404
    return 401 if role == "anonymous" else 200 if role in HOLDERS else 403


def _checked(case: Case, role: str) -> int:
    """As `_weights`, of whatever the repository would hand out; a guest is asked to sign in before anything else."""
    return 401 if role == "anonymous" else _weights(case, role)


@dataclass(frozen=True)
class HubReading:
    """`status` is for who knows of the repository; for everybody else it is absent."""

    name: str
    method: str
    path: str
    status: Callable[[Case, str], int]

    def __str__(self) -> str:
        return f"{self.method} {self.name}"


HUB_READING = [
    HubReading("hub_info", "GET", REPO, _always),
    HubReading("hub_revision", "GET", f"{REPO}/revision/main", _revision),
    HubReading("hub_tree", "GET", f"{REPO}/tree/main?recursive=true&expand=true", _revision),
    HubReading("hub_paths_info", "POST", f"{REPO}/paths-info/main", _revision),
    HubReading("hub_refs", "GET", f"{REPO}/refs", _always),
    HubReading("hub_commits", "GET", f"{REPO}/commits/main", _revision),
    HubReading("hub_auth_check", "GET", f"{REPO}/auth-check", _checked),
    HubReading("hub_auth_check_write", "GET", f"{REPO}/auth-check/write", _needs("contribute", 200)),
    HubReading("hub_access_list", "GET", f"{REPO}/user-access-request/pending", _needs("edit", 400)),
    HubReading("hub_access_handle", "POST", f"{REPO}/user-access-request/handle", _needs("edit", 400)),
    HubReading("hub_access_grant", "POST", f"{REPO}/user-access-request/grant", _needs("edit", 400)),
    HubReading("hub_resolve", "GET", "/{owner}/{name}/resolve/main/" + FILE, _weights),
    HubReading("hub_resolve", "HEAD", "/{owner}/{name}/resolve/main/" + FILE, _weights),
]
# No repository's: a guest and everybody else.
HUB_OPEN = [
    ("hub_whoami", "GET", "/api/whoami-v2", 401, 200),
    ("hub_harnesses", "GET", "/api/agent-harnesses", 200, 200),
    ("hub_list", "GET", "/api/models", 200, 200),
    ("hub_list", "GET", "/api/spaces", 501, 501),
    ("hub_nameless", "GET", "/api/models/absent", 401, 404),
    ("hub_resolve_nameless", "GET", "/absent/resolve/main/config.json", 401, 404),
    ("hub_not_offered", "GET", "/api/models/a/b/nothing", 501, 501),
    ("hub_not_offered", "POST", "/api/models/a/b/nothing", 501, 501),
    ("hub_not_offered", "PUT", "/api/models/a/b/nothing", 501, 501),
    ("hub_not_offered", "PATCH", "/api/models/a/b/nothing", 501, 501),
    ("hub_not_offered", "DELETE", "/api/models/a/b/nothing", 501, 501),
    *(("hub_elsewhere", method, "/api/collections", 501, 501) for method in ("GET", "POST", "PUT", "PATCH", "DELETE")),
]
DATASET = "/api/datasets/{owner}/{name}"
# Datasets are for the organisation's people; for everybody else they are absent.
HUB_DATASETS = [
    ("hub_info", DATASET, 200),
    ("hub_revision", f"{DATASET}/revision/main", 200),
    ("hub_tree", f"{DATASET}/tree/main", 200),
    ("hub_refs", f"{DATASET}/refs", 200),
    ("hub_commits", f"{DATASET}/commits/main", 200),
    ("hub_auth_check", f"{DATASET}/auth-check", 200),
    ("hub_resolve_dataset", "/datasets/{owner}/{name}/resolve/main/a.png", 200),
]
HUB_READING_KNOWN = {(address.name, address.method) for address in HUB_READING if address.method != "HEAD"}
# Of what is not offered the walk over all addresses sees one that another answers.
HUB_READING_KNOWN |= {(name, method) for name, method, *_ in HUB_OPEN if name != "hub_not_offered" or method == "GET"}
HUB_READING_KNOWN |= {(name, "GET") for name, *_ in HUB_DATASETS}


def expected(address: HubReading, case: Case, role: str) -> int:
    """A guest is asked to sign in where somebody else would be told that there is nothing."""
    if not standing(case, role):
        return 401 if role == "anonymous" else 404
    return address.status(case, role)
