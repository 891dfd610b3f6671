"""Adapters to make things of: the tiny base's starters as published versions, and jobs that ran."""

from typing import Any

from accounts.models import Namespace, User
from inference.making import make
from inference.models import Making, MakingJob
from inference.services.making_plans import Ingredient, MakingPlan, making_ask, making_queue, making_start
from registry.models import BaseModel, Version
from registry.services.review import version_review
from tests.factories.accounts import make_user
from tests.factories.registry import catalogue, make_version
from tests.inference.conftest import STARTER


def starter(
    actor: User, name: str, *, called: str = "", visibility: str = "public", content: bytes = b"", **declared: Any
) -> Version:
    """A starter adapter as `actor` published it."""
    path = STARTER / f"{name}.safetensors"
    return make_version(
        actor=actor,
        name=called or name,
        content=content or path.read_bytes(),
        filename=path.name,
        visibility=visibility,
        declared={"trigger_words": (name,), "allow_different_licence": True, "credit_required": False, **declared},
    )


def let_out(version: Version) -> Version:
    """The same, published by a moderator over what the rules left open."""
    mo = User.objects.filter(username="mo").first() or make_user("mo", is_moderator=True)
    version_review(version=version, actor=mo, approve=True, public_reasoning="Its creator may.")
    version.refresh_from_db()
    return version


def plan_of(actor: User, *parts: tuple[Version, float], kind: Making = Making.MERGE, **more: Any) -> MakingPlan:
    catalogue()
    given: dict[str, Any] = {
        "base_model": BaseModel.objects.get(slug="tinybase"),
        "parts": tuple(Ingredient(*part) for part in parts),
    }
    if kind in {Making.MERGE, Making.EXTRACT}:
        given |= {"owner": Namespace.objects.get(user=actor), "adapter_name": "merged", "title": "Merged"}
    return MakingPlan(kind, **{**given, **more})


def started(actor: User, plan: MakingPlan) -> MakingJob:
    """Asked, its terms accepted, and queued."""
    if plan.kind == Making.COMPARE:
        return making_queue(actor=actor, plan=plan)
    return making_start(actor=actor, plan=plan, accepted_terms=making_ask(actor=actor, plan=plan).digest)


def ran(job: MakingJob, worker: str = "here") -> MakingJob:
    make(job_id=str(job.pk), worker=worker)
    job.refresh_from_db()
    return job
