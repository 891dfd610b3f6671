"""What comes to light after a dataset was used: new opt-outs and consents that ended stop what is trained on it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from governance.policy import Finding
from governance.services import audit_append, audited
from moderation.models import Consent, OptOutEntry
from moderation.selectors.blocks import blocks_in_force
from moderation.selectors.consents import live
from moderation.selectors.optout import COUNTS
from training.findings import finding_key
from training.models import (
    Dataset,
    DatasetBlock,
    DatasetConsent,
    DatasetPicture,
    DatasetSnapshot,
    DatasetState,
    DatasetWork,
    TrainedPicture,
)
from training.selectors.optout_marks import optout_mark
from training.services.dataset_work import work_queue
from training.services.datasets import SUBJECT, dataset_look_again
from training.signals import dataset_blocked

CONSENT_ENDED = "consent-ended"
SWEEP = 50  # datasets that one sweep has looked at again
REF_MAX = 120
RIGHTS_NAMED = frozenset({"entry", "identity", "block"})  # facts that name a row of a register, nothing of the picture
STOOD_AT_DELETION = (
    "Something that came to light about its training pictures stood against their use when these were deleted."
)


@dataclass(frozen=True)
class New:
    """What came to light, and which snapshots have the picture and did not know of it; none for the whole set."""

    code: str
    message: str
    snapshots: Sequence[DatasetSnapshot] = ()


def blocks_settle(*, dataset: Dataset) -> None:
    """After a screening: block what was found anew in pictures that a snapshot has, and lift what is not so any more.

    Inside the caller's `audited` transaction.
    """
    found = _by_place(dataset)
    there = {str(pk) for pk in dataset.pictures.values_list("public_id", flat=True)}
    for block in _standing(dataset):
        if _place(block) not in found and str(block.picture) in there:
            _clear(block)
    blocks_add(dataset=dataset)
    for block in dataset.blocks.filter(cleared_at=None, code=CONSENT_ENDED):
        if not _still_missing(dataset, block):
            _clear(block)


def blocks_add(*, dataset: Dataset) -> None:
    """Block what was found anew and is not blocked yet. Inside the caller's `audited` transaction."""
    known = {_place(block): block for block in _standing(dataset)}
    for place, new in _by_place(dataset).items():
        if place in known:
            known[place].snapshots.add(*new.snapshots)
        else:
            _block(dataset, picture=place[0], ref=place[1], new=new)


def block_trained(*, row: TrainedPicture, finding: Finding) -> bool:
    """Block what was found in a picture that has left the set; False where it is blocked already.

    Inside the caller's `audited` transaction.
    """
    dataset = Dataset.objects.select_for_update(no_key=True).get(pk=row.dataset_id)
    ref, new = finding_key(finding.to_json())[:REF_MAX], New(finding.code, finding.message, list(row.snapshots.all()))
    standing = _standing(dataset).filter(picture=row.picture, ref=ref).first()
    if standing is not None:
        standing.snapshots.add(*new.snapshots)
        return False
    _block(dataset, picture=str(row.picture), ref=ref, new=new)
    return True


def blocks_keep(*, dataset: Dataset) -> None:
    """The pictures are deleted: what stood against them stands on against what was trained on them.

    The row keeps what its kind is and whose right it is, not what a finding said of a picture. Whoever was not told of
    it is told now. Inside the caller's `audited` transaction.
    """
    for block in dataset.blocks.all():
        DatasetBlock.objects.filter(pk=block.pk).update(**_without_picture(block))
        if block.cleared_at is None:
            _tell(dataset, block.code)


def _without_picture(block: DatasetBlock) -> dict[str, str]:
    if block.code == CONSENT_ENDED:
        return {}  # it names a consent and no picture
    kind, _, named = block.ref.partition(":")
    ref = block.ref if named.partition("=")[0] in RIGHTS_NAMED else kind
    return {"message": "" if block.cleared_at else STOOD_AT_DELETION, "ref": ref}


def _standing(dataset: Dataset) -> QuerySet[DatasetBlock]:
    """Blocks that stand because of a picture."""
    return dataset.blocks.filter(cleared_at=None).exclude(code=CONSENT_ENDED)


def _place(block: DatasetBlock) -> tuple[str, str]:
    return str(block.picture), block.ref


def _by_place(dataset: Dataset) -> dict[tuple[str, str], New]:
    """What was found that a snapshot with the picture did not know of, by picture and key."""
    manifests = [(one, _known(one)) for one in dataset.snapshots.all()]
    found = {}
    for row in dataset.pictures.exclude(findings=[]):
        name = str(row.public_id)
        for finding in row.findings:
            key = finding_key(finding)
            unaware = [one for one, known in manifests if name in known and key not in known[name]]
            if unaware:
                found[name, key[:REF_MAX]] = New(finding["code"], finding["message"], unaware)
    return found


def _known(snapshot: DatasetSnapshot) -> dict[str, set[str]]:
    """The keys of the findings that a snapshot was taken with, by its pictures."""
    entries = snapshot.manifest.get("pictures", [])
    return {entry["picture"]: {finding_key(found) for found in entry["findings"]} for entry in entries}


def _block(dataset: Dataset, *, picture: str | None, ref: str, new: New) -> None:
    block = DatasetBlock.objects.create(
        dataset=dataset, picture=picture, code=new.code, ref=ref[:REF_MAX], message=new.message[:2000]
    )
    block.snapshots.set(new.snapshots)
    data = {"code": new.code, "picture": picture or ""}
    audit_append(actor=None, action="dataset.blocked", subject=(SUBJECT, str(dataset.pk)), data=data)
    _tell(dataset, new.code)


def _tell(dataset: Dataset, code: str) -> None:
    transaction.on_commit(lambda: dataset_blocked.send(sender=Dataset, dataset_id=dataset.pk, code=code))


def _clear(block: DatasetBlock) -> None:
    DatasetBlock.objects.filter(pk=block.pk, cleared_at=None).update(cleared_at=timezone.now())
    data = {"code": block.code, "block": block.pk}
    audit_append(actor=None, action="dataset.block-lifted", subject=(SUBJECT, str(block.dataset_id)), data=data)


def consent_ended_for(*, consent_id: int) -> None:
    """Every dataset that rests on this consent is blocked, if it was used, and looked at again."""
    linked = DatasetConsent.objects.filter(consent=consent_id, released_at=None).values("dataset")
    pictured = DatasetPicture.objects.filter(consent=consent_id).values("dataset")
    for pk in Dataset.objects.filter(pk__in=linked.union(pictured), state=DatasetState.OPEN).values_list(
        "pk", flat=True
    ):
        _consent_ended(dataset_id=pk, consent_id=consent_id)


@audited()
def _consent_ended(*, dataset_id: int, consent_id: int) -> None:
    dataset = Dataset.objects.select_for_update(no_key=True).get(pk=dataset_id)
    consent = Consent.objects.get(pk=consent_id)
    if _covers(consent):
        return  # it was narrowed, and still covers training
    ref = str(consent.public_id)
    if dataset.snapshots.exists() and not dataset.blocks.filter(cleared_at=None, ref=ref).exists():
        message = (
            "A person's consent on which its pictures rest has ended. Leave their pictures out, or ask them again."
        )
        _block(dataset, picture=None, ref=ref, new=New(CONSENT_ENDED, message))
    dataset_look_again(dataset=dataset)


def _covers(consent: Consent) -> bool:
    return live().filter(pk=consent.pk, scopes__contains=["training"]).exists()


def _still_missing(dataset: Dataset, block: DatasetBlock) -> bool:
    """Whether the dataset still rests on the consent that ended."""
    consent = Consent.objects.filter(public_id=block.ref).first()
    if consent is None or _covers(consent):
        return False
    linked = dataset.consent_links.filter(consent=consent, released_at=None).exists()
    return linked or dataset.pictures.filter(consent=consent, left_out=False).exists()


def blocks_of_deleted_lift() -> int:
    """Lift what stands over deleted pictures for an opt-out or a removed picture that counts no more; how many.

    They cannot be looked at again, so nothing else lifts it.
    """
    there = DatasetPicture.objects.filter(public_id=OuterRef("picture"))
    standing = DatasetBlock.objects.filter(
        Q(dataset__state=DatasetState.DELETED) | (Q(picture__isnull=False) & ~Exists(there)), cleared_at=None
    )
    by_right: dict[tuple[str, str], list[DatasetBlock]] = defaultdict(list)
    for block in standing.exclude(code=CONSENT_ENDED):
        right, _, value = block.ref.partition(":")[2].partition("=")
        by_right[right, value].append(block)
    entries = {value for right, value in by_right if right == "entry"}
    removed = {value for right, value in by_right if right == "block"}
    counting = OptOutEntry.objects.filter(COUNTS, public_id__in=entries).values_list("public_id", flat=True)
    in_force = blocks_in_force().filter(pk__in=removed).values_list("pk", flat=True)
    over = {("entry", value) for value in entries - set(map(str, counting))}
    over |= {("block", value) for value in removed - set(map(str, in_force))}
    lifted = [block for place in sorted(over) for block in by_right[place]]
    for block in lifted:
        _lift(block)
    return len(lifted)


@audited()
def _lift(block: DatasetBlock) -> None:
    _clear(block)


def datasets_compared_before() -> list[int]:
    """Settled datasets that were compared with an older state of the registers, and the longest ago first."""
    stale = Dataset.objects.filter(state=DatasetState.OPEN, screened_at__isnull=False).exclude(
        optout_mark=optout_mark()
    )
    return list(stale.order_by("screened_at").values_list("pk", flat=True)[:SWEEP])


def consents_lost() -> list[int]:
    """Consents that ended while the news of it was lost: linked, not in force, and without a block that says so."""
    linked = DatasetConsent.objects.filter(
        released_at=None, dataset__state=DatasetState.OPEN, dataset__snapshots__isnull=False
    ).exclude(consent__in=live().filter(scopes__contains=["training"]).values("pk"))
    rows = linked.values_list("consent_id", "consent__public_id", "dataset_id").distinct()
    known = set(DatasetBlock.objects.filter(cleared_at=None, code=CONSENT_ENDED).values_list("dataset_id", "ref"))
    return sorted({pk for pk, public_id, dataset in rows if (dataset, str(public_id)) not in known})


@transaction.atomic
def dataset_compare_again(*, dataset_id: int) -> None:
    """Look at a dataset's pictures anew, because the registers have changed."""
    dataset = Dataset.objects.select_for_update(no_key=True).get(pk=dataset_id)
    if dataset.state == DatasetState.OPEN and dataset.optout_mark != optout_mark():
        dataset.pictures.update(looked_at=None, attempts=0)
        Dataset.objects.filter(pk=dataset.pk).update(screened_at=None)
        work_queue(dataset=dataset, kind=DatasetWork.SCREEN)
