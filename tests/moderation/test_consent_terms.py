"""States and terms of a consent, as tables without a database."""

from datetime import UTC, datetime
from itertools import product

import pytest

from governance.policy.territories import is_covered
from moderation.consent_terms import ConsentScope, ConsentState, Terms, may_become

S = ConsentScope
EARLY, LATE = datetime(2027, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)

STEPS = {
    "asked": "granted refused withdrawn lapsed",
    "granted": "granted revoked expired",
    "refused": "granted",
    "revoked": "granted",
    "expired": "granted",
    "withdrawn": "",
    "lapsed": "",
}


@pytest.mark.parametrize(("current", "wanted"), list(product(ConsentState, ConsentState)))
def test_step_between_states_is_allowed_where_the_table_says_so(current: ConsentState, wanted: ConsentState) -> None:
    assert may_become(current, wanted) is (wanted.value in STEPS[current.value].split())


def _terms(scopes: set[ConsentScope], adapters: str = "", where: str = "", until: datetime | None = None) -> Terms:
    return Terms(frozenset(scopes), frozenset(adapters.split()), frozenset(where.split()), until)


FULL = _terms({S.TRAINING, S.PUBLICATION})
BOUND = _terms({S.TRAINING}, "ada/one ada/two", "DE EU", EARLY)

BEYOND = [
    (FULL, FULL, ()),
    (_terms({S.TRAINING}), FULL, ()),
    (_terms({S.TRAINING, S.COMMERCIAL}), FULL, ("scopes",)),
    (_terms({S.TRAINING}, "ada/one"), FULL, ()),
    (_terms({S.TRAINING}, "ada/one", "FR", EARLY), BOUND, ()),
    (_terms({S.TRAINING}, "ada/one", "EU", EARLY), BOUND, ()),
    (_terms({S.TRAINING}, "ada/other", "DE", EARLY), BOUND, ("adapters",)),
    (_terms({S.TRAINING}, "", "DE", EARLY), BOUND, ("adapters",)),
    (_terms({S.TRAINING}, "ada/one", "US", EARLY), BOUND, ("territories",)),
    (_terms({S.TRAINING}, "ada/one", "", EARLY), BOUND, ("territories",)),
    (_terms({S.TRAINING}, "ada/one", "DE", LATE), BOUND, ("until",)),
    (_terms({S.TRAINING}, "ada/one", "DE", None), BOUND, ("until",)),
    (_terms({S.PREVIEW}, "bob/x", "US", None), BOUND, ("scopes", "adapters", "territories", "until")),
]


@pytest.mark.parametrize(("wanted", "limit", "names"), BEYOND)
def test_terms_that_reach_further_are_named(wanted: Terms, limit: Terms, names: tuple[str, ...]) -> None:
    assert wanted.beyond(limit) == names


@pytest.mark.parametrize(
    ("until", "words"),
    [
        (None, "it is taken back"),
        (EARLY, "the end of 31 December 2026"),
        (datetime(2027, 5, 4, 13, 7, tzinfo=UTC), "4 May 2027, 13:07 UTC"),
    ],
)
def test_end_of_terms_is_said_in_words(until: datetime | None, words: str) -> None:
    assert _terms({S.TRAINING}, until=until).end_words == words


def test_terms_read_back_as_they_were_written() -> None:
    for terms in (FULL, BOUND):
        assert Terms.from_json(terms.to_json()) == terms


@pytest.mark.parametrize(
    ("territory", "named", "covered"),
    [
        ("US", "", True),
        ("DE", "DE", True),
        ("FR", "DE", False),
        ("FR", "EU", True),
        ("EU", "EU", True),
        ("EU", "DE", False),
        ("GB", "EU", False),
        ("US", "EU US", True),
    ],
)
def test_territory_lies_within_what_is_named(territory: str, named: str, covered: bool) -> None:
    assert is_covered(territory, frozenset(named.split())) is covered
