"""Every error code that an answer of this site can carry, for the pages that `type` of a problem document names."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from rest_framework.exceptions import APIException

from accounts.errors import DomainError
from governance.errors import GovernanceRefused

Base = TypeVar("Base", bound=Exception)


@dataclass(frozen=True)
class Problem:
    """One error code with its HTTP status, what it means and what to do."""

    code: str
    status: int
    title: str
    meaning: str
    remedy: str


# Codes that an error takes on as the case requires, and the one of a failure nobody foresaw.
_SPECIAL = (
    Problem(
        "needs-review",
        GovernanceRefused.status,
        "Not settled",
        "The licences do not settle this use, so it is neither allowed nor refused.",
        "Read the reasons. A moderator can decide it, or another use or adapter may serve.",
    ),
    Problem(
        "needs-facts",
        GovernanceRefused.status,
        "Not settled",
        "A licence asks for facts about you that were not stated.",
        "Answer the questions on your account's facts page, and ask again.",
    ),
    Problem(
        "internal",
        500,
        "Internal error",
        "Something failed that is not your doing. It was logged.",
        "Try again later, and tell whoever runs this registry when it lasts.",
    ),
)

_API_REMEDIES = {
    400: "Correct what `errors` names and send it again.",
    401: "Send `Authorization: Bearer <token>` with a live token from your account page.",
    403: "Use an account or a token scope that may do this.",
    404: "Check the address. If the thing is private, authenticate with an account that may see it.",
    405: "Use one of the methods named in the Allow header.",
    406: "Accept application/json.",
    415: "Send the content type that the documentation names.",
    429: "Wait as long as the Retry-After header says.",
}


def problem_by_code(code: str) -> Problem | None:
    """What the site knows about an error code."""
    return {problem.code: problem for problem in all_problems()}.get(code)


def all_problems() -> Iterator[Problem]:
    """Every code, the house's own errors last, so that their words win over the framework's."""
    for framework in _subclasses(APIException):
        yield _of_framework(framework)
    yield from _SPECIAL
    for own in _subclasses(DomainError):
        if "code" in vars(own):
            yield Problem(own.code, own.status, own.title, (own.__doc__ or "").strip(), own.remedy)


def _of_framework(error: type[APIException]) -> Problem:
    title = str(error.default_detail).rstrip(".")
    remedy = _API_REMEDIES.get(error.status_code, "")
    return Problem(str(error.default_code).replace("_", "-"), error.status_code, title, "", remedy)


def _subclasses(base: type[Base]) -> Iterator[type[Base]]:
    for child in base.__subclasses__():
        yield child
        yield from _subclasses(child)
