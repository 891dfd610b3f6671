"""Whose consent a line of descent rests on: facts for the policy engine that say what the recalls say."""

from typing import Any

import pytest

from accounts.models import User
from governance.policy import ActorFacts, ConsentNeed, ConsentScope, Outcome, Role, Use, decide
from governance.rulebook import current_ruleset
from moderation.models import Consent
from moderation.selectors.consent_needs import consent_needs
from moderation.selectors.consents import missing_consents
from registry.models import Adapter, Lineage, Version
from registry.models.adapters import Visibility
from registry.services.policy import use_request, version_components
from registry.services.versions import Parent
from tests.factories.accounts import make_user
from tests.factories.consents import make_consent, make_linked
from tests.factories.registry import make_version
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db
NOT_FOR_MONEY = frozenset(ConsentScope) - {ConsentScope.COMMERCIAL}
FREE: dict[str, Any] = {"commercial_use": ()}


def _made(actor: User, name: str, seed: int, *parents: Version) -> Version:
    declared = FREE | {"parents": tuple(Parent(parent.pk, "merge") for parent in parents)}
    return make_version(actor=actor, name=name, content=lora_bytes(seed=seed), declared=declared)


def _rested(version: Version) -> dict[str, tuple[ConsentNeed, ...]]:
    return {part.name: part.consents for part in version_components(version) if part.consents}


def _outcome(version: Version, use: Use = Use.REDISTRIBUTION, **facts: Any) -> Outcome:
    fresh = Version.objects.select_related("adapter__owner", "base_model", "created_by").get(pk=version.pk)
    return decide(use_request(fresh, use, ActorFacts(**facts)), current_ruleset()).outcome


def test_version_that_rests_on_nobody_has_no_needs() -> None:
    ada = make_user("ada")
    make_consent(ada)  # given, and not linked: nothing is known to rest on it
    assert _rested(_made(ada, "style", 1)) == {}


def test_need_names_the_consent_and_holds_the_terms_that_are_in_force() -> None:
    version = _made(make_user("ada"), "style", 1)
    consent = make_linked(version, scopes=NOT_FOR_MONEY, territories=frozenset({"EU"})).consent
    ((need,),) = _rested(version).values()
    assert need.reference == str(consent)
    (grant,) = need.grants
    assert (grant.scopes, grant.territories) == (NOT_FOR_MONEY, {"EU"})
    Consent.objects.update(state="revoked", ended_at=consent.answered_at, end_reason="revoked")
    ((need,),) = _rested(version).values()
    assert (need.reference, need.grants) == (str(consent), ())


def test_other_grantees_and_other_adapters_of_the_same_person_do_not_count() -> None:
    ada, bob = make_user("ada"), make_user("bob")
    version = _made(ada, "style", 1)
    consent = make_linked(version).consent
    make_consent(bob)
    make_consent(ada, adapters=frozenset({"ada/other"}))
    ((need,),) = _rested(version).values()
    assert [grant.reference for grant in need.grants] == [str(consent)]


def test_ancestors_limit_reaches_what_was_made_from_it() -> None:
    ada, bob = make_user("ada"), make_user("bob")
    version = _made(ada, "style", 1)
    make_linked(version, territories=frozenset({"DE"}))
    leaf = _made(bob, "leaf", 3, _made(bob, "merged", 2, version))
    assert list(_rested(leaf)) == [str(version)]
    assert [_outcome(leaf, territory=place) for place in ("DE", "US", None)] == ["allow", "deny", "review"]


def test_own_consent_of_the_same_person_ends_the_line() -> None:
    ada, bob, eve = (make_user(name) for name in ("ada", "bob", "eve"))
    version = _made(ada, "style", 1)
    make_linked(version, territories=frozenset({"DE"}))
    merged = _made(bob, "merged", 2, version)
    make_linked(merged, make_consent(bob, territories=frozenset({"US"})))
    leaf = _made(eve, "leaf", 3, merged)
    assert [_outcome(leaf, territory=place) for place in ("DE", "US", "JP")] == ["deny", "allow", "deny"]
    assert missing_consents(leaf) == []


def test_each_line_of_descent_stands_for_itself() -> None:
    """A consent on one branch does not cover what comes down the other."""
    ada, bob, eve = (make_user(name) for name in ("ada", "bob", "eve"))
    version = _made(ada, "style", 1)
    make_linked(version, territories=frozenset({"DE"}))
    left, right = _made(bob, "left", 2, version), _made(eve, "right", 3, version)
    make_linked(left, make_consent(bob))
    both = _made(make_user("mel"), "both", 4, left, right)
    needs = _rested(both)
    assert set(needs) == {str(version), str(left)}
    assert [_outcome(both, territory=place) for place in ("DE", "US")] == ["allow", "deny"]
    make_consent(eve)  # now the other branch has one of its own as well
    assert _outcome(both, territory="US") == Outcome.ALLOW


def test_cycle_ends_the_walk() -> None:
    ada = make_user("ada")
    first = _made(ada, "style", 1)
    second = _made(ada, "again", 2, first)
    make_linked(first)
    Lineage.objects.create(child=first, parent=second, relation="merge")
    assert set(consent_needs(second, [first])) == {first.pk}


def test_parent_that_is_not_public_is_not_recognised_by_its_consent() -> None:
    ada = make_user("ada")
    hidden = _made(ada, "hidden", 1)
    consent = make_linked(hidden, territories=frozenset({"DE"})).consent
    child = _made(ada, "child", 2, hidden)
    Adapter.objects.filter(pk=hidden.adapter_id).update(visibility=Visibility.PRIVATE, listed=False)
    fresh = Version.objects.select_related("adapter__owner", "base_model", "created_by").get(pk=child.pk)
    request = use_request(fresh, Use.PERSONAL, ActorFacts(territory="US"))
    told = str(decide(request, current_ruleset()).to_json()) + str(request.to_json())
    assert "consent-territory" in told
    assert str(consent) not in told
    assert [part.name for part in request.components if part.role is Role.PARENT] == ["a parent that is not public"]
