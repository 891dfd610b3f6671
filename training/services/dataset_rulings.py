"""What a moderator decides about a picture, or a set, that waits for a person. Each decision is on record."""

from accounts.models import User
from governance.models import DecisionRecord
from governance.policy import Finding, Outcome
from governance.services import audited, decision_override
from registry.errors import ConflictOfInterest
from registry.selectors.access import membership_role
from training.errors import RulingRefused
from training.findings import REFUSED_BY_A_PERSON, finding_key, refuses, standing
from training.models import Dataset, DatasetAlarm, DatasetPicture, PictureState
from training.services.alarms import alarm_close
from training.services.datasets import SUBJECT, dataset_unsettle

ACTION = "dataset-review"
ALSO = "What you let pass is let pass, and what the registry refuses by itself still stands. "


@audited()
def picture_rule(*, picture: DatasetPicture, actor: User, allow: bool, reasoning: str) -> DecisionRecord:
    """Let a held picture pass, or refuse it; over one that an alarm is about, which stays refused, close the alarm.

    Raises RulingRefused for one that does not wait for a person, ConflictOfInterest for one's own or one's house's.
    """
    dataset = _locked(picture.dataset_id, actor)
    row = DatasetPicture.objects.select_for_update(no_key=True).get(pk=picture.pk)
    alarmed = DatasetAlarm.objects.filter(picture=row.public_id, closed_at=None).exists()
    if row.state != PictureState.HELD and not alarmed:
        raise RulingRefused(f"{row.path} is {row.get_state_display().lower()}.")
    if allow:
        row.rulings = sorted({*row.rulings, *(finding_key(found) for found in row.findings if not refuses(found))})
        row.findings = list(standing(row.findings, row.rulings))
    else:
        row.findings = [*row.findings, Finding("review", REFUSED_BY_A_PERSON, _refusal(reasoning), {}).to_json()]
    row.state = PictureState.OK if not row.findings else PictureState.REFUSED
    row.save(update_fields=["rulings", "findings", "state"])
    dataset_unsettle(dataset=dataset)
    record = _record(dataset, actor, allow, reasoning)
    alarm_close(picture=row, actor=actor, allow=allow, record=record)
    return record


def _refusal(reasoning: str) -> str:
    return (
        f"A moderator refused it: {reasoning.strip()} Leave it out; the rest of the set can be trained on without it."
    )


def ruling_next(picture: DatasetPicture) -> str:
    """What happens now that a picture was decided about, and what its owner has to do."""
    row = DatasetPicture.objects.select_related("dataset").get(pk=picture.pk)
    used = row.dataset.pictures.filter(left_out=False)
    held = used.filter(state=PictureState.HELD).count()
    more = f" {held} more of the set wait for a decision." if held else ""
    if row.state == PictureState.REFUSED:
        still = "" if any(one["code"] == REFUSED_BY_A_PERSON for one in row.findings) else ALSO
        return f"{still}Its owner leaves it out, or nothing is trained on the set.{more}"
    if held:
        return f"The picture is fit to be trained on.{more}"
    if used.filter(state=PictureState.REFUSED).exists():
        return "The picture is fit to be trained on. Others of the set were refused: its owner leaves them out first."
    return "The set as a whole is checked once more by itself; then its owner can start a run."


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
