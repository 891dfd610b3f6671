"""Pictures side by side: what the screening found in a version's pictures, and what it resembles."""

from dataclasses import dataclass

from moderation.models import Block, Case, PictureMatch, WorkFeatures
from moderation.selectors.screening import checks_newest


@dataclass(frozen=True)
class Match:
    """Two pictures by the keys under which the case opens them; `right` is empty where there is none to be shown."""

    left: str
    right: str
    caption: str
    score: str
    against: str


def matches_of(case: Case) -> list[Match]:
    """What a moderator compares by eye: the matches of the newest run of each check."""
    rows = PictureMatch.objects.filter(check_row__in=checks_newest(case.version)).order_by("pk")
    return [_match(row) for row in rows]


def _match(row: PictureMatch) -> Match:
    kind, _, name = row.against.partition(":")
    right = row.against if _has_picture(kind, name) else ""
    return Match(row.picture, right, row.caption, row.score, kind)


def _has_picture(kind: str, name: str) -> bool:
    if kind == "work":
        return WorkFeatures.objects.filter(entry__public_id=name, thumbnail_sealed__isnull=False).exists()
    if kind == "block":
        return Block.objects.filter(pk=name).exclude(source="").exists()
    return False
