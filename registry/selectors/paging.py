"""Pages of a list by key: what is added meanwhile neither repeats nor hides a row."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet

M = TypeVar("M", bound=Model)
PAGE = 30


@dataclass(frozen=True)
class KeyPage(Generic[M]):
    """The rows of one page, newest first, and the keys of the pages beside it; empty where there is none."""

    rows: list[M]
    before: str = ""  # the key behind which the older rows begin
    after: str = ""


def page_by_key(rows: QuerySet[M], *, by: str, before: str = "", after: str = "", size: int = PAGE) -> KeyPage[M]:
    """One page of `rows`, newest first by the moment `by`: those behind, or those in front of the row with this key.

    A key that is none of these rows leads to the first page.
    """
    anchor = _anchor(rows, before or after)
    backwards = anchor is not None and not before
    order = (by, "pk") if backwards else (f"-{by}", "-pk")
    if anchor is not None:
        rows = rows.filter(_beyond(anchor, by, "gt" if backwards else "lt"))
    found = list(rows.order_by(*order)[: size + 1])
    more, found = len(found) > size, found[:size]
    if backwards:
        found.reverse()
    older, newer = (True, more) if backwards else (more, anchor is not None)
    if not found:
        return KeyPage(rows=[])
    return KeyPage(rows=found, before=str(found[-1].pk) if older else "", after=str(found[0].pk) if newer else "")


def _anchor(rows: QuerySet[M], key: str) -> M | None:
    if not key:
        return None
    try:
        return rows.filter(pk=key).first()
    except (ValueError, OverflowError, ValidationError):  # no key at all
        return None


def _beyond(anchor: Any, by: str, side: str) -> Q:
    moment = getattr(anchor, by)
    return Q(**{f"{by}__{side}": moment}) | Q(**{by: moment, f"pk__{side}": anchor.pk})
