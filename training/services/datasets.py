"""Datasets: made, described, declared, and linked to the consents that they rest on."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.errors import NotPermitted
from accounts.models import Namespace, User
from governance.services import audit_append, audited
from moderation.models import Consent
from registry.selectors.access import namespaces_for_upload
from registry.services.adapters import NAME_PATTERN
from registry.services.policy import licence_known
from training.errors import ConsentNotLinked, DatasetDeclaration, DatasetNameTaken
from training.models import Dataset, DatasetConsent, DatasetStatement, DatasetWork, Origin, PictureState, Purpose
from training.selectors.rights import live_training_consents
from training.services.dataset_work import work_queue
from training.services.splits import dataset_resplit

SUBJECT = "training.dataset"
EDITION = "2026-11"  # of the rights statement in training/statements
WORDS = ("title", "description", "trigger", "class_word")  # what names it: looked at for registered names
RIGHTS = ("origin", "licence_id", "source", "depicts_real_person", "fictional_statement", "protected")
KEEP_LONGEST = 730  # days from now for which an owner may ask that the pictures are kept
LOOKED = ("origin", "protected")  # these change what is found in its pictures
UNSCREENED: dict[str, Any] = {"state": PictureState.WAITING, "screened_at": None, "attempts": 0}
FIELDS = frozenset({*WORDS, *RIGHTS, "purpose", "validation_share", "keep_until"})


@dataclass(frozen=True)
class DatasetDraft:
    """What is said about a dataset when it is made. `rights_edition` names the rights statement that was affirmed."""

    name: str
    title: str = ""
    description: str = ""
    purpose: str = Purpose.STYLE
    trigger: str = ""
    class_word: str = ""
    origin: str = Origin.OWN
    licence_id: str = ""
    source: str = ""
    depicts_real_person: bool = False
    fictional_statement: str = ""
    protected: bool = False
    rights_edition: str = ""


@audited()
def dataset_create(*, actor: User, owner: Namespace, draft: DatasetDraft, declared_later: bool = False) -> Dataset:
    """A new, empty dataset under `owner`.

    `declared_later`: nobody has affirmed the rights statement yet, and no run starts before somebody has.
    Raises NotPermitted, DatasetNameTaken, and DatasetDeclaration for what is missing or does not fit together.
    """
    if not namespaces_for_upload(actor).filter(pk=owner.pk).exists():
        raise NotPermitted(f"You may not make datasets under {owner.slug}.")
    if not NAME_PATTERN.fullmatch(draft.name) or len(draft.name) > 60:
        raise DatasetDeclaration(
            f"{draft.name[:60]!r} is no name.", remedy="Use lower-case letters, digits and single hyphens."
        )
    dataset = Dataset(
        owner=owner,
        name=draft.name,
        title=draft.title or draft.name,
        description=draft.description,
        purpose=draft.purpose,
        trigger=" ".join(draft.trigger.split()),
        class_word=" ".join(draft.class_word.split()),
        origin=draft.origin,
        licence_id=draft.licence_id,
        source=draft.source,
        depicts_real_person=draft.depicts_real_person,
        fictional_statement=draft.fictional_statement,
        protected=draft.protected,
        created_by=actor,
        last_used_at=timezone.now(),
    )
    if not declared_later:
        _affirm(dataset, draft.rights_edition)
    _check(dataset)
    try:
        with transaction.atomic():
            dataset.save(force_insert=True)
    except IntegrityError as error:
        raise DatasetNameTaken(f"{owner.slug} has a dataset {draft.name!r} already.") from error
    audit_append(actor=actor, action="dataset.created", subject=(SUBJECT, str(dataset.pk)), data=_declared(dataset))
    return dataset


def current_statement() -> DatasetStatement:
    """The statement in the edition that is affirmed now; its row is made when it is first asked for."""
    content = (Path(__file__).resolve().parents[1] / "statements" / f"{EDITION}.txt").read_text(encoding="utf-8")
    digest = hashlib.sha256(content.encode()).hexdigest()
    found, _ = DatasetStatement.objects.get_or_create(digest=digest, defaults={"edition": EDITION, "text": content})
    return found


def _affirm(dataset: Dataset, edition: str) -> None:
    """The rights statement, in the edition that is shown; an older or no edition is not affirmed."""
    statement = current_statement()
    if edition != statement.edition:
        raise DatasetDeclaration(
            "The rights statement was not affirmed in the edition that holds now.",
            remedy=f"Read it and affirm edition {statement.edition}.",
        )
    dataset.rights_statement, dataset.rights_affirmed_at = statement, timezone.now()


def _check(dataset: Dataset) -> None:
    """What a declaration needs, all of it at once."""
    errors: dict[str, list[str]] = {}
    if dataset.purpose not in Purpose.values:
        errors["purpose"] = [f"One of: {', '.join(Purpose.values)}."]
    if dataset.origin not in Origin.values:
        errors["origin"] = [f"One of: {', '.join(Origin.values)}."]
    if dataset.licence_id and not licence_known(dataset.licence_id):
        errors["licence_id"] = [f"The catalogue has no licence {dataset.licence_id[:60]!r}."]
    if dataset.origin == Origin.LICENSED and not dataset.licence_id:
        errors["licence_id"] = ["Name the licence under which you use the pictures."]
    if dataset.origin != Origin.OWN and not dataset.source.strip():
        errors["source"] = ["Say where the pictures are from."]
    if not 0 <= dataset.validation_share <= 0.5:
        errors["validation_share"] = ["Between 0 and 0.5."]
    if dataset.keep_until and (dataset.keep_until - timezone.now()).days > KEEP_LONGEST:
        errors["keep_until"] = [f"At most {KEEP_LONGEST} days from now."]
    if errors:
        raise DatasetDeclaration(" ".join(text for texts in errors.values() for text in texts), errors=errors)


def _declared(dataset: Dataset) -> dict[str, Any]:
    statement = dataset.rights_statement
    return {
        "origin": dataset.origin,
        "licence": dataset.licence_id,
        "depicts_real_person": dataset.depicts_real_person,
        "statement": statement.digest if statement else "",
    }


@audited()
def dataset_update(*, dataset: Dataset, actor: User, changes: dict[str, Any]) -> Dataset:
    """Change what is said about it; what was found under the old declaration is looked for again.

    `changes` may name the fields of FIELDS, and `rights_edition` to affirm the statement anew.
    """
    locked = Dataset.objects.select_for_update(no_key=True).select_related("owner").get(pk=dataset.pk)
    changes = dict(changes)
    if edition := changes.pop("rights_edition", ""):
        _affirm(locked, edition)
    if unknown := sorted(set(changes) - FIELDS):
        raise DatasetDeclaration(f"A dataset has no field {unknown[0]!r} that can be changed.")
    if "title" in changes:
        changes["title"] = changes["title"] or locked.name
    changes |= {name: " ".join(changes[name].split()) for name in ("trigger", "class_word") if name in changes}
    changed = sorted(name for name, value in changes.items() if getattr(locked, name) != value)
    for name in changed:
        setattr(locked, name, changes[name])
    _check(locked)
    locked.updated_at = timezone.now()
    locked.save()
    if {*WORDS, *RIGHTS} & set(changed):
        dataset_unsettle(dataset=locked, look_again=bool({*LOOKED} & set(changed)))
    if "validation_share" in changed:
        dataset_resplit(dataset=locked)
    if changed:
        data = {"fields": changed, **(_declared(locked) if {*RIGHTS} & set(changed) else {})}
        audit_append(actor=actor, action="dataset.changed", subject=(SUBJECT, str(locked.pk)), data=data)
    return locked


def dataset_unsettle(*, dataset: Dataset, look_again: bool = False) -> None:
    """The dataset has changed: it is to be checked again before anybody trains on it. Inside the caller's transaction.

    `look_again`: also the pixels of every picture in which something was found.
    """
    now = timezone.now()
    Dataset.objects.filter(pk=dataset.pk).update(screened_at=None, updated_at=now, last_used_at=now)
    if look_again:
        suspects = dataset.pictures.exclude(state=PictureState.OK)
        suspects.update(**UNSCREENED, looked_at=None)
    work_queue(dataset=dataset, kind=DatasetWork.SCREEN)


@audited()
def consent_link(*, dataset: Dataset, actor: User, consent: Consent) -> None:
    """The dataset rests on this consent; what it excuses is looked at again.

    Raises ConsentNotLinked unless it is live, of this owner, covers training, and a moderator has made sure of it.
    """
    Dataset.objects.select_for_update(no_key=True).get(pk=dataset.pk)
    if consent.pk not in {one.pk for one in live_training_consents(dataset)}:
        raise ConsentNotLinked(
            "It does not let you train now: it is not granted, has ended, is for other adapters or uses, or nobody has "
            "made sure who gave it."
        )
    DatasetConsent.objects.get_or_create(
        dataset=dataset, consent=consent, released_at=None, defaults={"linked_by": actor}
    )
    dataset_unsettle(dataset=dataset, look_again=True)
    _log_consent(dataset, actor, consent, "dataset.consent-linked")


@audited()
def consent_release(*, dataset: Dataset, actor: User, consent: Consent) -> None:
    """The dataset no longer rests on this consent; every picture is looked at again, for it may have excused any."""
    Dataset.objects.select_for_update(no_key=True).get(pk=dataset.pk)
    links = DatasetConsent.objects.filter(dataset=dataset, consent=consent, released_at=None)
    if links.update(released_at=timezone.now()):
        dataset_look_again(dataset=dataset)
        _log_consent(dataset, actor, consent, "dataset.consent-released")


def dataset_look_again(*, dataset: Dataset) -> None:
    """Look at every picture anew; those that were clear stay so until the answer is there."""
    dataset.pictures.filter(state=PictureState.OK).update(looked_at=None, attempts=0)
    dataset_unsettle(dataset=dataset, look_again=True)


def _log_consent(dataset: Dataset, actor: User, consent: Consent, action: str) -> None:
    data = {"consent": str(consent.public_id)}
    audit_append(actor=actor, action=action, subject=(SUBJECT, str(dataset.pk)), data=data)


def pictures_left(dataset: Dataset) -> int:
    """How many pictures the dataset has room for."""
    return int(settings.DATASET_PICTURES_MAX) - dataset.pictures.count()


@audited()
def dataset_recheck(*, dataset: Dataset, actor: User) -> None:
    """Look again at every picture that something stands against, or whose checks could not be finished."""
    locked = Dataset.objects.select_for_update(no_key=True).get(pk=dataset.pk)
    dataset_unsettle(dataset=locked, look_again=True)
    audit_append(actor=actor, action="dataset.recheck-asked", subject=(SUBJECT, str(locked.pk)))
