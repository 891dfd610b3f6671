"""What moderators decide about runs, pictures and sets that wait for a person."""

import uuid
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import acting_user
from training.api.datasets import DatasetView
from training.permissions import DatasetPermission, RunPermission
from training.selectors.datasets import access_picture
from training.selectors.runs import access_run
from training.services.dataset_rulings import dataset_rule, picture_rule, ruling_next
from training.services.runs import run_review

VERDICTS = ["allow", "refuse"]


class RulingSerializer(serializers.Serializer[Any]):
    """What is decided, and why: the people concerned read `reasoning`."""

    verdict = serializers.ChoiceField(choices=VERDICTS)
    reasoning = serializers.CharField(max_length=2000)


class RunRulingSerializer(RulingSerializer):
    """Of a run; `private_notes` are for moderators alone."""

    private_notes = serializers.CharField(max_length=2000, required=False, allow_blank=True, default="")


class SetRulingSerializer(serializers.Serializer[Any]):
    """What was found about a set as a whole is let pass; a set that is refused is left to stand as it is."""

    reasoning = serializers.CharField(max_length=2000)


class RuledSerializer(serializers.Serializer[Any]):
    """The decision on record, and what follows from it."""

    decision = serializers.UUIDField()
    outcome = serializers.CharField()
    next = serializers.CharField(help_text="What its owner is told to do next.", allow_blank=True)


def _ruled(record: Any, then: str = "") -> Response:
    body = {"decision": record.public_id, "outcome": record.outcome, "next": then}
    return Response(RuledSerializer(body).data, status=201)


def _asked(request: Request, kind: type[serializers.Serializer[Any]]) -> dict[str, Any]:
    body = kind(data=request.data)
    body.is_valid(raise_exception=True)
    return dict(body.validated_data)


class TrainingReviewView(APIView):
    """A run that the policy engine left to a person."""

    @extend_schema(request=RunRulingSerializer, responses={201: RuledSerializer}, operation_id="training_run_review")
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        run = access_run(actor=acting_user(request), public_id=pk, permission=RunPermission.REVIEW)
        asked = _asked(request, RunRulingSerializer)
        record = run_review(
            run=run,
            actor=acting_user(request),
            approve=asked["verdict"] == "allow",
            public_reasoning=asked["reasoning"],
            private_notes=asked["private_notes"],
        )
        return _ruled(record)


class DatasetPictureRulingView(APIView):
    """A picture that waits for a person."""

    @extend_schema(request=RulingSerializer, responses={201: RuledSerializer}, operation_id="dataset_picture_ruling")
    def post(self, request: Request, pk: uuid.UUID) -> Response:
        actor = acting_user(request)
        picture = access_picture(actor=actor, public_id=pk, permission=DatasetPermission.REVIEW)
        asked = _asked(request, RulingSerializer)
        allow = asked["verdict"] == "allow"
        record = picture_rule(picture=picture, actor=actor, allow=allow, reasoning=asked["reasoning"])
        return _ruled(record, ruling_next(picture))


class DatasetRulingView(DatasetView):
    """What was found about a set as a whole."""

    @extend_schema(request=SetRulingSerializer, responses={201: RuledSerializer}, operation_id="dataset_ruling")
    def post(self, request: Request, owner: str, name: str) -> Response:
        found = self.dataset(request, owner, name, DatasetPermission.REVIEW)
        asked = _asked(request, SetRulingSerializer)
        return _ruled(dataset_rule(dataset=found, actor=acting_user(request), reasoning=asked["reasoning"]))
