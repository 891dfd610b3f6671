"""Every error code that the house can answer with says what it is and what to do."""

from accounts.errors import NotFound
from governance.problems import all_problems, problem_by_code


def test_own_words_win_over_the_frameworks() -> None:
    found = problem_by_code("not-found")
    assert found is not None
    assert (found.status, found.remedy) == (404, NotFound.remedy)


def test_codes_of_the_framework_and_of_governance_are_known() -> None:
    known = {problem.code for problem in all_problems()}
    assert known >= {"throttled", "not-authenticated", "invalid", "parse-error", "method-not-allowed"}
    assert known >= {"refused-by-policy", "needs-facts", "needs-review", "name-taken", "internal"}


def test_unknown_code_is_none() -> None:
    assert problem_by_code("no-such-code") is None
