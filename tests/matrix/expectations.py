"""What the site ought to answer, in tables that a person can read. Nothing here asks the product's own rules.

STANDING says what somebody is to an adapter. Of the published face they see what is or was published; from inside they
see every version. A moderator stands inside what is public, and inside the rest where something waits for a person.
"""

from tests.matrix.house import Case

STANDING = {
    "studio": """
                 anonymous stranger reader member      uploader    maintainer owner   moderator
        public       face     face     face   contributor contributor manager    manager moderator
        organisation -        -        face   contributor contributor manager    manager concerned
        private      -        -        -      -           contributor manager    manager concerned
    """,
    "pat": """
                 anonymous stranger personal-owner moderator
        public       face     face     manager        moderator
        organisation -        -        manager        concerned
        private      -        -        manager        concerned
    """,
}
WITH_A_FACE = {"published", "withdrawn", "taken-down"}
CONCERNS_MODERATORS = {"in-review", "quarantined", "taken-down", "taken-down-early", "quarantined-early"}


def _parsed(table: str) -> dict[tuple[str, str], str]:
    head, *rows = [line.split() for line in table.strip().splitlines()]
    return {(row[0], role): standing for row in rows for role, standing in zip(head, row[1:], strict=True)}


TABLES = {space: _parsed(table) for space, table in STANDING.items()}


def standing(case: Case, role: str) -> str:
    """ "" for who sees nothing of it, else face, contributor, manager or moderator."""
    found = TABLES[case.space][case.visibility, role]
    if found == "face" and case.situation not in WITH_A_FACE:
        return ""
    if found == "concerned":
        return "moderator" if case.situation in CONCERNS_MODERATORS else ""
    return "" if found == "-" else found


# Who of those that see it may do what; the others get 403.
MAY = {
    "read": {"face", "contributor", "manager", "moderator"},
    "say": {"face", "contributor", "manager", "moderator"},
    "inside": {"contributor", "manager", "moderator"},
    "contribute": {"contributor", "manager"},
    "edit": {"manager"},
    "publish": {"manager"},
    "review": {"moderator"},
}
WITHDRAWABLE = {"draft", "scanning", "waiting", "in-review", "published", "quarantined", "quarantined-early"}


def answer(case: Case, role: str, *, needs: str, guest: int | None, done: int, otherwise: int, allows: set[str]) -> int:
    """The status: `guest` for who is not signed in, 404, 403, or by the situation `done` or `otherwise`."""
    if role == "anonymous" and guest is not None:
        return guest
    here = standing(case, role)
    if not here:
        return 404
    if here not in MAY[needs]:
        return 403
    return done if not allows or case.situation in allows else otherwise


def picture_status(case: Case, role: str) -> int:
    """Pictures: of what is published for every reader, of what was taken down for moderators only."""
    here = standing(case, role)
    if case.situation == "published":
        return 200 if here else 404
    if case.situation.startswith("taken-down"):
        return 200 if here == "moderator" else 404
    return 200 if here in {"contributor", "manager", "moderator"} else 404


def discussion_status(case: Case, role: str, *, needs: str, guest: int | None, done: int) -> int:
    """Discussions are read by who sees the adapter. Strangers add to them while something is published.

    The uploader, who opened the discussion, closes it and edits what they wrote; so does nobody else but that
    managers close and rename as well. Moderators and managers lock, and moderators hide.
    """
    if role == "anonymous" and guest is not None:
        return guest
    here = standing(case, role)
    if not here:
        return 404
    if needs == "read":
        return done
    if needs in {"discuss", "steer"} and here == "face" and case.situation != "published":
        return 409
    author = role in {"uploader", "personal-owner"}
    may = {
        "discuss": True,
        "steer": author or here == "manager",
        "own": author,
        "lock": here in {"manager", "moderator"},
        "hide": here == "moderator",
    }
    return done if may[needs] else 403


ONCE_PUBLISHED = {"published", "withdrawn", "taken-down", "quarantined"}


def civitai_status(name: str, case: Case, role: str) -> int:
    """The Civitai API knows what was published; its downloads pass the gate, where its uploader accepted the terms."""
    if not standing(case, role):
        return 404
    if name == "civitai_model":
        return 200 if case.situation in ONCE_PUBLISHED else 404
    if name == "civitai_version":
        return 200 if case.situation == "published" else 404
    if role == "anonymous":
        return 401
    if case.situation != "published":
        return 410
    return 302 if role in {"uploader", "personal-owner"} else 403  # these hold a receipt
