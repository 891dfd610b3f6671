"""Captions changed by people: shown before, applied exactly so, undone where nobody has changed them since."""

import pytest

from accounts.models import User
from tests.factories.accounts import make_user
from tests.factories.datasets import bring, make_dataset, photo
from training.errors import EditConflict, EditRefused
from training.models import Dataset, DatasetEdit, EditKind, PictureState
from training.services.captions import EditRule, caption_set, edit_apply, edit_preview, edit_undo, edits_tidy

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def dataset(ada: User) -> Dataset:
    made = make_dataset(ada)
    bring(
        made,
        {
            "a.png": photo(1), "a.txt": "a dog, red, small", "b.png": photo(2), "b.txt": "sks, a cat",
            "c.png": photo(3), "reg/1_dog/d.png": photo(4),
        },
    )  # fmt: skip
    return made


def captions(dataset: Dataset) -> dict[str, str]:
    return {row.name: row.caption for row in dataset.pictures.all()}


def apply(dataset: Dataset, ada: User, rule: EditRule) -> DatasetEdit:
    return edit_apply(dataset=dataset, actor=ada, rule=rule, shown=edit_preview(dataset=dataset, rule=rule).digest)


@pytest.mark.parametrize(
    ("rule", "changed"),
    [
        (EditRule(EditKind.REPLACE, find="dog", put="wolf"), {"a.png": "a wolf, red, small"}),
        (
            EditRule(EditKind.PREFIX),
            {"a.png": "sks, a dog, red, small", "c.png": "sks"},
        ),
        (EditRule(EditKind.PREFIX, put="zwx"), {
            "a.png": "zwx, a dog, red, small", "b.png": "zwx, sks, a cat", "c.png": "zwx",
        }),
        (EditRule(EditKind.APPEND, put="on grass"), {
            "a.png": "a dog, red, small, on grass", "b.png": "sks, a cat, on grass", "c.png": "on grass",
        }),
    ],
)  # fmt: skip
def test_preview_shows_what_is_then_done(dataset: Dataset, ada: User, rule: EditRule, changed: dict[str, str]) -> None:
    before = captions(dataset)
    preview = edit_preview(dataset=dataset, rule=rule)
    assert {change.picture.name: change.after for change in preview.changes} == changed
    assert captions(dataset) == before, "a preview changes nothing"
    edit = apply(dataset, ada, rule)
    assert captions(dataset) == before | changed
    assert edit.count == len(changed)
    assert edit_undo(edit=edit, actor=ada) == len(changed)
    assert captions(dataset) == before


def test_shuffle_keeps_the_first_and_is_the_one_that_was_shown(dataset: Dataset, ada: User) -> None:
    caption_set(picture=dataset.pictures.get(path="a.png"), actor=ada, caption="a dog, red, small, wet, old, wild")
    rule = EditRule(EditKind.SHUFFLE, keep=1, seed="4")
    shown = {change.picture.name: change.after for change in edit_preview(dataset=dataset, rule=rule).changes}
    apply(dataset, ada, rule)
    assert captions(dataset)["a.png"] == shown["a.png"] != "a dog, red, small, wet, old, wild"
    assert captions(dataset)["a.png"].startswith("a dog, ")


def test_class_pictures_are_changed_only_by_name(dataset: Dataset, ada: User) -> None:
    picture = dataset.pictures.get(is_prior=True)
    apply(dataset, ada, EditRule(EditKind.APPEND, put="today", pictures=(picture.public_id,)))
    assert captions(dataset) == {
        "a.png": "a dog, red, small",
        "b.png": "sks, a cat",
        "c.png": "",
        "d.png": "dog, today",
    }


def test_nothing_but_what_was_shown_is_applied(dataset: Dataset, ada: User) -> None:
    rule = EditRule(EditKind.APPEND, put="on grass")
    shown = edit_preview(dataset=dataset, rule=rule).digest
    caption_set(picture=dataset.pictures.get(path="c.png"), actor=ada, caption="a third")
    with pytest.raises(EditConflict):
        edit_apply(dataset=dataset, actor=ada, rule=rule, shown=shown)


@pytest.mark.parametrize(
    "rule",
    [
        EditRule(EditKind.REPLACE, find=" "),
        EditRule(EditKind.APPEND),
        EditRule(EditKind.CAPTIONER),
        EditRule(EditKind.ONE),
    ],
)
def test_rule_without_what_it_needs_is_refused(dataset: Dataset, rule: EditRule) -> None:
    with pytest.raises(EditRefused):
        edit_preview(dataset=dataset, rule=rule)


def test_rule_that_changes_nothing_is_refused(dataset: Dataset, ada: User) -> None:
    with pytest.raises(EditRefused, match="No caption"):
        apply(dataset, ada, EditRule(EditKind.REPLACE, find="elephant", put="x"))
    Dataset.objects.update(trigger="")
    dataset.refresh_from_db()
    with pytest.raises(EditRefused, match="trigger"):
        edit_preview(dataset=dataset, rule=EditRule(EditKind.PREFIX))


def test_undo_leaves_what_was_changed_since_and_comes_once(dataset: Dataset, ada: User) -> None:
    edit = apply(dataset, ada, EditRule(EditKind.APPEND, put="on grass"))
    caption_set(picture=dataset.pictures.get(path="b.png"), actor=ada, caption="mine")
    assert edit_undo(edit=edit, actor=ada) == 2
    assert captions(dataset) == {"a.png": "a dog, red, small", "b.png": "mine", "c.png": "", "d.png": "dog"}
    with pytest.raises(EditConflict):
        edit_undo(edit=edit, actor=ada)


def test_caption_is_not_written_over_what_its_writer_has_not_seen(dataset: Dataset, ada: User) -> None:
    picture = dataset.pictures.get(path="a.png")
    caption_set(picture=picture, actor=ada, caption="new\n words ", was="a dog, red, small")
    with pytest.raises(EditConflict, match="new words"):
        caption_set(picture=picture, actor=ada, caption="other", was="a dog, red, small")
    assert captions(dataset)["a.png"] == "new words"


def test_changed_words_are_to_be_checked_again(dataset: Dataset, ada: User) -> None:
    dataset.pictures.update(state=PictureState.OK)
    caption_set(picture=dataset.pictures.get(path="a.png"), actor=ada, caption="new")
    assert list(dataset.pictures.exclude(state=PictureState.OK).values_list("path", flat=True)) == ["a.png"]
    caption_set(picture=dataset.pictures.get(path="a.png"), actor=ada, caption="new")
    assert dataset.edits.count() == 1, "the same caption again is no change"


def test_old_edits_are_forgotten(dataset: Dataset, ada: User) -> None:
    for number in range(5):
        caption_set(picture=dataset.pictures.get(path="a.png"), actor=ada, caption=str(number))
    assert edits_tidy(dataset=dataset, keep=2) == 3
    assert [next(iter(edit.changes.values()))[1] for edit in dataset.edits.all()] == ["4", "3"]
