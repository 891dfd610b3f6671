"""Every address of datasets, asked about one of the organisation that one of its members made."""

from typing import Any

from tests.matrix.adapter_addresses import ABSENT_ID
from tests.matrix.house import House
from tests.matrix.run_addresses import inside, steering
from tests.matrix.site_addresses import JSON, OPEN, SiteAddress

S = SiteAddress
SET = ("studio", "matrix-set")
NOWHERE = ("studio", "nothing-here")
GUEST, API_GUEST = 302, 401
PAGE = {"*": 200, "anonymous": GUEST}


def the_set(house: House) -> list[Any]:
    return list(SET)


def the_picture(house: House) -> list[Any]:
    return [house.dataset_picture]


def nobody(guest: int) -> dict[str, int]:
    """What nobody of the organisation may do: it is for moderators, and here nothing waits for one."""
    return inside(403, guest)


def page(name: str, status: int = 200) -> SiteAddress:
    return S(name, "GET", inside(status, GUEST), the_set, absent=NOWHERE)


def post(name: str, status: int, data: Any = None) -> SiteAddress:
    return S(name, "POST", inside(status, GUEST), the_set, data or {}, absent=NOWHERE)


def managed(name: str, method: str, status: int, data: Any = None) -> SiteAddress:
    return S(name, method, steering(status, GUEST), the_set, data or {}, absent=NOWHERE)


def of_picture(name: str, method: str, statuses: dict[str, int], **more: Any) -> SiteAddress:
    return S(name, method, statuses, the_picture, absent=(ABSENT_ID,), **more)


def api(name: str, method: str, statuses: dict[str, int], **more: Any) -> SiteAddress:
    return S(name, method, statuses, the_set, absent=NOWHERE, content_type="" if method == "GET" else JSON, **more)


DATASETS = [
    S("datasets", "GET", PAGE),
    S("dataset_new", "GET", PAGE),
    S("dataset_new", "POST", {"*": 422, "anonymous": GUEST}, data={"name": "x"}),
    S("dataset_deletions", "GET", PAGE),
    page("dataset"),
    page("dataset_status"),
    page("dataset_report"),
    page("dataset_captions"),
    page("dataset_about"),
    post("dataset_upload", 302),
    post("dataset_about", 422, {"title": "x"}),
    post("dataset_recheck", 302),
    post("dataset_pictures", 422),
    post("dataset_captions", 422, {"kind": "replace"}),
    post("dataset_captioning", 302),
    S("dataset_edit_undo", "POST", {"*": 404, "anonymous": GUEST}, lambda house: [*SET, ABSENT_ID]),
    managed("dataset_rights", "GET", 200),
    managed("dataset_rights", "POST", 422, {"origin": "own"}),
    S("dataset_consents", "POST", steering(404, GUEST), the_set),  # no consent is named
    managed("dataset_keep", "POST", 302),
    managed("dataset_remove", "GET", 200),
    managed("dataset_remove", "POST", 302),
    S("dataset_set_rule", "POST", nobody(GUEST), the_set, absent=NOWHERE),
    of_picture("dataset_picture", "GET", inside(200, GUEST)),
    of_picture("dataset_image", "GET", inside(200, GUEST)),
    of_picture("dataset_thumb", "GET", inside(200, GUEST)),
    of_picture("dataset_picture_caption", "POST", inside(302, GUEST), data={"caption": "x"}),
    of_picture("dataset_picture_facts", "POST", inside(302, GUEST), data={"repeats": "2"}),
    of_picture("dataset_picture_rule", "POST", nobody(GUEST), data={"verdict": "allow", "reasoning": "x"}),
    S("api_dataset_statement", "GET", OPEN),
    S("api_datasets", "GET", {"*": 200, "anonymous": API_GUEST}),
    S("api_datasets", "POST", {"*": 400, "anonymous": API_GUEST}, content_type=JSON),
    api("api_dataset", "GET", inside(200, API_GUEST)),
    api("api_dataset", "PATCH", steering(200, API_GUEST), data={"title": "x"}),
    api("api_dataset", "DELETE", steering(200, API_GUEST)),
    api("api_dataset_imports", "POST", inside(400, API_GUEST)),
    api("api_dataset_jobs", "GET", inside(200, API_GUEST)),
    api("api_dataset_report", "GET", inside(200, API_GUEST)),
    api("api_dataset_pictures", "GET", inside(200, API_GUEST)),
    api("api_dataset_captions", "GET", inside(200, API_GUEST)),
    api("api_dataset_captions", "POST", inside(400, API_GUEST)),
    S("api_dataset_edit_undo", "POST", {"*": 404, "anonymous": API_GUEST}, lambda house: [*SET, ABSENT_ID],
      content_type=JSON),
    api("api_dataset_captioning", "POST", inside(400, API_GUEST)),
    api("api_dataset_consents", "POST", steering(400, API_GUEST)),
    S("api_dataset_consent", "DELETE", {"*": 404, "anonymous": API_GUEST, "member": 403},
      lambda house: [*SET, ABSENT_ID], content_type=JSON),
    api("api_dataset_snapshots", "GET", inside(200, API_GUEST)),
    api("api_dataset_snapshots", "POST", inside(409, API_GUEST)),
    api("api_dataset_consents", "GET", steering(200, API_GUEST)),
    api("api_dataset_recheck", "POST", inside(202, API_GUEST)),
    api("api_dataset_ruling", "POST", nobody(API_GUEST), data={"reasoning": "x"}),
    S("api_dataset_captioners", "GET", {"*": 200, "anonymous": API_GUEST}),
    S("api_dataset_deletions", "GET", {"*": 200, "anonymous": API_GUEST}),
    of_picture("api_dataset_picture_thumb", "GET", inside(200, API_GUEST)),
    of_picture("api_dataset_picture_ruling", "POST", nobody(API_GUEST), data={"verdict": "allow", "reasoning": "x"},
               content_type=JSON),
    of_picture("api_dataset_picture", "GET", inside(200, API_GUEST)),
    of_picture("api_dataset_picture", "PATCH", inside(200, API_GUEST), data={"repeats": 2}, content_type=JSON),
    of_picture("api_dataset_picture", "DELETE", inside(204, API_GUEST), content_type=JSON),
    of_picture("api_dataset_picture_content", "GET", inside(200, API_GUEST)),
]  # fmt: skip
