"""How adapters, versions, decisions and receipts look in the API."""

from typing import Any

from django.contrib.auth.models import AnonymousUser
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.models import User
from governance.policy import ASKED_USES
from governance.serializers import ActorFactsSerializer
from governance.strict import StrictSerializer
from registry.models import Adapter, BaseModel, Receipt, Version, VersionFile, VersionImage
from registry.models.adapters import ContentLevel, Visibility
from registry.models.versions import Relation
from registry.selectors.parents import version_at
from registry.selectors.visibility import Actor, images_readable_by, versions_readable_by
from registry.services.versions import COMMERCIAL_USES, Declaration, Parent
from registry.states import VersionState

MAX_PARENTS = 20
USES = [use.value for use in ASKED_USES]


class BaseModelSerializer(serializers.ModelSerializer[BaseModel]):
    class Meta:
        model = BaseModel
        fields = ["slug", "name", "family", "licence_id", "licence_asserted_by", "weights_source", "note"]


def address_of(version: Version) -> str:
    """owner/name/v/2"""
    return f"{version.adapter}/v/{version.number}"


Related = serializers.SlugRelatedField[Any]


class AdapterSerializer(serializers.ModelSerializer[Adapter]):
    """An adapter as the gallery shows it."""

    owner: Related = serializers.SlugRelatedField(slug_field="slug", read_only=True)
    base_model: Related = serializers.SlugRelatedField(slug_field="slug", read_only=True, allow_null=True)
    tags = serializers.ListField(source="tag_names", child=serializers.CharField(), read_only=True)
    mean_stars = serializers.FloatField(read_only=True, allow_null=True)
    latest_version = serializers.IntegerField(source="latest.number", read_only=True, allow_null=True, default=None)

    class Meta:
        model = Adapter
        fields = [
            "id",
            "owner",
            "name",
            "title",
            "description",
            "visibility",
            "content_level",
            "discussions_on",
            "tags",
            "kind",
            "family",
            "base_model",
            "licence_id",
            "trigger_words",
            "permitted_uses",
            "download_count",
            "rating",
            "rating_count",
            "mean_stars",
            "latest_version",
            "published_at",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields

    def to_representation(self, adapter: Adapter) -> dict[str, Any]:
        """Where nothing is published any more and something was taken down, its words went with it."""
        shown: dict[str, Any] = super().to_representation(adapter)
        if adapter.latest_id is None and adapter.versions.filter(state=VersionState.TAKEN_DOWN).exists():
            shown |= {"description": "", "tags": [], "trigger_words": [], "permitted_uses": []}
        return shown


class VersionFileSerializer(serializers.ModelSerializer[VersionFile]):
    class Meta:
        model = VersionFile
        fields = ["path", "size", "sha256", "autov1", "autov2", "autov3", "blake3", "crc32", "tensors_digest"]


class VersionImageSerializer(serializers.ModelSerializer[VersionImage]):
    url = serializers.SerializerMethodField()

    class Meta:
        model = VersionImage
        fields = ["id", "url", "prompt", "negative_prompt", "seed", "steps", "guidance", "sampler", "strength"]
        fields += ["base_model", "width", "height", "sha256", "marks"]

    def get_url(self, image: VersionImage) -> str:
        path = f"/images/{image.pk}.png"
        request = self.context.get("request")
        return request.build_absolute_uri(path) if request else path


class ParentSerializer(StrictSerializer):
    """A version that the new one was made from."""

    address = serializers.CharField(max_length=200, help_text="owner/name or owner/name/v/2")
    relation = serializers.ChoiceField(choices=Relation.choices)
    weight = serializers.FloatField(required=False, allow_null=True, default=None)


class VersionSerializer(serializers.ModelSerializer[Version]):
    """A version with its declaration and what the inspection found."""

    adapter = serializers.CharField(source="adapter.__str__", read_only=True)
    base_model: Related = serializers.SlugRelatedField(slug_field="slug", read_only=True)
    revision: Related = serializers.SlugRelatedField(slug_field="sha", read_only=True, allow_null=True)
    files = VersionFileSerializer(many=True, read_only=True)
    parents = serializers.SerializerMethodField()
    images = serializers.SerializerMethodField()

    class Meta:
        model = Version
        fields = [
            "id",
            "adapter",
            "number",
            "label",
            "notes",
            "state",
            "state_detail",
            "scan_progress",
            "base_model",
            "licence_id",
            "credit_required",
            "allow_derivatives",
            "allow_different_licence",
            "commercial_use",
            "depicts_real_person",
            "training_sources",
            "trigger_words",
            "strength",
            "kind",
            "family",
            "inspection",
            "permissions",
            "revision",
            "files",
            "images",
            "parents",
            "created_at",
            "published_at",
        ]
        read_only_fields = fields

    def to_representation(self, version: Version) -> dict[str, Any]:
        """What was taken down keeps its place, its hashes and the reason, and none of what it said or showed."""
        shown: dict[str, Any] = super().to_representation(version)
        if version.state == VersionState.TAKEN_DOWN:
            shown |= {"label": "", "notes": "", "training_sources": "", "trigger_words": [], "inspection": None}
        return shown

    @extend_schema_field(VersionImageSerializer(many=True))
    def get_images(self, version: Version) -> Any:
        images = images_readable_by(self._actor()).filter(version=version)
        return VersionImageSerializer(images, many=True, context=self.context).data

    def _actor(self) -> Actor:
        request = self.context.get("request")
        return request.user if request is not None else AnonymousUser()

    @extend_schema_field(ParentSerializer(many=True))
    def get_parents(self, version: Version) -> list[dict[str, Any]]:
        """Parents that the caller may see; of others not even their number is told."""
        edges = version.parents.filter(parent__in=versions_readable_by(self._actor()))
        return [
            {"address": address_of(edge.parent), "relation": edge.relation, "weight": edge.weight}
            for edge in edges.select_related("parent__adapter__owner")
        ]


class DeclarationSerializer(StrictSerializer):
    """A new version: a finished upload and what its uploader declares about it."""

    upload = serializers.UUIDField(help_text="The id of a finished tus upload.")
    base_model = serializers.CharField(max_length=60)
    licence_id = serializers.CharField(max_length=80)
    training_sources = serializers.CharField(max_length=5000)
    depicts_real_person = serializers.BooleanField()
    rights_edition = serializers.CharField(
        max_length=20, help_text="The edition of the rights statement that you affirm; GET /rights-statement has it."
    )
    credit_required = serializers.BooleanField(default=True)
    allow_derivatives = serializers.BooleanField(default=True)
    allow_different_licence = serializers.BooleanField(default=False)
    commercial_use = serializers.ListField(
        child=serializers.ChoiceField(choices=list(COMMERCIAL_USES)), default=list, max_length=4
    )
    trigger_words = serializers.ListField(child=serializers.CharField(max_length=200), default=list, max_length=50)
    strength = serializers.FloatField(default=1.0, min_value=-4, max_value=4)
    preview_prompts = serializers.ListField(child=serializers.CharField(max_length=500), default=list, max_length=4)
    parents = ParentSerializer(many=True, default=list)
    label = serializers.CharField(max_length=60, default="", allow_blank=True)  # type: ignore[assignment]
    notes = serializers.CharField(max_length=5000, default="", allow_blank=True)
    title = serializers.CharField(max_length=120, default="", allow_blank=True)
    description = serializers.CharField(max_length=20_000, default="", allow_blank=True)
    tags = serializers.ListField(child=serializers.CharField(max_length=40), default=list, max_length=20)
    visibility = serializers.ChoiceField(choices=Visibility.choices, default=Visibility.PUBLIC)
    content_level = serializers.ChoiceField(choices=ContentLevel.choices, default=ContentLevel.GENERAL)

    def validate_parents(self, parents: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if len(parents) > MAX_PARENTS:
            raise serializers.ValidationError(f"Name at most {MAX_PARENTS} parents.")
        return parents

    ABOUT_ADAPTER = ("title", "description", "tags", "visibility", "content_level")

    def declaration(self, actor: User) -> Declaration:
        data = dict(self.validated_data)
        data["parents"] = tuple(
            Parent(version_at(actor=actor, address=named["address"]).pk, named["relation"], named["weight"])
            for named in data["parents"]
        )
        for name in ("upload", *self.ABOUT_ADAPTER):
            data.pop(name)
        for name in ("commercial_use", "trigger_words", "preview_prompts"):
            data[name] = tuple(data[name])
        return Declaration(**data)

    def about_adapter(self) -> dict[str, Any]:
        return {name: self.validated_data[name] for name in self.ABOUT_ADAPTER}


class AdapterEditSerializer(serializers.Serializer[Any]):
    """What may be changed about an adapter; what is left out stays."""

    title = serializers.CharField(max_length=120, required=False)
    description = serializers.CharField(max_length=20_000, required=False, allow_blank=True)
    tags = serializers.ListField(child=serializers.CharField(max_length=40), required=False, max_length=20)
    visibility = serializers.ChoiceField(choices=Visibility.choices, required=False)
    content_level = serializers.ChoiceField(choices=ContentLevel.choices, required=False)
    discussions_on = serializers.BooleanField(required=False, help_text="Whether people may discuss it on its pages.")


class RatingSerializer(serializers.Serializer[Any]):
    stars = serializers.IntegerField(min_value=1, max_value=5)


class ReasonSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=2000)


class GateRequestSerializer(StrictSerializer):
    """A use; with the digest of the terms that are accepted, a receipt and a link come back."""

    use = serializers.ChoiceField(choices=USES)
    organisation = serializers.CharField(max_length=39, required=False, allow_blank=True)
    accepted_terms = serializers.CharField(
        max_length=64, required=False, allow_blank=True, help_text="SHA-256 of the terms, as this call answered it."
    )
    facts = ActorFactsSerializer(
        required=False, help_text="Stated for this call alone, over what is on your facts page; repeat them to accept."
    )


class TermsSerializer(serializers.Serializer[Any]):
    digest = serializers.CharField()
    text = serializers.CharField()


class GateAnswerSerializer(serializers.Serializer[Any]):
    """The decision; `terms` must be accepted to get `download_url`."""

    decision = serializers.DictField()
    record = serializers.UUIDField()
    terms = TermsSerializer(allow_null=True)
    download_url = serializers.CharField(allow_null=True)
    receipt = serializers.DictField(allow_null=True)
    notice = serializers.CharField(allow_null=True)
    sidecars_url = serializers.CharField(allow_null=True)


class RightsStatementSerializer(serializers.Serializer[Any]):
    edition = serializers.CharField()
    text = serializers.CharField()
    digest = serializers.CharField()


def receipt_answer(receipt: Receipt, url: str, sidecars: str) -> dict[str, Any]:
    """What a passed gate answers, with the addresses of the file and of its sidecars."""
    return {"download_url": url, "receipt": receipt.body, "notice": receipt.notice, "sidecars_url": sidecars}
