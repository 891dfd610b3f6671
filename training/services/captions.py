"""Captions changed by people: one, or many at once by a rule that is shown first and can be undone."""

import hashlib
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from governance.services import audit_append, audited
from training.errors import EditConflict, EditRefused
from training.models import Dataset, DatasetEdit, DatasetPicture, EditKind
from training.reporting import captions as text
from training.services.datasets import SUBJECT, UNSCREENED, dataset_unsettle

BY_PERSON = "person"


@dataclass(frozen=True)
class EditRule:
    """What is done with captions: the kind, and what it needs. `pictures` limits it; None is every own picture."""

    kind: EditKind
    find: str = ""
    put: str = ""
    whole_words: bool = True
    regard_case: bool = False
    keep: int = 1  # tags in front that a shuffle leaves in place
    seed: str = ""
    pictures: tuple[uuid.UUID, ...] | None = None


@dataclass(frozen=True)
class Change:
    """One caption before and after."""

    picture: DatasetPicture
    before: str
    after: str


@dataclass(frozen=True)
class Preview:
    """What a rule would do. `digest` names exactly this, so that nothing else is applied than what was shown."""

    changes: tuple[Change, ...]
    digest: str
    unchanged: int


def edit_preview(*, dataset: Dataset, rule: EditRule) -> Preview:
    """Every caption that the rule changes. Raises EditRefused where the rule lacks what it needs."""
    changing = _changing(dataset, rule)
    rows = list(_rows(dataset, rule))
    pairs = [(row, changing(row.caption)[: text.CAPTION_MAX]) for row in rows]
    changes = tuple(Change(row, row.caption, after) for row, after in pairs if after != row.caption)
    return Preview(changes, _digest(changes), len(rows) - len(changes))


def _rows(dataset: Dataset, rule: EditRule) -> Sequence[DatasetPicture]:
    rows = dataset.pictures.order_by("path")
    if rule.pictures is not None:
        return list(rows.filter(public_id__in=rule.pictures))
    return list(rows.filter(is_prior=False, left_out=False))


def _changing(dataset: Dataset, rule: EditRule) -> Callable[[str], str]:
    if rule.kind is EditKind.REPLACE:
        if not rule.find.strip():
            raise EditRefused("There is nothing to find.", remedy="Write the word that is to be replaced.")
        return lambda caption: text.replaced(
            caption, find=rule.find, put=rule.put, whole_words=rule.whole_words, regard_case=rule.regard_case
        )
    if rule.kind is EditKind.PREFIX:
        word = rule.put.strip() or dataset.trigger
        if not word:
            raise EditRefused("The dataset has no trigger word.", remedy="Choose one, or write the word here.")
        return lambda caption: text.prefixed(caption, word)
    if rule.kind is EditKind.APPEND:
        if not rule.put.strip():
            raise EditRefused("There is nothing to append.", remedy="Write the text that is to be added.")
        return lambda caption: text.appended(caption, rule.put)
    if rule.kind is EditKind.SHUFFLE:
        return lambda caption: text.shuffled(caption, keep=max(rule.keep, 0), seed=rule.seed)
    raise EditRefused(f"Captions are not changed in bulk by {rule.kind!r}.")


def _digest(changes: Sequence[Change]) -> str:
    lines = (f"{change.picture.public_id}\n{change.before}\n{change.after}" for change in changes)
    return hashlib.sha256("\0".join(lines).encode()).hexdigest()


@audited()
def edit_apply(*, dataset: Dataset, actor: User, rule: EditRule, shown: str) -> DatasetEdit:
    """Do what the preview with this digest showed. Raises EditConflict where captions have changed since."""
    locked = Dataset.objects.select_for_update(no_key=True).get(pk=dataset.pk)
    preview = edit_preview(dataset=locked, rule=rule)
    if preview.digest != shown:
        raise EditConflict
    if not preview.changes:
        raise EditRefused("No caption would change.", remedy="Change the rule and look at the preview again.")
    after = {str(change.picture.public_id): change.after for change in preview.changes}
    return captions_write(dataset=locked, actor=actor, kind=rule.kind, after=after, by=BY_PERSON)


def captions_write(
    *, dataset: Dataset, actor: User | None, kind: EditKind, after: Mapping[str, str], by: str
) -> DatasetEdit:
    """Write captions, keep what they were, and have their words screened. The dataset's row is locked by the caller."""
    rows = {str(row.public_id): row for row in dataset.pictures.filter(public_id__in=list(after))}
    changes = text.changed_captions({key: row.caption for key, row in rows.items()},
                                    {key: after[key] for key in rows})  # fmt: skip
    for key, (_, caption) in changes.items():
        DatasetPicture.objects.filter(pk=rows[key].pk).update(caption=caption, caption_by=by[:60], **UNSCREENED)
    edit = DatasetEdit.objects.create(dataset=dataset, kind=kind, made_by=actor, changes=changes)
    dataset_unsettle(dataset=dataset)
    data = {"edit": str(edit.public_id), "kind": kind.value, "captions": len(changes)}
    audit_append(actor=actor, action="dataset.captions-changed", subject=(SUBJECT, str(dataset.pk)), data=data)
    return edit


@audited()
def caption_set(*, picture: DatasetPicture, actor: User, caption: str, was: str | None = None) -> DatasetPicture:
    """Write one caption; with `was`, only over the caption that its writer saw (else EditConflict)."""
    dataset = Dataset.objects.select_for_update(no_key=True).get(pk=picture.dataset_id)
    row = DatasetPicture.objects.select_for_update(no_key=True).get(pk=picture.pk)
    if was is not None and row.caption != was:
        raise EditConflict(f"The caption of {row.path} is now “{row.caption[:200]}”.")
    cleaned = " ".join(caption.replace("\0", "").split())[: text.CAPTION_MAX]
    if cleaned != row.caption:
        key = str(row.public_id)
        captions_write(dataset=dataset, actor=actor, kind=EditKind.ONE, after={key: cleaned}, by=BY_PERSON)
        row.refresh_from_db()
    return row


@audited()
def edit_undo(*, edit: DatasetEdit, actor: User) -> int:
    """Put back the captions that still are as the edit left them; how many. Raises EditConflict when done before."""
    dataset = Dataset.objects.select_for_update(no_key=True).get(pk=edit.dataset_id)
    locked = DatasetEdit.objects.select_for_update(no_key=True).get(pk=edit.pk)
    if locked.undone_at is not None:
        raise EditConflict("This change was undone already.", remedy="Reload the page.")
    count = 0
    for key, (before, after) in locked.changes.items():
        rows = DatasetPicture.objects.filter(dataset=dataset, public_id=key, caption=after)
        count += rows.update(caption=before, **UNSCREENED)
    locked.undone_at = timezone.now()
    locked.save(update_fields=["undone_at"])
    dataset_unsettle(dataset=dataset)
    data = {"edit": str(locked.public_id), "captions": count}
    audit_append(actor=actor, action="dataset.captions-undone", subject=(SUBJECT, str(dataset.pk)), data=data)
    return count


@transaction.atomic
def edits_tidy(*, dataset: Dataset, keep: int) -> int:
    """Forget edits beyond the newest `keep`: nobody undoes them, and they hold old captions."""
    old = dataset.edits.values_list("pk", flat=True)[keep:]
    return DatasetEdit.objects.filter(pk__in=list(old)).delete()[0]
