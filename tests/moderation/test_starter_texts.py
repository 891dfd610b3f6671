"""The prepared texts of a new installation: they fit the forms, and are laid down once."""

from importlib import import_module

import pytest
from django.apps import apps

from moderation.forms.cases import MacroForm
from moderation.models import CaseKind, Macro
from moderation.selectors.cases import macros_for
from moderation.selectors.verdicts import LABELS
from moderation.starter_texts import STARTER_TEXTS, StarterText
from tests.factories.accounts import make_user
from tests.factories.moderation import make_case
from tests.factories.registry import make_version

pytestmark = pytest.mark.django_db
MIGRATION = import_module("moderation.migrations.0006_starter_texts")


def _lay_down() -> None:
    MIGRATION.lay_down(apps, None)


@pytest.mark.parametrize("text", STARTER_TEXTS, ids=lambda text: text.title)
def test_text_is_one_that_a_moderator_could_have_saved(text: StarterText) -> None:
    Macro.objects.all().delete()
    form = MacroForm(text._asdict())
    assert form.is_valid(), form.errors
    assert text.verdict in {verdict.value for verdict in LABELS}
    assert text.kind in {"", *CaseKind.values}


def test_every_title_is_given_once() -> None:
    assert len({text.title for text in STARTER_TEXTS}) == len(STARTER_TEXTS)


def test_what_moderators_changed_and_removed_stays_so() -> None:
    Macro.objects.all().delete()
    Macro.objects.create(title=STARTER_TEXTS[0].title, public_reasoning="In our own words.")
    _lay_down()
    assert Macro.objects.count() == len(STARTER_TEXTS)
    assert Macro.objects.get(title=STARTER_TEXTS[0].title).public_reasoning == "In our own words."


def test_case_of_each_kind_that_is_often_decided_alike_has_a_text() -> None:
    Macro.objects.all().delete()
    _lay_down()
    version = make_version(actor=make_user("ada"))
    for kind in (CaseKind.RIGHTS, CaseKind.LIKENESS, CaseKind.INTIMATE, CaseKind.SPAM, CaseKind.PUBLICATION):
        offered = macros_for(make_case(version, kind=kind))
        assert offered.filter(kind=kind).exists()
