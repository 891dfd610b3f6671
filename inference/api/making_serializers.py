"""What the API of making takes and answers."""

from typing import Any

from rest_framework import serializers

from accounts.errors import DomainError, NotFound
from accounts.models import Namespace, Organisation, User
from governance.strict import NamedRow
from inference.making_options import DEFAULTS, LAYOUTS, METHODS, TYPES, VERSION_LAYOUTS
from inference.models import FileForm, Making, MakingJob
from inference.selectors.making import parts_shown
from inference.services.making_plans import Brought, Ingredient, MakingPlan
from inference.services.making_results import declaration_of
from registry.models import BaseModel
from registry.models.adapters import ContentLevel, Visibility
from registry.selectors.access import namespaces_for_upload
from registry.selectors.parents import version_at
from registry.services.uploads import access_upload
from registry.services.versions import COMMERCIAL_USES


class PartSerializer(serializers.Serializer[Any]):
    adapter = serializers.CharField(max_length=300, help_text="owner/name, or owner/name/v/2.")
    weight = serializers.FloatField(default=1.0, min_value=-4, max_value=4)


class PlanSerializer(serializers.Serializer[Any]):
    """What every plan has."""

    organisation = serializers.CharField(required=False, max_length=60, help_text="On whose behalf; empty: your own.")
    accepted_terms = serializers.CharField(
        required=False, max_length=64, help_text="The digest of the terms of all parts."
    )

    def plan(self, actor: User, kind: Making) -> MakingPlan:
        raise NotImplementedError

    def organisation_of(self, actor: User) -> Organisation | None:
        slug = self.validated_data.get("organisation")
        if not slug:
            return None
        found = Organisation.objects.filter(namespace__slug=slug.lower(), memberships__user=actor).first()
        if found is None:
            raise NotFound(f"There is no organisation {slug!r} of yours.")
        return found

    def options(self, kind: Making) -> dict[str, Any]:
        return {name: self.validated_data[name] for name in DEFAULTS[kind] if name in self.validated_data}


class _PartsSerializer(PlanSerializer):
    parts = PartSerializer(many=True)

    def ingredients(self, actor: User) -> tuple[Ingredient, ...]:
        found, errors = [], []
        for part in self.validated_data["parts"]:
            try:
                found.append(Ingredient(version_at(actor=actor, address=part["adapter"]), part["weight"]))
            except DomainError as error:
                errors.append(error.detail)
        if errors or not found:
            raise serializers.ValidationError({"parts": errors or ["Name the adapters."]})
        return tuple(found)

    def plan(self, actor: User, kind: Making) -> MakingPlan:
        parts = self.ingredients(actor)
        return MakingPlan(
            kind=kind,
            base_model=parts[0].version.base_model,
            parts=parts,
            options=self.options(kind),
            organisation=self.organisation_of(actor),
        )


class CheckpointSerializer(_PartsSerializer):
    """Adapters for a merged base model."""


class CompareSerializer(_PartsSerializer):
    """Adapters to compare."""


class _PlacedSerializer(PlanSerializer):
    owner = serializers.CharField(max_length=60, help_text="Your name, or that of an organisation of yours.")
    name = serializers.CharField(max_length=60)
    title = serializers.CharField(max_length=120, required=False, default="")
    rank = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=1024)
    energy = serializers.FloatField(required=False, allow_null=True, help_text="Share of the energy to keep.")
    layout = serializers.ChoiceField(choices=VERSION_LAYOUTS, required=False)
    dtype = serializers.ChoiceField(choices=list(TYPES), required=False)

    def place(self, actor: User) -> dict[str, Any]:
        data = self.validated_data
        owner: Namespace | None = namespaces_for_upload(actor).filter(slug=data["owner"].lower()).first()
        return {"owner": owner, "adapter_name": data["name"].lower(), "title": data["title"]}


class MergeSerializer(_PlacedSerializer, _PartsSerializer):
    """A merge."""

    method = serializers.ChoiceField(choices=list(METHODS), required=False)
    density = serializers.FloatField(required=False)
    seed = serializers.IntegerField(required=False)

    def plan(self, actor: User, kind: Making) -> MakingPlan:
        parts = self.ingredients(actor)
        return MakingPlan(
            kind=kind,
            base_model=parts[0].version.base_model,
            parts=parts,
            options=self.options(kind),
            organisation=self.organisation_of(actor),
            **self.place(actor),
        )


class ExtractSerializer(_PlacedSerializer):
    """An extraction: a fine-tuned base model of the catalogue, or a finished upload with its licence and sources."""

    base_model: Any = NamedRow(slug_field="slug", queryset=BaseModel.objects.all())
    tuned: Any = NamedRow(slug_field="slug", queryset=BaseModel.objects.all(), required=False)
    upload = serializers.UUIDField(required=False)
    licence_id = serializers.CharField(max_length=80, required=False, default="")
    sources = serializers.CharField(max_length=2000, required=False, default="")
    convolutions = serializers.BooleanField(required=False)
    vectors = serializers.BooleanField(required=False)

    def plan(self, actor: User, kind: Making) -> MakingPlan:
        data = self.validated_data
        brought = None
        if "upload" in data:
            upload = access_upload(actor=actor, pk=data["upload"])
            brought = Brought(upload, data["licence_id"], data["sources"])
        return MakingPlan(
            kind=kind,
            base_model=data["base_model"],
            tuned=data.get("tuned"),
            brought=brought,
            options=self.options(kind),
            organisation=self.organisation_of(actor),
            **self.place(actor),
        )


class FormRequestSerializer(serializers.Serializer[Any]):
    """What another form is."""

    layout = serializers.ChoiceField(choices=list(LAYOUTS), required=False, allow_null=True)
    dtype = serializers.ChoiceField(choices=list(TYPES), required=False, allow_null=True)
    rank = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=1024)
    energy = serializers.FloatField(required=False, allow_null=True)


class FileFormSerializer(serializers.ModelSerializer[FileForm]):
    state = serializers.CharField(source="job.state", read_only=True)
    problem = serializers.JSONField(source="job.problem", read_only=True)
    report = serializers.JSONField(source="job.report", read_only=True)
    filename = serializers.CharField(source="job.filename", read_only=True)
    sha256 = serializers.CharField(source="job.sha256", read_only=True)
    size = serializers.IntegerField(source="job.size", read_only=True)
    download_url = serializers.CharField(read_only=True, allow_null=True, default=None)

    class Meta:
        model = FileForm
        fields = ["id", "options", "state", "problem", "report", "filename", "sha256", "size", "download_url"]
        read_only_fields = fields


class MakingJobSerializer(serializers.ModelSerializer[MakingJob]):
    base_model: Any = serializers.SlugRelatedField(slug_field="slug", read_only=True)
    parts = serializers.SerializerMethodField()
    decision = serializers.SerializerMethodField(help_text="The id of the decision on record.")
    version = serializers.SerializerMethodField(help_text="What it became: owner/name/v/number.")

    class Meta:
        model = MakingJob
        fields = ["id", "kind", "state", "problem", "stage", "title", "base_model", "parts", "recipe", "licence_id"]
        fields += ["decision", "report", "version", "filename", "size", "sha256", "attempts"]
        fields += ["created_at", "started_at", "finished_at"]
        read_only_fields = fields

    def get_parts(self, job: MakingJob) -> list[dict[str, Any]]:
        shown = parts_shown(job=job, actor=self.context["request"].user)
        return [
            {"adapter": _address(part.version), "weight": part.weight, "proposed_weight": part.proposed}
            for part in shown
        ]

    def get_decision(self, job: MakingJob) -> str | None:
        return str(job.decision.public_id) if job.decision else None

    def get_version(self, job: MakingJob) -> str | None:
        return _address(job.version)


class VersionMadeSerializer(serializers.ModelSerializer[MakingJob]):
    """For readers of the version: no names that the parts' readers alone know."""

    parts = serializers.SerializerMethodField()
    error = serializers.FloatField(source="report.error", read_only=True, default=None)
    layers = serializers.ListField(source="report.layers", read_only=True, default=list)

    class Meta:
        model = MakingJob
        fields = ["kind", "licence_id", "recipe", "parts", "error", "layers", "finished_at"]
        read_only_fields = fields

    def get_parts(self, job: MakingJob) -> list[dict[str, Any]]:
        shown = parts_shown(job=job, actor=self.context["request"].user)
        return [{"adapter": _address(part.version), "weight": part.weight} for part in shown]


def _address(version: Any) -> str | None:
    return f"{version.adapter}/v/{version.number}" if version is not None else None


class PublishSerializer(serializers.Serializer[Any]):
    """How a draft is published; what is left out is as the parts have it."""

    rights_edition = serializers.CharField(max_length=20)
    title = serializers.CharField(max_length=120, required=False)
    description = serializers.CharField(max_length=20_000, required=False, allow_blank=True)
    visibility = serializers.ChoiceField(choices=Visibility.choices, default=Visibility.PUBLIC)
    content_level = serializers.ChoiceField(choices=ContentLevel.choices, default=ContentLevel.GENERAL)
    licence_id = serializers.CharField(max_length=80, required=False)
    credit_required = serializers.BooleanField(required=False)
    allow_derivatives = serializers.BooleanField(required=False)
    allow_different_licence = serializers.BooleanField(required=False)
    commercial_use = serializers.ListField(child=serializers.ChoiceField(choices=COMMERCIAL_USES), required=False)
    trigger_words = serializers.ListField(child=serializers.CharField(max_length=200), required=False)
    strength = serializers.FloatField(required=False, min_value=-4, max_value=4)

    def declared(self, job: MakingJob) -> dict[str, Any]:
        """What changes the declaration that follows from the parts."""
        given = {name: value for name, value in self.validated_data.items() if name in _DECLARED}
        before = declaration_of(job)
        return {
            name: tuple(value) if isinstance(getattr(before, name), tuple) else value for name, value in given.items()
        }

    def about(self) -> dict[str, Any]:
        names = ("title", "description", "visibility", "content_level")
        return {name: self.validated_data[name] for name in names if name in self.validated_data}


_DECLARED = (
    "rights_edition licence_id credit_required allow_derivatives allow_different_licence commercial_use "
    "trigger_words strength"
).split()
