"""What the API of generation takes and answers."""

from typing import Any

from rest_framework import serializers

from inference.errors import GenerationRefused
from inference.generation_options import PURPOSE_NAMES, specs_by_base
from inference.generation_plan import RANDOM, SEED_MAX, AxisKind, PlanRefused, Spec, axis_of
from inference.generation_states import GenerationState, PictureState
from inference.models import Generation, GenerationBatch, GenerationPicture
from inference.prompts import MAX_PROMPT


class AxisSerializer(serializers.Serializer[Any]):
    """What varies over which values; `adapter` is the number of a tag in the prompt, 1 for the first."""

    kind = serializers.ChoiceField(choices=[kind.value for kind in AxisKind])
    values = serializers.ListField(child=serializers.CharField(max_length=200), min_length=2, max_length=24)
    adapter = serializers.IntegerField(min_value=1, max_value=16, default=1)


class PicturesAskSerializer(serializers.Serializer[Any]):
    """A request; what is left out takes the base model's own values, and a seed is drawn."""

    prompt = serializers.CharField(max_length=MAX_PROMPT, help_text="Adapters by name: <lora:owner/name:0.7>.")
    negative = serializers.CharField(max_length=MAX_PROMPT, default="", allow_blank=True)
    base_model = serializers.SlugField(max_length=60)
    purpose = serializers.ChoiceField(choices=PURPOSE_NAMES, default=PURPOSE_NAMES[0])
    seed = serializers.IntegerField(min_value=0, max_value=SEED_MAX, required=False)
    steps = serializers.IntegerField(min_value=1, max_value=1000, required=False)
    guidance = serializers.FloatField(min_value=0, max_value=1000, required=False)
    sampler = serializers.CharField(max_length=40, default="", allow_blank=True)
    width = serializers.IntegerField(min_value=1, max_value=20_000, required=False)
    height = serializers.IntegerField(min_value=1, max_value=20_000, required=False)
    count = serializers.IntegerField(min_value=1, max_value=1000, default=1)
    x = AxisSerializer(required=False)
    y = AxisSerializer(required=False)


def asked(data: dict[str, Any]) -> Spec:
    """The request as plain values; raises GenerationRefused."""
    given = dict(data)
    own = specs_by_base().get(given["base_model"])
    if own is None:
        message = "The weights of this base model are not on this registry's workers."
        raise GenerationRefused(message, errors={"base_model": [message]})
    for name in ("x", "y"):
        if (axis := given.pop(name, None)) is not None:
            try:
                values = "\n".join(axis["values"])
                given[name] = axis_of(AxisKind(axis["kind"]), values, place=axis["adapter"] - 1, name=name)
            except PlanRefused as refusal:
                raise GenerationRefused(str(refusal), errors={name: [str(refusal)]}) from refusal
    plain = {name: getattr(own, name) for name in ("steps", "guidance", "width", "height")}
    return Spec(**{**plain, "seed": RANDOM, **given})


class PictureSerializer(serializers.ModelSerializer[GenerationPicture]):
    """One picture. `image` is there once it is done and was looked at."""

    image = serializers.SerializerMethodField()
    share = serializers.FloatField(read_only=True, help_text="How much of it is drawn, 0 to 1.")
    gallery = serializers.UUIDField(source="sample_id", read_only=True, allow_null=True)

    class Meta:
        model = GenerationPicture
        fields = ["id", "row", "column", "row_label", "column_label", "state", "problem", "share", "image", "prompt"]
        fields += ["seed", "steps", "guidance", "sampler", "width", "height", "sha256", "seconds", "marks", "checks"]
        fields += ["gallery"]
        read_only_fields = fields

    def get_image(self, picture: GenerationPicture) -> str | None:
        if picture.state != PictureState.DONE:
            return None
        path = f"/api/v1/generation-pictures/{picture.pk}/image"
        request = self.context.get("request")
        return str(request.build_absolute_uri(path)) if request else path


class GenerationSerializer(serializers.ModelSerializer[Generation]):
    """A request, the versions that its tags became, the decisions on record, and its pictures."""

    url = serializers.SerializerMethodField()
    state = serializers.ChoiceField(choices=[state.value for state in GenerationState], read_only=True)
    base_model = serializers.CharField(source="base_model.slug", read_only=True)
    adapters = serializers.SerializerMethodField()
    decisions = serializers.SerializerMethodField()
    pictures = PictureSerializer(many=True, read_only=True)

    class Meta:
        model = Generation
        fields = ["id", "url", "state", "prompt", "negative", "base_model", "purpose", "settings", "adapters"]
        fields += ["decisions", "pictures", "batch", "created_at", "finished_at"]
        read_only_fields = fields

    def get_url(self, generation: Generation) -> str:
        path = f"/api/v1/generations/{generation.pk}"
        request = self.context.get("request")
        return str(request.build_absolute_uri(path)) if request else path

    def get_adapters(self, generation: Generation) -> list[dict[str, Any]]:
        rows = generation.adapters.select_related("version__adapter__owner")
        return [{"written": one.written, "version": str(one.version), "number": one.version.number} for one in rows]

    def get_decisions(self, generation: Generation) -> dict[str, str]:
        both = {"hosting": generation.hosting_decision, "purpose": generation.purpose_decision}
        return {name: str(record.public_id) for name, record in both.items() if record is not None}


class BatchAskSerializer(serializers.Serializer[Any]):
    """Requests with the columns of a batch file; `base_model` and `purpose` are for those that name none."""

    requests = serializers.ListField(child=serializers.DictField(), min_length=1, max_length=1000)
    base_model = serializers.SlugField(max_length=60)
    purpose = serializers.ChoiceField(choices=PURPOSE_NAMES, default=PURPOSE_NAMES[0])
    name = serializers.CharField(max_length=120, default="", allow_blank=True)


class BatchSerializer(serializers.ModelSerializer[GenerationBatch]):
    """A batch with its generations in the order of the file."""

    generations = serializers.SerializerMethodField()

    class Meta:
        model = GenerationBatch
        fields = ["id", "name", "created_at", "generations"]
        read_only_fields = fields

    def get_generations(self, batch: GenerationBatch) -> list[dict[str, Any]]:
        rows = batch.generations.order_by("created_at").values_list("pk", "state")
        return [{"id": str(pk), "state": state, "url": f"/api/v1/generations/{pk}"} for pk, state in rows]


class AnswerSerializer(serializers.Serializer[Any]):
    """What became of one tag."""

    written = serializers.CharField(source="mention.written")
    text_weight = serializers.FloatField(source="mention.text_weight")
    weight = serializers.FloatField(source="mention.weight")
    version = serializers.CharField(allow_null=True)
    is_allowed = serializers.BooleanField()
    problem = serializers.DictField(child=serializers.CharField())
    trigger_words = serializers.SerializerMethodField()

    def get_trigger_words(self, answer: Any) -> list[str]:
        return list(answer.version.trigger_words) if answer.is_allowed else []


class ProblemSerializer(serializers.Serializer[Any]):
    what = serializers.CharField()
    why = serializers.CharField()
    remedy = serializers.CharField()
    start = serializers.IntegerField()


class CheckSerializer(serializers.Serializer[Any]):
    """What would come of a request."""

    is_clear = serializers.BooleanField()
    adapters = AnswerSerializer(source="answers", many=True)
    problems = ProblemSerializer(many=True)
    wrong = serializers.ListField(child=serializers.CharField())
    pictures = serializers.IntegerField()
    columns = serializers.IntegerField()
    rows = serializers.IntegerField()
    room = serializers.IntegerField()
    today = serializers.IntegerField()


class GallerySerializer(serializers.Serializer[Any]):
    """The version whose gallery it is."""

    owner = serializers.CharField(max_length=60)
    name = serializers.CharField(max_length=60)
    number = serializers.IntegerField(min_value=1, max_value=999_999_999)


class QuotaSerializer(serializers.Serializer[Any]):
    waiting = serializers.IntegerField()
    waiting_most = serializers.IntegerField()
    today = serializers.IntegerField()
    a_day = serializers.IntegerField()


class BaseOptionsSerializer(serializers.Serializer[Any]):
    slug = serializers.CharField()
    name = serializers.CharField()
    family = serializers.CharField()
    steps = serializers.IntegerField()
    guidance = serializers.FloatField()
    width = serializers.IntegerField()
    height = serializers.IntegerField()
    multiple = serializers.IntegerField()
    pixels_most = serializers.IntegerField()
    steps_most = serializers.IntegerField()
    pictures_most = serializers.IntegerField()
    samplers = serializers.DictField(child=serializers.CharField())


class OptionsSerializer(serializers.Serializer[Any]):
    base_models = BaseOptionsSerializer(many=True)
    purposes = serializers.ListField(child=serializers.CharField())
    quota = QuotaSerializer()
