"""The facts form: silence is "not said", never "no", and comes back as it was stated."""

import pytest

from governance.forms import QUESTIONS, ActorFactsForm, facts_initial, registrars
from governance.models import ActorProfile
from governance.policy import ActorFacts
from governance.selectors import FACTS


def test_empty_form_states_nothing() -> None:
    form = ActorFactsForm({})
    assert form.is_valid()
    assert all(value in (None, "") for value in form.cleaned_data.values())


def test_form_asks_for_every_fact_that_the_engine_knows() -> None:
    asked = set(ActorFactsForm().fields) - {"standing_use"}
    assert asked == set(ActorFacts.__dataclass_fields__)
    assert set(FACTS) | {"territory", "registered_with"} == asked


def test_registrars_are_those_of_the_catalogue() -> None:
    assert registrars() == ["kolors", "stability-ai"]


@pytest.mark.parametrize(("answer", "value"), [("yes", True), ("no", False), ("", None)])
def test_answer_becomes_a_fact(answer: str, value: bool | None) -> None:
    form = ActorFactsForm(dict.fromkeys(QUESTIONS, answer))
    assert form.is_valid()
    assert {form.cleaned_data[name] for name in QUESTIONS} == {value}


@pytest.mark.parametrize(
    ("chosen", "value"),
    [([], None), (["none"], []), (["kolors"], ["kolors"]), (["kolors", "stability-ai"], ["kolors", "stability-ai"])],
)
def test_registrations_tell_none_from_not_said(chosen: list[str], value: list[str] | None) -> None:
    form = ActorFactsForm({"registered_with": chosen})
    assert form.is_valid()
    assert form.cleaned_data["registered_with"] == value


WRONG = [
    {"registered_with": ["none", "kolors"]},
    {"registered_with": ["somebody"]},
    {"territory": "XX"},
    {"annual_revenue_usd": "-1"},
    {"monthly_users": "many"},
    {"receives_payment": "maybe"},
    {"standing_use": "publish"},
]


@pytest.mark.parametrize("data", WRONG, ids=str)
def test_answer_that_means_nothing_is_an_error(data: dict[str, object]) -> None:
    form = ActorFactsForm(data)
    assert not form.is_valid()
    assert set(form.errors) == set(data)


def test_stated_facts_come_back_as_they_were_said() -> None:
    profile = ActorProfile(territory="JP", receives_payment=False, discloses_ai=True, registered_with=[])
    shown = facts_initial(profile)
    assert (shown["territory"], shown["receives_payment"], shown["discloses_ai"]) == ("JP", "no", "yes")
    assert shown["filters_content"] == ""
    assert shown["registered_with"] == ["none"]
    form = ActorFactsForm(shown)
    assert form.is_valid()
    assert form.cleaned_data["registered_with"] == []
    assert facts_initial(None) == {}
