"""The base of every error that people are meant to read; each app derives its own from it."""

from typing import Any


class DomainError(Exception):
    """What happened (`detail`), under a stable `code`, with an HTTP `status` and what to do (`remedy`)."""

    code = "error"
    status = 400
    title = "That did not work"
    remedy = ""

    def __init__(self, detail: str = "", *, remedy: str | None = None, **data: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        if remedy is not None:
            self.remedy = remedy
        self.data = data

    def to_json(self) -> dict[str, Any]:
        """The members of a problem document (RFC 9457) that this error contributes."""
        return {
            "type": f"/problems/{self.code}",
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            "remedy": self.remedy,
            **self.data,
        }


class AccountsError(DomainError):
    """Base of the errors of the accounts app."""


class NotFound(DomainError):
    """Absent, or not readable by this person: the answer is the same for both."""

    code = "not-found"
    status = 404
    title = "Not found"
    remedy = "Check the address. If the page is private, sign in with an account that may see it."


class NotPermitted(DomainError):
    """The person can see the thing but may not do this to it."""

    code = "not-permitted"
    status = 403
    title = "Not permitted"
    remedy = "Ask an owner of the adapter or organisation for a role that may do this."
