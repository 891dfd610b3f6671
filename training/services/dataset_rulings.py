"""What a moderator decides about a picture, or a set, that waits for a person. Each decision is on record."""

from accounts.models import User
from governance.models import DecisionRecord
from governance.policy import Finding, Outcome
from governance.services import audited, decision_override
from registry.errors import ConflictOfInterest
from registry.selectors.access import membership_role
from training.errors import RulingRefused
from training.findings import REFUSED_BY_A_PERSON, finding_key, refuses, standing
from training.models import Dataset, DatasetPicture, PictureState
from training.services.datasets import SUBJECT, dataset_unsettle

ACTION = "dataset-review"


@audited()
def picture_rule(*, picture: DatasetPicture, actor: User, allow: bool, reasoning: str) -> DecisionRecord:
    """Let a held picture pass, or refuse it.

    Raises RulingRefused for one that does not wait for a person, ConflictOfInterest for one's own or one's house's.
    """
    dataset = _locked(picture.dataset_id, actor)
    row = DatasetPicture.objects.select_for_update(no_key=True).get(pk=picture.pk)
    if row.state != PictureState.HELD:
        raise RulingRefused(f"{row.path} is {row.get_state_display().lower()}.")
    if allow:
        row.rulings = sorted({*row.rulings, *(finding_key(found) for found in row.findings if not refuses(found))})
        row.findings = list(standing(row.findings, row.rulings))
    else:
        row.findings = [*row.findings, Finding("review", REFUSED_BY_A_PERSON, reasoning, {}).to_json()]
    row.state = PictureState.OK if not row.findings else PictureState.REFUSED
    row.save(update_fields=["rulings", "findings", "state"])
    dataset_unsettle(dataset=dataset)
    return _record(dataset, actor, allow, reasoning)


@audited()
def dataset_rule(*, dataset: Dataset, actor: User, reasoning: str) -> DecisionRecord:
    """Let pass what was found about the set as a whole."""
    locked = _locked(dataset.pk, actor)
    if not locked.findings:
        raise RulingRefused("Nothing about this set waits for a person.")
    locked.rulings = sorted({*locked.rulings, *(finding_key(found) for found in locked.findings)})
    locked.findings = list(standing(locked.findings, locked.rulings))
    locked.save(update_fields=["rulings", "findings"])
    return _record(locked, actor, True, reasoning)


def _locked(pk: int, actor: User) -> Dataset:
    dataset = Dataset.objects.select_for_update(no_key=True).select_related("owner").get(pk=pk)
    if dataset.created_by_id == actor.pk or membership_role(actor, dataset.owner) is not None:
        raise ConflictOfInterest(f"{dataset} is your own, or your organisation's.")
    return dataset


def _record(dataset: Dataset, actor: User, allow: bool, reasoning: str) -> DecisionRecord:
    return decision_override(
        record=None,
        actor=actor,
        outcome=Outcome.ALLOW if allow else Outcome.DENY,
        subject=(SUBJECT, str(dataset.pk), str(dataset)),
        action=ACTION,
        public_reasoning=reasoning,
    )
