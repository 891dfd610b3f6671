"""The one way in: who may bring what under which name, and that a refused intake leaves nothing."""

from typing import Any

import pytest
from django.utils import timezone

from accounts.errors import NotPermitted
from accounts.models import Namespace, User
from registry.errors import DeclarationIncomplete, UploadRefused
from registry.models import Adapter, Upload, Version
from registry.models.adapters import Visibility
from registry.services.adapters import NAME_PATTERN
from registry.services.intake import intake
from registry.services.versions import Declaration
from registry.states import VersionState
from tests.factories.accounts import make_organisation, make_user
from tests.factories.registry import declaration, make_submitted, make_upload, make_version
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return make_user("ada")


def _bring(actor: User, **changes: Any) -> Version:
    given: dict[str, Any] = {
        "owner": Namespace.objects.get(user=actor),
        "name": "style",
        "upload": changes.get("upload") or make_upload(actor=actor),
        "declaration": declaration(),
    }
    return intake(actor=actor, **{**given, **changes})


def test_first_version_makes_the_adapter_with_what_was_said_about_it(ada: User) -> None:
    version = _bring(ada, title="A Style", description="Words", tags=["Anime ", "anime", ""], visibility="private")
    adapter = version.adapter
    assert (adapter.title, adapter.description, adapter.visibility) == ("A Style", "Words", "private")
    assert [tag.name for tag in adapter.tags.all()] == ["anime"]
    assert (version.number, version.state) == (1, VersionState.SCANNING)
    assert not adapter.listed


def test_further_version_changes_nothing_about_the_adapter(ada: User) -> None:
    make_version(actor=ada, title="First", visibility=Visibility.PRIVATE)
    version = _bring(ada, title="Second", visibility=Visibility.PUBLIC)
    assert version.number == 2
    assert Adapter.objects.get().title == "First"
    assert Adapter.objects.get().visibility == Visibility.PRIVATE


@pytest.mark.parametrize(("role", "may"), [("maintainer", True), ("member", True), ("reader", False), (None, False)])
def test_organisation_takes_uploads_of_its_contributors(ada: User, role: str | None, may: bool) -> None:
    bob = make_user("bob")
    studio = make_organisation(ada, "studio", {role: bob} if role else {}).namespace
    if may:
        assert _bring(bob, owner=studio).adapter.owner == studio
        return
    with pytest.raises(NotPermitted):
        _bring(bob, owner=studio)
    assert not Adapter.objects.exists()


def test_member_adds_no_version_to_anothers_private_adapter(ada: User) -> None:
    bob = make_user("bob")
    studio = make_organisation(ada, "studio", {"member": bob}).namespace
    make_version(actor=ada, namespace=studio, visibility=Visibility.PRIVATE)
    with pytest.raises(NotPermitted):
        _bring(bob, owner=studio)
    assert Version.objects.count() == 1


def test_upload_is_used_once(ada: User) -> None:
    version = make_submitted(actor=ada)
    with pytest.raises(UploadRefused, match="used already"):
        _bring(ada, name="again", upload=version.upload)
    assert not Adapter.objects.filter(name="again").exists()


def test_unfinished_upload_is_refused(ada: User) -> None:
    upload = make_upload(actor=ada)
    Upload.objects.filter(pk=upload.pk).update(offset=1)
    with pytest.raises(UploadRefused, match="holds 1 of"):
        _bring(ada, upload=upload)
    assert not Adapter.objects.exists()


@pytest.mark.parametrize("name", ["a", "a-b", "a.b_c-d", "0", "x" * 60])
def test_name_that_fits_an_address_is_taken(ada: User, name: str) -> None:
    assert _bring(ada, name=name).adapter.name == name


@pytest.mark.parametrize(
    "name",
    ["", "-a", "a-", "a--b", "a..b", "A", "a b", "a/b", "é", "x" * 61, "a\n", "\na", "..", "a.", "<b>"],
)
def test_name_that_does_not_fit_is_refused(ada: User, name: str) -> None:
    assert NAME_PATTERN.fullmatch(name) is None
    with pytest.raises(DeclarationIncomplete):
        _bring(ada, name=name)
    assert not Adapter.objects.exists()


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"base_model": "nothing"}, "base_model"),
    ({"base_model": ""}, "base_model"),
    ({"licence_id": "gpl"}, "licence"),
    ({"depicts_real_person": None}, "depicts_real_person"),
    ({"training_sources": "  \n"}, "training_sources"),
    ({"commercial_use": ("image", "lottery")}, "commercial_use"),
    ({"strength": 4.1}, "strength"),
    ({"strength": float("nan")}, "strength"),
    ({"strength": float("-inf")}, "strength"),
    ({"rights_edition": "1999-01"}, "rights_edition"),
]


@pytest.mark.parametrize(("changes", "named"), WRONG)
def test_wrong_declaration_names_its_field_and_keeps_the_upload(ada: User, changes: dict[str, Any], named: str) -> None:
    upload = make_upload(actor=ada)
    with pytest.raises(DeclarationIncomplete) as refused:
        _bring(ada, upload=upload, declaration=declaration(**changes))
    assert list(refused.value.data["errors"]) == [named]
    upload.refresh_from_db()
    assert upload.consumed_at is None
    assert not Adapter.objects.exists()


def test_everything_wrong_is_one_line_for_each_field(ada: User) -> None:
    wrong = Declaration(
        base_model="x", licence_id="x", training_sources="", depicts_real_person=None, rights_edition="x",
        commercial_use=("x",), strength=9,
    )  # fmt: skip
    with pytest.raises(DeclarationIncomplete) as refused:
        _bring(ada, declaration=wrong)
    errors = refused.value.data["errors"]
    assert set(errors) == {named for _, named in WRONG}
    assert all("\n" not in line and line.endswith(".") for line in errors.values())


def test_declaration_is_kept_as_it_was_made(ada: User) -> None:
    before = timezone.now()
    declared = declaration(
        commercial_use=("sell", "image"), trigger_words=(" red  fox", "red fox", ""), strength=0.8,
        preview_prompts=("a fox", "two foxes"), label="v1", notes="First.", depicts_real_person=True,
    )  # fmt: skip
    version = _bring(ada, declaration=declared)
    version.refresh_from_db()
    assert version.commercial_use == ["image", "sell"]
    assert version.trigger_words == ["red fox"]
    assert version.preview_prompts == ["a fox", "two foxes"]
    assert (version.strength, version.label, version.notes) == (0.8, "v1", "First.")
    assert version.depicts_real_person
    assert version.rights_statement is not None
    assert version.rights_statement.edition == declared.rights_edition
    assert version.rights_affirmed_at is not None
    assert version.rights_affirmed_at >= before


def test_numbers_go_on_where_the_last_was_withdrawn(ada: User) -> None:
    from registry.services.versions import version_withdraw

    make_version(actor=ada)
    second = make_version(actor=ada, content=lora_bytes(seed=2))
    version_withdraw(version=second, actor=ada, reason="Broken.")
    assert _bring(ada).number == 3
