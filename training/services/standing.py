"""Whether a run may start and go on: the policy engine over base, pictures, consents, opt-outs and intended use.

It is asked three times: before the run can be queued (on record, whatever the answer), when a worker takes it, and
whenever a right that it rests on ends. What a moderator has allowed stays allowed while nothing else has changed.
"""

from dataclasses import replace
from typing import Any

from django.conf import settings

from accounts.models import User
from governance.models import DecisionRecord
from governance.policy import (
    ActorFacts,
    Component,
    Decision,
    Declarations,
    Outcome,
    Reason,
    Use,
    UseRequest,
    decide,
)
from governance.rulebook import current_ruleset
from governance.selectors import actor_facts
from governance.services import decide_and_record
from registry.models import Version
from registry.services.policy import base_component
from registry.states import VersionState
from training.machines import machine_classes
from training.models import DatasetState, TrainingRun
from training.models.runs import problem_of
from training.selectors.rights import DatasetRights, dataset_rights

# What people intend with the result, as they choose it for a run.
INTENDED = (
    Use.PERSONAL,
    Use.RESEARCH,
    Use.COMMERCIAL_OUTPUTS,
    Use.HOSTED_SERVICE,
    Use.REDISTRIBUTION,
    Use.SELLING_WEIGHTS,
)
PAID = frozenset({Use.COMMERCIAL_OUTPUTS, Use.SELLING_WEIGHTS})
HELD_BACK = (VersionState.QUARANTINED, VersionState.TAKEN_DOWN)
SUBJECT = "training.run"


def subject_of(run: TrainingRun) -> tuple[str, str, str]:
    return SUBJECT, str(run.public_id), run.title


def rights_of(run: TrainingRun) -> DatasetRights:
    """What the run's snapshot rests on at this moment."""
    return dataset_rights(run.snapshot, adapter_name=f"{run.owner.slug}/{run.adapter_name}")


def rights_to_json(rights: DatasetRights) -> dict[str, Any]:
    """As the run keeps it, so that its result can be judged when the dataset is long deleted."""
    return {
        "components": [component.to_json() for component in rights.components],
        "consent_ids": list(rights.consent_ids),
        "training_sources": list(rights.training_sources),
        "depicts_real_person": rights.depicts_real_person,
    }


def kept_components(run: TrainingRun) -> tuple[Component, ...]:
    """The training data as it was decided about."""
    return tuple(Component.from_json(found) for found in run.rights.get("components", ()))


def facts_of(run: TrainingRun) -> ActorFacts:
    """What the run's owner stated, with what the intended use and the price of the machine say about payment."""
    stated = actor_facts(actor=run.created_by, organisation=run.owner.organisation)
    machine = machine_classes().get(run.gpu_class)
    if Use(run.intended_use) in PAID or (machine is not None and machine.tariff):
        return replace(stated, receives_payment=True)
    if run.intended_use == Use.PERSONAL and stated.receives_payment is None:
        return replace(stated, receives_payment=False)  # "personal" is chosen as: for myself, nothing earned
    return stated


def training_request(run: TrainingRun, rights: DatasetRights) -> UseRequest:
    """The question whether this may be trained."""
    declarations = Declarations(
        rights_affirmed=run.snapshot.dataset.rights_affirmed_at is not None,
        depicts_real_person=rights.depicts_real_person,
        consent_ids=rights.consent_ids,
        training_sources=rights.training_sources,
        screened=True,  # no snapshot is taken of what was not looked at
        findings=rights.findings,
    )
    components = (base_component(run.base_model), *rights.components)
    return UseRequest(Use.TRAINING, components, facts_of(run), declarations)


def use_request_of(run: TrainingRun, rights: DatasetRights) -> UseRequest:
    """The question whether the result may be used as intended: it binds before anything is spent on it."""
    components = (base_component(run.base_model), *rights.components)
    return UseRequest(Use(run.intended_use), components, facts_of(run))


def run_decide(run: TrainingRun, *, actor: User | None) -> tuple[DecisionRecord, DecisionRecord]:
    """Ask both questions and put both answers on record; inside the caller's transaction."""
    rights = rights_of(run)
    about: dict[str, Any] = {"actor": actor, "organisation": run.owner.organisation, "subject": subject_of(run)}
    _, training = decide_and_record(request=training_request(run, rights), action=Use.TRAINING.value, **about)
    _, intended = decide_and_record(request=use_request_of(run, rights), action=run.intended_use, **about)
    run.rights, run.decision, run.use_decision = rights_to_json(rights), training, intended
    return training, intended


def allowed(run: TrainingRun) -> bool:
    """Whether both decisions on record allow it."""
    records = (run.decision, run.use_decision)
    return all(record is not None and record.outcome == Outcome.ALLOW for record in records)


def run_obstacle(run: TrainingRun) -> dict[str, Any] | None:
    """What stands against the run at this moment, as a problem; None where nothing does."""
    if run.snapshot.dataset.state != DatasetState.OPEN:
        return problem_of(
            code="dataset-deleted",
            what="The run's pictures are deleted.",
            why="Its dataset was deleted, or its time was over.",
            remedy="Upload the pictures again and start a new run.",
        )
    if (held := _held_result(run)) is not None:
        return problem_of(
            code="result-held-back",
            what="A result of this run was taken out of circulation.",
            why=f"{held} was held back or taken down, so nothing more is made from the same run.",
            remedy="Wait until it is decided about, or appeal the decision.",
        )
    rights = rights_of(run)
    for request, record in (
        (training_request(run, rights), run.decision),
        (use_request_of(run, rights), run.use_decision),
    ):
        if (reason := _refusal(request, record)) is not None:
            return problem_of(
                code=reason.code,
                what="A right that the run rests on does not hold any more.",
                why=reason.message,
                remedy="When it holds again, start a new run: what was trained is kept out of circulation.",
            )
    return None


def _refusal(request: UseRequest, record: DecisionRecord | None) -> Reason | None:
    """The gravest reason against it now, unless a person has allowed this very question under these rules."""
    decision: Decision = decide(request, current_ruleset())
    if decision.outcome is Outcome.ALLOW:
        return None
    if record is not None and record.outcome == Outcome.ALLOW and record.override_of_id is not None:
        same = record.request == request.to_json() and record.ruleset_digest == decision.ruleset_digest
        if same:
            return None
    return decision.reasons[0]


def _held_result(run: TrainingRun) -> Version | None:
    result = run.results.filter(version__state__in=HELD_BACK).select_related("version__adapter__owner").first()
    return result.version if result else None


def weights_missing(run: TrainingRun) -> dict[str, Any] | None:
    """The problem where no worker here has the base model's weights; None where one has."""
    if run.base_model.slug in settings.BASE_MODEL_LOCATIONS:
        return None
    return problem_of(
        code="weights-missing",
        what="The run cannot be trained here.",
        why=f"The weights of {run.base_model.name} are not on this registry's workers.",
        remedy=f"An administrator can name a folder or hub id: BASE_MODEL_LOCATIONS={run.base_model.slug}=…",
    )
