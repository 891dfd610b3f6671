"""People, organisations and members: who may take which name, who may do what, and what never happens."""

import threading
from collections.abc import Callable

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, connection, transaction

from accounts.errors import NotFound, NotPermitted
from accounts.models import Membership, Namespace, Organisation, User
from accounts.permissions import ROLE_PERMISSIONS, OrganisationPermission, Role, role_permits
from accounts.selectors import access_organisation
from accounts.services import (
    RESERVED,
    LastOwner,
    SlugTaken,
    member_add,
    member_remove,
    organisation_create,
    slug_available,
    user_register,
)
from tests.factories.accounts import PASSWORD, make_organisation, make_user

pytestmark = pytest.mark.django_db


def _register(username: str, email: str | None = None) -> User:
    return user_register(username=username, email=email or f"{username}@example.org", password=PASSWORD)


def test_person_gets_their_namespace() -> None:
    ada = _register("Ada", " Ada@Example.ORG ")
    assert (ada.username, ada.email) == ("ada", "ada@example.org")
    assert Namespace.objects.get(slug="ada").user == ada
    assert ada.check_password(PASSWORD)
    assert PASSWORD not in ada.password


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_reserved_name_refused(name: str) -> None:
    with pytest.raises((SlugTaken, ValidationError)):
        _register(name)
    assert not User.objects.exists()


def test_first_path_segments_of_the_site_are_reserved() -> None:
    """A person whose name is a page would stand in the way of it, or the page in theirs."""
    from django.urls import get_resolver

    fixed = set()
    for pattern in get_resolver().url_patterns:
        for inner in getattr(pattern, "url_patterns", [pattern]):
            route = str(pattern.pattern) + (str(inner.pattern) if inner is not pattern else "")
            segment = route.lstrip("^").split("/")[0]
            if segment and "<" not in segment and not segment.startswith("."):
                fixed.add(segment)
    assert fixed - {name for name in fixed if not slug_available(name)} == set()


@pytest.mark.parametrize(
    "name",
    ["", "-a", "a-", ".a", "a.", "a--b", "a..b", "_a", "ä", "a b", "a/b", "a\n", "a\0", "Ａ", "а", "a" * 40, "a\u200b"],
)
def test_name_of_other_characters_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        _register(name, "x@example.org")
    with pytest.raises(ValidationError):
        organisation_create(actor=make_user(), slug=name, display_name="X")


@pytest.mark.parametrize("name", ["a", "0", "a-b", "a.b", "a_b", "a1.b2-c3", "a" * 39])
def test_name_within_the_rules_taken(name: str) -> None:
    assert _register(name).username == name


@pytest.mark.parametrize("name", ["ada-l", "ADA-L", "ada.l", "ada_l"])
def test_name_that_people_confuse_with_another_refused(name: str) -> None:
    owner = _register("ada-l")
    with pytest.raises(SlugTaken, match="taken or reserved"):
        _register(name, "second@example.org")
    with pytest.raises(SlugTaken):
        organisation_create(actor=owner, slug=name.lower(), display_name="Ada L.")
    assert User.objects.count() == 1


@pytest.mark.parametrize("name", ["may_i", "sign.in", "opt.out", "password_change", "robots-txt"])
def test_name_like_a_page_refused(name: str) -> None:
    assert slug_available(name) is (name == "robots-txt")  # robots.txt itself is reserved, and says nothing of this one


def test_database_refuses_confusable_names_whoever_writes() -> None:
    _register("ada-l")
    other = User.objects.create_user(username="other", email="o@example.org", password=PASSWORD)
    with pytest.raises(DatabaseError, match="namespace_not_confusable"), transaction.atomic():
        Namespace.objects.create(slug="ada.l", user=other)


def test_database_refuses_a_namespace_of_nobody_and_of_two() -> None:
    ada = make_user()
    organisation = Organisation.objects.create(display_name="O")
    for fields in ({}, {"user": ada, "organisation": organisation}):
        with pytest.raises(DatabaseError), transaction.atomic():
            Namespace.objects.create(slug="nobody", **fields)


def test_person_and_organisation_share_their_names() -> None:
    ada = make_user()
    make_organisation(ada, slug="studio")
    with pytest.raises(SlugTaken):
        _register("studio")
    with pytest.raises(SlugTaken):
        organisation_create(actor=ada, slug="ada", display_name="Ada Ltd")
    assert Organisation.objects.count() == 1


@pytest.mark.parametrize("email", ["ada@example.org", "ADA@example.org", " Ada@EXAMPLE.org"])
def test_address_registered_once_whatever_its_case(email: str) -> None:
    make_user("ada")
    with pytest.raises(SlugTaken, match="has an account already"):
        _register("second", email)
    assert not Namespace.objects.filter(slug="second").exists()


def _race(*acts: Callable[[], object]) -> list[object]:
    """Runs the acts at the same moment, each on a connection of its own; what each gave or raised."""
    barrier, results = threading.Barrier(len(acts)), [None] * len(acts)

    def run(number: int, act: Callable[[], object]) -> None:
        try:
            barrier.wait(timeout=30)
            results[number] = act()
        except Exception as error:  # noqa: BLE001 (whatever it is, the test compares it)
            results[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return results


@pytest.mark.django_db(transaction=True)
def test_race_for_one_name_has_one_winner() -> None:
    names = ["racer", "racer", "racer", "racer"]
    results = _race(*(lambda n=n, name=name: _register(name, f"{n}@example.org") for n, name in enumerate(names)))
    assert sorted(type(result).__name__ for result in results) == ["SlugTaken"] * 3 + ["User"]
    assert User.objects.count() == Namespace.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_race_for_confusable_names_has_one_winner() -> None:
    results = _race(
        *(lambda n=n, name=name: _register(name, f"{n}@example.org") for n, name in enumerate(["r-x", "r.x"]))
    )
    assert sorted(type(result).__name__ for result in results) == ["SlugTaken", "User"]


@pytest.mark.django_db(transaction=True)
def test_two_owners_who_leave_at_once_leave_one_behind() -> None:
    ada, ben = make_user("ada"), make_user("ben")
    studio = make_organisation(ada, members={"owner": ben})
    results = _race(
        lambda: member_remove(actor=ada, organisation=studio, user=ada),
        lambda: member_remove(actor=ben, organisation=studio, user=ben),
    )
    assert sorted(type(result).__name__ for result in results) == ["LastOwner", "NoneType"]
    assert Membership.objects.filter(organisation=studio, role="owner").count() == 1


# Organisations


def test_founder_owns_the_organisation() -> None:
    ada = make_user()
    studio = organisation_create(actor=ada, slug="studio", display_name="Studio", description="We draw.")
    assert [(m.user, m.role) for m in studio.memberships.all()] == [(ada, "owner")]
    assert Namespace.objects.get(slug="studio").organisation == studio


PERMISSIONS = {
    # role → what it may do to the organisation
    "owner": {"read", "administer", "publish", "contribute"},
    "maintainer": {"read", "publish", "contribute"},
    "member": {"read", "contribute"},
    "reader": {"read"},
}


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("permission", list(OrganisationPermission))
def test_role_may_what_the_table_says(role: Role, permission: OrganisationPermission) -> None:
    expected = permission.value.split(".")[1] in PERMISSIONS[role.value]
    assert role_permits(role, permission) is expected
    ada, ben = make_user("ada"), make_user("ben")
    studio = make_organisation(ada, members={role.value: ben})
    if expected:
        assert access_organisation(actor=ben, slug="Studio", permission=permission) == studio
    else:
        with pytest.raises(NotPermitted):
            access_organisation(actor=ben, slug="studio", permission=permission)


def test_every_role_has_its_line() -> None:
    assert set(ROLE_PERMISSIONS) == set(Role)


def test_closed_and_absent_organisation_give_one_answer() -> None:
    ada, eve = make_user("ada"), make_user("eve")
    make_organisation(ada)
    answers = []
    for slug in ("studio", "absent"):
        with pytest.raises(NotFound) as refused:
            access_organisation(actor=eve, slug=slug, permission=OrganisationPermission.READ)
        answers.append(str(refused.value).replace(slug, "…"))
    assert answers[0] == answers[1]


@pytest.mark.parametrize("role", ["maintainer", "member", "reader", None])
def test_only_owners_manage_members(role: str | None) -> None:
    ada, ben, eve = make_user("ada"), make_user("ben"), make_user("eve")
    studio = make_organisation(ada, members={role: ben} if role else {})
    with pytest.raises(NotPermitted):
        member_add(actor=ben, organisation=studio, user=eve, role="reader")
    with pytest.raises(NotPermitted):
        member_add(actor=ben, organisation=studio, user=ben, role="owner")
    with pytest.raises(NotPermitted):
        member_remove(actor=ben, organisation=studio, user=ada)
    assert studio.memberships.count() == (2 if role else 1)


def test_role_changed_by_adding_again() -> None:
    ada, ben = make_user("ada"), make_user("ben")
    studio = make_organisation(ada)
    for role in ("reader", "maintainer", "owner", "member"):
        assert member_add(actor=ada, organisation=studio, user=ben, role=role).role == role
    assert studio.memberships.count() == 2


def test_unknown_role_refused() -> None:
    ada, ben = make_user("ada"), make_user("ben")
    studio = make_organisation(ada)
    with pytest.raises(ValueError, match="boss"):
        member_add(actor=ada, organisation=studio, user=ben, role="boss")
    with pytest.raises(DatabaseError), transaction.atomic():
        Membership.objects.create(user=ben, organisation=studio, role="boss")
    with pytest.raises(DatabaseError), transaction.atomic():
        Membership.objects.create(user=ada, organisation=studio, role="reader")  # one role per member


@pytest.mark.parametrize("role", ["maintainer", "member", "reader"])
def test_last_owner_cannot_be_demoted(role: str) -> None:
    ada = make_user()
    studio = make_organisation(ada)
    with pytest.raises(LastOwner):
        member_add(actor=ada, organisation=studio, user=ada, role=role)
    assert studio.memberships.get().role == "owner"


def test_last_owner_cannot_leave_until_there_is_another() -> None:
    ada, ben = make_user("ada"), make_user("ben")
    studio = make_organisation(ada, members={"maintainer": ben})
    with pytest.raises(LastOwner):
        member_remove(actor=ada, organisation=studio, user=ada)
    member_add(actor=ada, organisation=studio, user=ben, role="owner")
    member_remove(actor=ada, organisation=studio, user=ada)
    assert [(m.user, m.role) for m in studio.memberships.all()] == [(ben, "owner")]


def test_owner_who_stays_owner_is_no_demotion() -> None:
    ada = make_user()
    studio = make_organisation(ada)
    assert member_add(actor=ada, organisation=studio, user=ada, role="owner").role == "owner"


@pytest.mark.parametrize("role", ["maintainer", "member", "reader"])
def test_anybody_may_leave(role: str) -> None:
    ada, ben = make_user("ada"), make_user("ben")
    studio = make_organisation(ada, members={role: ben})
    member_remove(actor=ben, organisation=studio, user=ben)
    assert [m.user for m in studio.memberships.all()] == [ada]


def test_removing_who_is_no_member_changes_nothing() -> None:
    ada, eve = make_user("ada"), make_user("eve")
    studio = make_organisation(ada)
    member_remove(actor=ada, organisation=studio, user=eve)
    member_remove(actor=eve, organisation=studio, user=eve)
    assert studio.memberships.count() == 1


def test_owner_of_one_organisation_is_nobody_in_another() -> None:
    ada, eve = make_user("ada"), make_user("eve")
    studio = make_organisation(ada)
    make_organisation(eve, slug="other")
    with pytest.raises(NotPermitted):
        member_add(actor=eve, organisation=studio, user=eve, role="owner")
