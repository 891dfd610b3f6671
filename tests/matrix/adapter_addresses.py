"""Every address that belongs to one adapter, with what it needs and what it answers."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.factories.registry import declaration
from tests.matrix.expectations import WITHDRAWABLE
from tests.matrix.house import SITUATIONS, Case, House

SIGN_IN, TOKEN = 302, 401  # what a guest gets from pages and from the API
ABSENT_ID = uuid.UUID("00000000-0000-4000-8000-000000000000")
Args = Callable[[Case], list[Any]]


def by_name(case: Case) -> list[Any]:
    return [case.space, case.version.adapter.name]


def by_feed(case: Case) -> list[Any]:
    return [*by_name(case), "atom"]


def by_revision(case: Case) -> list[Any]:
    return [*by_name(case), "main"]


def by_path(case: Case) -> list[Any]:
    return [*by_revision(case), "style.safetensors"]


def by_number(case: Case) -> list[Any]:
    return [*by_name(case), 1]


def by_job(case: Case) -> list[Any]:
    return [case.job.pk]


def by_image(case: Case) -> list[Any]:
    return [case.image.pk]


def by_sample(case: Case) -> list[Any]:
    return [case.sample.pk]


def by_own_sample(case: Case) -> list[Any]:
    return [*by_number(case), case.sample.pk]


def by_comment(case: Case) -> list[Any]:
    return [*by_number(case), case.comment.public_id]


def by_key(case: Case) -> list[Any]:
    return [case.version.pk]


def by_adapter_key(case: Case) -> list[Any]:
    return [case.version.adapter_id]


# The same address where there is nothing.
ABSENT: dict[Args, Callable[[Case], list[Any]]] = {
    by_name: lambda case: [case.space, "nothing-here"],
    by_feed: lambda case: [case.space, "nothing-here", "atom"],
    by_revision: lambda case: [case.space, "nothing-here", "main"],
    by_path: lambda case: [case.space, "nothing-here", "main", "style.safetensors"],
    by_number: lambda case: [case.space, "nothing-here", 1],
    by_job: lambda case: [ABSENT_ID],
    by_image: lambda case: [ABSENT_ID],
    by_sample: lambda case: [ABSENT_ID],
    by_own_sample: lambda case: [case.space, "nothing-here", 1, ABSENT_ID],
    by_comment: lambda case: [case.space, "nothing-here", 1, ABSENT_ID],
    by_key: lambda case: [987_654_321],
    by_adapter_key: lambda case: [987_654_321],
}


@dataclass(frozen=True)
class Address:
    """One address and method: who needs which permission, and the status when the version's situation allows it."""

    name: str
    method: str
    args: Args
    needs: str
    done: int
    guest: int | None = None
    otherwise: int = 0
    allows: set[str] = field(default_factory=set)
    data: dict[str, Any] = field(default_factory=dict)
    json: bool = False

    def __str__(self) -> str:
        return f"{self.method}-{self.name}"


def _page(name: str, args: Args, needs: str = "read", **more: Any) -> Address:
    return Address(name, "GET", args, needs, 200, **more)


def _post(name: str, args: Args, needs: str, done: int, **more: Any) -> Address:
    return Address(name, "POST", args, needs, done, guest=SIGN_IN, **more)


def _api(name: str, args: Args, needs: str, method: str = "GET", done: int = 200, **more: Any) -> Address:
    return Address(name, method, args, needs, done, guest=None if method == "GET" else TOKEN, json=True, **more)


PUBLISHED = {"published"}
# What was taken down shows its pictures to moderators alone.
SEEN_INSIDE = set(SITUATIONS) - {"taken-down", "taken-down-early"}
EDIT = {"title": "Changed", "visibility": "private", "content_level": "general"}

ADDRESSES = [
    _page("adapter", by_name),
    *(Address(f"revision_{kind}", "GET", by_revision, "read", 302) for kind in ("commit", "tree")),
    Address("revision_blob", "GET", by_path, "read", 302),
    _page("version", by_number),
    _page("version_status", by_number),
    _page("previews", by_number),
    _page("version_made", by_number),
    _page("image", by_image),  # its statuses are those of `picture_status`
    _page("sample", by_sample),  # and those of this one
    _page("samples", by_number, "contribute", guest=SIGN_IN),
    _page("version_checks", by_number, "inside", guest=SIGN_IN),
    _page("gate", by_number, guest=SIGN_IN, allows=PUBLISHED, otherwise=410),
    _page("adapter_edit", by_name, "edit", guest=SIGN_IN),
    _page("access_request", by_name, guest=SIGN_IN),
    _page("access_requests", by_name, "edit", guest=SIGN_IN),
    _page("withdraw", by_number, "publish", guest=SIGN_IN),
    _page("version_consents", by_number, "inside", guest=SIGN_IN),
    _page("review_version", by_key, "review", guest=SIGN_IN),
    _post("gate", by_number, "read", 200, data={"use": "personal"}, allows=PUBLISHED, otherwise=410),
    _post("adapter_edit", by_name, "edit", 302, data=EDIT),
    _post("access_request", by_name, "read", 422),  # the form again, which asks for the reason
    _post("access_requests", by_name, "edit", 302, data={"step": "granted"}),
    _post("withdraw", by_number, "publish", 302, data={"reason": "Mine."}, allows=WITHDRAWABLE, otherwise=409),
    _post("release", by_number, "publish", 302, allows={"waiting"}, otherwise=409),
    _post("recheck", by_number, "contribute", 302, allows=PUBLISHED, otherwise=409),  # none waits for facts
    _post("checks_again", by_number, "contribute", 409),  # none is held by its checks
    _post("samples", by_number, "contribute", 200),  # the form again, which says what is missing
    _post("sample_delete", by_own_sample, "contribute", 302, allows=SEEN_INSIDE, otherwise=404),
    _post("rate", by_name, "read", 403, data={"stars": "5"}),  # nobody here but its own people downloaded it
    _post("preview_cancel", by_job, "contribute", 200),
    _post("preview_retry", by_job, "contribute", 409),  # one is queued already
    _post("review_version", by_key, "review", 302, data={"verdict": "refuse", "public_reasoning": "No."}),
    _post("version_hold", by_key, "review", 302, allows={"published", "in-review", "waiting"}, otherwise=409),
    _page("feed_adapter", by_feed),  # its status is that of a stranger, whoever asks
    # those of discussions are of `discussion_status`
    _page("discussions", by_name),
    _page("discussion_new", by_name, "discuss", guest=SIGN_IN),
    _page("discussion", by_number),
    _page("discussion_title", by_number, "steer", guest=SIGN_IN),
    Address("discussion_comment", "GET", by_comment, "read", 302),
    _page("discussion_comment_edit", by_comment, "own", guest=SIGN_IN),
    _page("discussion_comment_hide", by_comment, "hide", guest=SIGN_IN),
    _post("discussion_new", by_name, "discuss", 302, data={"title": "A title", "text": "Words."}),
    Address("discussion", "POST", by_number, "discuss", 302, guest=SIGN_IN, data={"text": "Words."}),
    _post("discussion_status", by_number, "steer", 302, data={"status": "closed"}),
    _post("discussion_title", by_number, "steer", 302, data={"title": "Another title"}),
    _post("discussion_lock", by_number, "lock", 302, data={"locked": "yes"}),
    _post("discussion_comment_edit", by_comment, "own", 302, data={"text": "Other words."}),
    _post("discussion_comment_hide", by_comment, "hide", 302, data={"reason": "Insults."}),
    _post("discussion_comment_show", by_comment, "hide", 409),  # it is not hidden
    _api("api_discussions", by_name, "read"),
    _api("api_discussions", by_name, "discuss", "POST", 201, data={"title": "A title", "text": "Words."}),
    _api("api_discussion", by_number, "read"),
    _api("api_discussion", by_number, "steer", "PATCH", data={"status": "closed"}),
    _api("api_discussion_comments", by_number, "discuss", "POST", 201, data={"text": "Words."}),
    _api("api_discussion_comment", by_comment, "read"),
    _api("api_discussion_comment", by_comment, "own", "PATCH", data={"text": "Other words."}),
    _api("api_discussion_comment_hiding", by_comment, "hide", "PUT", data={"reason": "Insults."}),
    _api("api_discussion_comment_hiding", by_comment, "hide", "DELETE", 409),
    _api("api_adapter", by_name, "read"),
    _api("api_versions", by_name, "read"),
    _api("api_version", by_number, "read"),
    _api("api_preview_jobs", by_number, "read"),
    _api("api_version_made", by_number, "read"),
    _api("api_samples", by_number, "read"),
    _api("api_samples", by_number, "contribute", "POST", 415),  # no multipart form
    _api("api_adapter", by_name, "edit", "PATCH", data={"title": "Changed"}),
    _api("api_rating", by_name, "read", "PUT", 403, data={"stars": 5}),
    _api("api_withdraw", by_number, "publish", "POST", data={"reason": "Mine."}, allows=WITHDRAWABLE, otherwise=409),
    _api("api_download", by_number, "read", "POST", data={"use": "personal"}, allows=PUBLISHED, otherwise=410),
    _api("api_recheck", by_number, "contribute", "POST", allows=PUBLISHED, otherwise=409),
    _api("api_preview_cancel", by_job, "contribute", "POST"),
    _api("api_preview_retry", by_job, "contribute", "POST", 409),
    # their statuses are those of `civitai_status`
    _api("civitai_model", by_adapter_key, "read"),
    _api("civitai_version", by_key, "read"),
    _api("civitai_download", by_key, "read"),
]


def submission(house: House, role: str) -> dict[str, Any]:
    """The body with which `role` submits a new version."""
    return {
        "upload": str(house.uploads[role].pk) if role in house.uploads else str(ABSENT_ID),
        "base_model": "tinybase",
        "licence_id": "apache-2.0",
        "training_sources": "Drawn by hand.",
        "depicts_real_person": False,
        "rights_edition": declaration().rights_edition,
    }
