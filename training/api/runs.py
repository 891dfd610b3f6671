"""Training runs in the API: prepared, steered, watched as Server-Sent Events, compared and published."""

import uuid
from collections.abc import Callable
from typing import Any

from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import acting_user
from accounts.errors import NotFound
from registry.models import BaseModel
from training.api.run_serializers import (
    CheckpointSerializer,
    RunPlanSerializer,
    RunPublishSerializer,
    RunSampleSerializer,
    RunSerializer,
)
from training.engine.checks import problems
from training.engine.config import TrainConfig
from training.engine.presets import families, preset, purposes
from training.errors import RecipeRefused, ResultRefused
from training.forms.previews import situation_now
from training.machines import machine_classes
from training.models import TrainingRun
from training.permissions import DatasetPermission, RunPermission
from training.selectors.datasets import access_dataset
from training.selectors.run_pages import checkpoints_of
from training.selectors.runs import access_run, runs_listed
from training.services.results import checkpoint_choose, result_publish
from training.services.runs import (
    RunPlan,
    run_cancel,
    run_pause,
    run_prepare,
    run_recheck,
    run_resume,
    run_retry,
    run_start,
)
from training.services.standing import INTENDED
from training.streaming import event_facts, point_facts, stream_response

P = RunPermission
A_PAGE = 50


class TrainingPresetsView(APIView):
    """The preset of a purpose and family for a number of pictures, each value with its reason."""

    @extend_schema(
        operation_id="training_presets",
        parameters=[OpenApiParameter(name, str) for name in ("purpose", "family")]
        + [OpenApiParameter("pictures", int)],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request) -> Response:
        asked = request.query_params
        if "family" not in asked:
            return Response(_choices())
        pictures = asked.get("pictures", "20")
        try:
            found = preset(asked.get("purpose", "style"), asked["family"], int(pictures))
        except (KeyError, ValueError) as error:
            raise RecipeRefused(
                f"There is no such preset: {error}.", remedy="Ask without parameters for the choices."
            ) from error
        return Response(
            {"recipe": found.config.to_json(), "reasons": dict(found.reasons), "sources": dict(found.sources)}
        )


def _choices() -> dict[str, Any]:
    return {
        "purposes": [{"name": one.name, "title": one.title} for one in purposes()],
        "families": [{"name": one.name, "title": one.title} for one in families()],
        "intended_uses": [use.value for use in INTENDED],
        "gpu_classes": [{"name": one.name, "label": one.label} for one in machine_classes().values()],
    }


class TrainingRunsView(APIView):
    """The runs of one's own and one's organisations; a new one."""

    @extend_schema(responses=RunSerializer(many=True), operation_id="training_runs_list")
    def get(self, request: Request) -> Response:
        return Response(RunSerializer(runs_listed(acting_user(request))[:A_PAGE], many=True).data)

    @extend_schema(request=RunPlanSerializer, responses={201: RunSerializer}, operation_id="training_run_prepare")
    def post(self, request: Request) -> Response:
        actor, asked = acting_user(request), RunPlanSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        run = run_prepare(actor=actor, plan=_plan(actor, asked.validated_data))
        return Response(RunSerializer(run).data, status=201)


def _plan(actor: Any, asked: dict[str, Any]) -> RunPlan:
    owner, _, name = asked["dataset"].partition("/")
    dataset = access_dataset(actor=actor, owner=owner, name=name, permission=DatasetPermission.TRAIN)
    base = BaseModel.objects.filter(slug=asked["base_model"]).first()
    if base is None:
        raise NotFound(f"There is no base model {asked['base_model']!r} in the catalogue.")
    config, reasons = _config(dataset, base, asked)
    return RunPlan(
        dataset=dataset,
        base_model=base,
        config=config,
        reasons=reasons,
        gpu_class=asked.get("gpu_class") or next(iter(machine_classes())),
        **{key: asked[key] for key in ("adapter_name", "intended_use", "purpose", "title", "priority")},
    )


def _config(dataset: Any, base: BaseModel, asked: dict[str, Any]) -> tuple[TrainConfig, dict[str, str]]:
    """The preset with what was asked laid over it, section by section."""
    used = dataset.pictures.filter(left_out=False, is_validation=False)
    counted = {flag: used.filter(is_prior=flag).count() for flag in (False, True)}
    trigger = asked.get("trigger", dataset.trigger)
    try:
        found = preset(
            asked["purpose"], base.family, max(counted[False], 1), trigger=trigger, class_pictures=counted[True]
        )
        return TrainConfig.from_json(_laid_over(found.config.to_json(), asked.get("recipe", {}))), dict(found.reasons)
    except (KeyError, ValueError, TypeError) as error:
        raise RecipeRefused(f"The recipe cannot be read: {error}.", errors={"recipe": [str(error)]}) from error


def _laid_over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    found = dict(below)
    for name, value in above.items():
        section = found.get(name)
        both = isinstance(section, dict) and isinstance(value, dict)
        found[name] = {**section, **value} if both and isinstance(section, dict) else value
    return found


class TrainingCheckView(APIView):
    """What is wrong with a recipe, without preparing a run."""

    @extend_schema(request=RunPlanSerializer, responses=OpenApiTypes.OBJECT, operation_id="training_check")
    def post(self, request: Request) -> Response:
        actor, asked = acting_user(request), RunPlanSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        plan = _plan(actor, asked.validated_data)
        machine = machine_classes().get(plan.gpu_class)
        found = problems(plan.config, situation_now(plan.dataset, machine.device if machine else "cpu"))
        return Response({"recipe": plan.config.to_json(), "problems": [_problem(one) for one in found]})


def _problem(one: Any) -> dict[str, str]:
    return {"field": one.field, "what": one.what, "why": one.why, "remedy": one.remedy, "severity": one.severity.value}


class _RunView(APIView):
    def run(self, request: Request, pk: uuid.UUID, permission: RunPermission = P.READ) -> TrainingRun:
        return access_run(actor=request.user, public_id=pk, permission=permission)


class TrainingRunView(_RunView):
    """One run."""

    @extend_schema(responses=RunSerializer, operation_id="training_run")
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        return Response(RunSerializer(self.run(request, pk)).data)


class _ActView(_RunView):
    service: Callable[..., TrainingRun]

    def act(self, request: Request, pk: uuid.UUID) -> Response:
        run = type(self).service(run=self.run(request, pk, P.STEER), actor=acting_user(request))
        return Response(RunSerializer(run).data)


def _action(name: str, service: Callable[..., TrainingRun], words: str) -> type[_ActView]:
    @extend_schema(request=None, responses=RunSerializer, operation_id=f"training_run_{name}")
    def post(self: _ActView, request: Request, pk: uuid.UUID) -> Response:
        return self.act(request, pk)

    members = {"__doc__": words, "service": staticmethod(service), "post": post, "__module__": __name__}
    return type(f"TrainingRun{name.title()}View", (_ActView,), members)


ACTIONS = {
    "start": _action("start", run_start, "Queue a draft that is allowed."),
    "recheck": _action("recheck", run_recheck, "Ask the policy engine again about a draft."),
    "pause": _action("pause", run_pause, "Pause at a checkpoint, within two steps."),
    "resume": _action("resume", run_resume, "Go on from the last checkpoint."),
    "cancel": _action("cancel", run_cancel, "End it for good, within two steps."),
    "retry": _action("retry", run_retry, "Try a failed run again from its last checkpoint."),
}


class TrainingPointsView(_RunView):
    """The points of the curves, oldest first."""

    @extend_schema(responses=OpenApiTypes.OBJECT, operation_id="training_run_points")
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        points = self.run(request, pk).points.order_by("step", "kind")
        return Response([point_facts(point) for point in points])


class EventStreamRenderer(BaseRenderer):
    """Lets a client ask for events; the view answers with a stream of its own."""

    media_type = "text/event-stream"
    format = "events"

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        return JSONRenderer().render(data)


class TrainingEventsView(_RunView):
    """The log: as JSON, or as Server-Sent Events (`Accept: text/event-stream`) with points and progress.

    A connection lasts for some seconds; go on with `Last-Event-ID`, as browsers do by themselves.
    """

    renderer_classes = [JSONRenderer, EventStreamRenderer]

    @extend_schema(responses=OpenApiTypes.OBJECT, operation_id="training_run_events")
    def get(self, request: Request, pk: uuid.UUID) -> HttpResponseBase:
        run = self.run(request, pk)
        if request.accepted_renderer.media_type == EventStreamRenderer.media_type:
            return stream_response(run, request.headers.get("Last-Event-ID", ""))
        return Response([event_facts(event) for event in run.events.all()])


class TrainingSamplesView(_RunView):
    """The sample pictures, each with the address of its content."""

    @extend_schema(responses=RunSampleSerializer(many=True), operation_id="training_run_samples")
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        return Response(RunSampleSerializer(self.run(request, pk).samples.all(), many=True).data)


class TrainingCheckpointsView(_RunView):
    """The checkpoints, removed ones as well, each with its losses."""

    @extend_schema(responses=CheckpointSerializer(many=True), operation_id="training_run_checkpoints")
    def get(self, request: Request, pk: uuid.UUID) -> Response:
        return Response(CheckpointSerializer(checkpoints_of(self.run(request, pk), removed=True), many=True).data)


class TrainingChooseView(_RunView):
    """Make the draft of another checkpoint."""

    @extend_schema(request=None, responses=RunSerializer, operation_id="training_run_choose")
    def post(self, request: Request, pk: uuid.UUID, step: int) -> Response:
        run = checkpoint_choose(run=self.run(request, pk, P.STEER), actor=acting_user(request), step=step)
        return Response(RunSerializer(run).data)


class TrainingPublishView(_RunView):
    """Send the draft to inspection, screening and decision."""

    @extend_schema(request=RunPublishSerializer, responses=RunSerializer, operation_id="training_run_publish")
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        run = self.run(request, pk, P.PUBLISH)
        asked = RunPublishSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        result = run.results.filter(version__state="draft").select_related("version__adapter__owner").first()
        if result is None:
            raise ResultRefused("There is no draft of this run.")
        data = dict(asked.validated_data)
        about = {key: data.pop(key) for key in ("visibility", "content_level", "title", "description") if key in data}
        if "licence" in data:
            data["licence_id"] = data.pop("licence")
        declared = {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
        result_publish(run=run, version=result.version, actor=acting_user(request), declared=declared, about=about)
        return Response(RunSerializer(self.run(request, pk)).data)
