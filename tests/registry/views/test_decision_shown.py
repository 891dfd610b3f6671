"""How a decision is shown: obligations only where they can arise, each wording once with everything that brings it."""

import pytest
from django.template.loader import render_to_string
from django.test import Client

from registry.templatetags.house import merged_duties
from tests.factories.accounts import make_user
from tests.factories.registry import make_version

DUTY = {"text": "Keep the notice.", "licence": "mit", "clause": "1", "component": "base"}


def _shown(outcome: str, duties: list[dict[str, str]]) -> str:
    decision = {"outcome": outcome, "use": "personal", "reasons": [], "obligations": duties, "ruleset_digest": "0" * 64}
    return " ".join(render_to_string("components/_decision.html", {"decision": decision}).split())


def test_refusal_lists_no_obligations() -> None:
    text = _shown("deny", [DUTY])
    assert "obligation" not in text
    assert "Keep the notice." not in text


def test_allowed_use_opens_its_obligations() -> None:
    assert '<details class="decision__part" open><summary>1 obligation that comes with it' in _shown("allow", [DUTY])


def test_open_question_says_would() -> None:
    text = _shown("review", [DUTY, {**DUTY, "text": "Another."}])
    assert "2 obligations that would come with it if it is allowed" in text
    assert "open>" not in text


def test_equal_wordings_are_one_with_every_component_and_clause() -> None:
    other = {**DUTY, "component": "adapter"}
    elsewhere = {**DUTY, "licence": "bsd", "clause": "2"}
    different = {**DUTY, "text": "Say so."}
    assert merged_duties([DUTY, other, elsewhere, different]) == [
        {
            "text": "Keep the notice.",
            "components": ["base", "adapter"],
            "sources": [{"licence": "mit", "clause": "1"}, {"licence": "bsd", "clause": "2"}],
        },
        {"text": "Say so.", "components": ["base"], "sources": [{"licence": "mit", "clause": "1"}]},
    ]


@pytest.mark.django_db
def test_base_and_adapter_of_one_licence_bring_each_obligation_once(client: Client) -> None:
    version = make_version(actor=make_user("ada"))
    page = client.get("/may-i", {"adapter": version.adapter_id, "use": "redistribution"})
    texts = [duty["text"] for duty in page.context["decision"]["obligations"]]
    assert len(texts) > len(set(texts))
    content = page.content.decode()
    for text in set(texts):
        assert content.count(text) == 1
    assert "(Tinybase, ada/style v1: " in content
