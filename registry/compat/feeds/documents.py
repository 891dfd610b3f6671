"""A list of versions as Atom (RFC 4287) or RSS 2.0."""

import hashlib
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.feedgenerator import Atom1Feed, Rss201rev2Feed, SyndicationFeed
from django.utils.http import quote_etag

from registry.models import Version

EMPTY = datetime(1970, 1, 1, tzinfo=UTC)  # when a feed without entries was last changed: it has to say something


class _Dated(SyndicationFeed):
    """Changed when its newest entry was: of an empty one Django says “now”, and no two answers would be the same."""

    def latest_post_date(self) -> datetime:
        return super().latest_post_date() if self.items else EMPTY


class _Atom(_Dated, Atom1Feed):
    pass


class _Rss(_Dated, Rss201rev2Feed):
    pass


FORMS: dict[str, type[SyndicationFeed]] = {"atom": _Atom, "rss": _Rss}
TYPES = {form: f"application/{form}+xml; charset=utf-8" for form in FORMS}
# What no XML 1.0 document may hold, not even escaped (section 2.2).
FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Feed:
    """What a feed is about and where a person reads the same."""

    title: str
    page: str
    about: str
    versions: list[Version] = field(default_factory=list)


@dataclass(frozen=True)
class Document:
    """The bytes, their type and their ETag."""

    content: bytes
    content_type: str
    etag: str


def document(feed: Feed, *, form: str, address: str) -> Document:
    """The feed as `atom` or `rss`; `address` is its own."""
    made = FORMS[form](
        title=_clean(feed.title), link=_clean(feed.page), description=_clean(feed.about), subtitle=_clean(feed.about),
        feed_url=_clean(address), language="en",
    )  # fmt: skip
    for version in feed.versions:
        _add(made, version)
    content = made.writeString("utf-8").encode()
    etag = quote_etag(hashlib.sha256(content).hexdigest()[:32])
    return Document(content, TYPES[form], etag)


def _add(made: SyndicationFeed, version: Version) -> None:
    adapter = version.adapter
    name = f"{adapter.title or adapter.name} v{version.number}" + (f" “{version.label}”" if version.label else "")
    about = render_to_string("registry/_feed_entry.html", {"version": version, "adapter": adapter})
    made.add_item(
        title=_clean(name),
        link=settings.PUBLIC_URL + reverse("version", args=[adapter.owner.slug, adapter.name, version.number]),
        description=_clean(about),
        unique_id=f"urn:uuid:{version.public_id}",
        unique_id_is_permalink=False,
        author_name=adapter.owner.slug,
        pubdate=version.published_at,
        updateddate=version.published_at,
        categories=[_clean(tag) for tag in adapter.tag_names],
    )


def _clean(text: str) -> str:
    return FORBIDDEN.sub("", text)
