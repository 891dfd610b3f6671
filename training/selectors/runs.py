"""Fetching and authorising runs in one call, and what the lists show. Absent and unreadable give the same answer."""

import uuid

from django.db.models import Exists, OuterRef, Q, QuerySet, Sum

from accounts.errors import NotFound, NotPermitted
from accounts.models import Membership, Namespace, User
from accounts.permissions import Role
from registry.permissions import AdapterRole
from registry.selectors.access import membership_role
from registry.selectors.visibility import Actor, versions_readable_by
from training.models import RunFile, RunSample, TrainingRun
from training.permissions import RUN_ROLES, RunPermission
from training.services.run_states import RELATED
from training.services.withholding import is_held_back
from training.states import RunState

READING = [role for role in Role if RunPermission.READ in RUN_ROLES[AdapterRole(role.value)]]
# What the policy engine left to a person, as moderators see it.
WAITS_FOR_A_PERSON = Q(state=RunState.DRAFT) & (Q(decision__outcome="review") | Q(use_decision__outcome="review"))


def run_roles(actor: Actor, run: TrainingRun) -> frozenset[AdapterRole]:
    """Every role that `actor` has towards `run`; their permissions add up."""
    roles: set[AdapterRole] = set()
    role = membership_role(actor, run.owner)
    if role is not None:
        roles.add(role)
        # Who made it keeps it in their hands for as long as they may contribute at all.
        if role is AdapterRole.MEMBER and run.created_by_id == actor.pk:
            roles.add(AdapterRole.MAINTAINER)
    if isinstance(actor, User) and actor.is_moderator and _waits_for_a_person(run):
        roles.add(AdapterRole.MODERATOR)
    return frozenset(roles)


def _waits_for_a_person(run: TrainingRun) -> bool:
    return TrainingRun.objects.filter(WAITS_FOR_A_PERSON, pk=run.pk).exists()


def run_permissions(actor: Actor, run: TrainingRun) -> frozenset[RunPermission]:
    """All that `actor` may do with `run`."""
    return frozenset().union(*(RUN_ROLES[role] for role in run_roles(actor, run)))


def runs_readable_by(actor: Actor) -> QuerySet[TrainingRun]:
    """Runs of one's own and one's organisations', and for moderators those that wait for a person."""
    if not isinstance(actor, User):
        return TrainingRun.objects.none()
    readable = Q(owner__in=_spaces(actor).values("pk"))
    if actor.is_moderator:
        readable |= WAITS_FOR_A_PERSON
    return TrainingRun.objects.filter(readable)


def _spaces(actor: User) -> QuerySet[Namespace]:
    memberships = Membership.objects.filter(user=actor, role__in=READING)
    return Namespace.objects.filter(Q(user=actor) | Q(organisation__in=memberships.values("organisation")))


def access_run(*, actor: Actor, public_id: uuid.UUID, permission: RunPermission) -> TrainingRun:
    """The run, if `actor` may read it and do this to it. Raises NotFound or NotPermitted."""
    run = runs_readable_by(actor).filter(public_id=public_id).select_related(*RELATED).first()
    if run is None:
        raise NotFound("There is no such run that you may see.")
    if permission not in run_permissions(actor, run):
        raise NotPermitted(f"Your role towards this run does not include {permission.value}.")
    return run


def access_sample(*, actor: Actor, pk: uuid.UUID) -> RunSample:
    """A sample of a run that `actor` may read, or of one whose result they may read."""
    sample = RunSample.objects.filter(pk=pk).select_related("run").first()
    readable = runs_readable_by(actor).filter(pk=OuterRef("run"))
    found = RunSample.objects.filter(Q(Exists(readable)) | samples_reported_to(actor), pk=pk)
    if sample is None or not found.exists():
        raise NotFound("There is no such picture that you may see.")
    return sample


def access_run_file(*, actor: Actor, public_id: uuid.UUID, file: uuid.UUID) -> RunFile:
    """A written adapter of a run that `actor` steers, unless the run was stopped or its result is held back."""
    run = access_run(actor=actor, public_id=public_id, permission=RunPermission.STEER)
    found = run.files.filter(pk=file, removed_at=None).first()
    if found is None or run.state == RunState.STOPPED or is_held_back(run):
        raise NotFound("There is no such file that you may have.")
    return found


def samples_reported_to(actor: Actor) -> Q:
    """Samples of runs with a version that was published, for moderators.

    Nobody has screened a run's samples, which may be near copies of private pictures. Of those that are attached to a
    version, everybody sees the screened copies there.
    """
    if not (isinstance(actor, User) and actor.is_moderator):
        return Q(pk__in=[])
    readable = versions_readable_by(actor).filter(training_result__run=OuterRef("run"), published_at__isnull=False)
    return Q(Exists(readable))


def samples_visible(*, actor: Actor, run: TrainingRun) -> bool:
    """Whether `actor` may see the samples of this run."""
    if runs_readable_by(actor).filter(pk=run.pk).exists():
        return True
    return RunSample.objects.filter(samples_reported_to(actor), run=run).exists()


def runs_listed(actor: User) -> QuerySet[TrainingRun]:
    """The runs of one's own spaces, the newest first."""
    mine = TrainingRun.objects.filter(owner__in=_spaces(actor).values("pk"))
    return mine.select_related("owner", "base_model", "snapshot__dataset__owner", "created_by")


def run_bytes(namespace: Namespace) -> int:
    """Bytes of samples and written files of runs under a name, which count against its quota."""
    samples = RunSample.objects.filter(run__owner=namespace).aggregate(total=Sum("size"))["total"] or 0
    files = RunFile.objects.filter(run__owner=namespace, removed_at=None).aggregate(total=Sum("size"))["total"] or 0
    return int(samples + files)


def runs_for_review(actor: User) -> QuerySet[TrainingRun]:
    """What waits for a moderator, the oldest first; one's own are another's to decide."""
    if not actor.is_moderator:
        return TrainingRun.objects.none()
    others = TrainingRun.objects.filter(WAITS_FOR_A_PERSON).exclude(owner__in=_spaces(actor).values("pk"))
    return others.select_related("owner", "base_model", "snapshot__dataset__owner", "created_by").order_by("created_at")
