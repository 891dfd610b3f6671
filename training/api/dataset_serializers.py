"""Datasets in JSON."""

from typing import Any

from rest_framework import serializers

from training.models import (
    Dataset,
    DatasetDeletion,
    DatasetEdit,
    DatasetJob,
    DatasetPicture,
    DatasetSnapshot,
    DatasetStatement,
    EditKind,
    Origin,
    Protection,
    Purpose,
)
from training.reporting.captions import CAPTION_MAX
from training.services.captioning import MODES

BULK = [EditKind.REPLACE, EditKind.PREFIX, EditKind.APPEND, EditKind.SHUFFLE]


class DatasetSerializer(serializers.ModelSerializer[Dataset]):
    """A dataset and what is said about it."""

    owner = serializers.CharField(source="owner.slug", read_only=True)

    class Meta:
        model = Dataset
        fields = ["public_id", "owner", "name", "title", "description", "purpose", "trigger", "class_word", "origin"]
        fields += ["licence_id", "source", "depicts_real_person", "fictional_statement", "protected"]
        fields += ["validation_share", "findings", "rights_affirmed_at", "screened_at", "created_at", "updated_at"]
        fields += ["last_used_at", "keep_until"]
        read_only_fields = fields


class DatasetDraftSerializer(serializers.Serializer[Any]):
    """A new dataset; `rights_edition` affirms the statement of that edition."""

    owner = serializers.CharField(max_length=39, required=False, help_text="Your own name where it is left out.")
    name = serializers.CharField(max_length=60)
    title = serializers.CharField(max_length=120, required=False, allow_blank=True)
    description = serializers.CharField(max_length=5000, required=False, allow_blank=True)
    purpose = serializers.ChoiceField(choices=Purpose.choices, required=False)
    trigger = serializers.CharField(max_length=60, required=False, allow_blank=True)
    class_word = serializers.CharField(max_length=60, required=False, allow_blank=True)
    origin = serializers.ChoiceField(choices=Origin.choices, required=False)
    licence_id = serializers.CharField(max_length=80, required=False, allow_blank=True)
    source = serializers.CharField(max_length=5000, required=False, allow_blank=True)  # type: ignore[assignment]
    depicts_real_person = serializers.BooleanField(required=False)
    fictional_statement = serializers.CharField(max_length=1000, required=False, allow_blank=True)
    protected = serializers.BooleanField(required=False)
    rights_edition = serializers.CharField(max_length=20)


class DatasetEditSerializer(DatasetDraftSerializer):
    """What is changed; `rights_edition` where the statement is affirmed anew."""

    owner = None  # type: ignore[assignment]
    name = None  # type: ignore[assignment]
    rights_edition = serializers.CharField(max_length=20, required=False)
    validation_share = serializers.FloatField(min_value=0, max_value=0.5, required=False)
    keep_until = serializers.DateTimeField(required=False, allow_null=True)


class DatasetStatementSerializer(serializers.ModelSerializer[DatasetStatement]):
    """The statement that is affirmed with a dataset, verbatim."""

    class Meta:
        model = DatasetStatement
        fields = ["edition", "text", "digest"]
        read_only_fields = fields


class ImportFileSerializer(serializers.Serializer[Any]):
    """An upload that has arrived by tus, and the relative path that it had."""

    upload = serializers.UUIDField()
    path = serializers.CharField(max_length=300, required=False, allow_blank=True, default="")


class DatasetImportSerializer(serializers.Serializer[Any]):
    """Uploads to take in: pictures with captions, or zips."""

    files = ImportFileSerializer(many=True, allow_empty=False)


class DatasetJobSerializer(serializers.ModelSerializer[DatasetJob]):
    """Background work and how far it is."""

    share = serializers.FloatField(read_only=True, help_text="How much is done, 0 to 1.")

    class Meta:
        model = DatasetJob
        fields = ["id", "kind", "state", "done", "total", "share", "problem", "remarks", "created_at", "finished_at"]
        read_only_fields = fields


class DatasetPictureSerializer(serializers.ModelSerializer[DatasetPicture]):
    """A picture: its caption, its measures, what was declared and found of it."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    url = serializers.SerializerMethodField()
    consent = serializers.SerializerMethodField()

    class Meta:
        model = DatasetPicture
        fields = ["id", "url", "path", "sha256", "width", "height", "sharpness", "caption", "caption_by", "repeats"]
        fields += ["is_prior", "is_validation", "left_out", "near_group", "source", "licence_id", "depicts_person"]
        fields += ["protection", "consent", "state", "findings", "marks", "added_at", "screened_at"]
        read_only_fields = fields

    def get_url(self, picture: DatasetPicture) -> str:
        path = f"/api/v1/dataset-pictures/{picture.public_id}/content"
        request = self.context.get("request")
        return str(request.build_absolute_uri(path)) if request else path

    def get_consent(self, picture: DatasetPicture) -> str | None:
        return str(picture.consent.public_id) if picture.consent else None


class PictureEditSerializer(serializers.Serializer[Any]):
    """What is changed of a picture. `caption_was` refuses to overwrite what the caller has not seen."""

    caption = serializers.CharField(max_length=CAPTION_MAX, required=False, allow_blank=True)
    caption_was = serializers.CharField(max_length=CAPTION_MAX, required=False, allow_blank=True, trim_whitespace=False)
    source = serializers.CharField(max_length=2000, required=False, allow_blank=True)  # type: ignore[assignment]
    licence_id = serializers.CharField(max_length=80, required=False, allow_blank=True)
    depicts_person = serializers.BooleanField(required=False, allow_null=True)
    protection = serializers.ChoiceField(choices=Protection.choices, required=False, allow_blank=True)
    repeats = serializers.IntegerField(min_value=1, max_value=1000, required=False)
    is_prior = serializers.BooleanField(required=False)
    left_out = serializers.BooleanField(required=False)
    consent = serializers.UUIDField(required=False, allow_null=True)


class CaptionRuleSerializer(serializers.Serializer[Any]):
    """A change of many captions. Without `shown` nothing is changed: the answer is the preview with its digest."""

    kind = serializers.ChoiceField(choices=[(kind.value, kind.label) for kind in BULK])
    find = serializers.CharField(max_length=200, required=False, allow_blank=True, default="", trim_whitespace=False)
    put = serializers.CharField(max_length=500, required=False, allow_blank=True, default="", trim_whitespace=False)
    whole_words = serializers.BooleanField(default=True)
    regard_case = serializers.BooleanField(default=False)
    keep = serializers.IntegerField(min_value=0, max_value=50, default=1)
    seed = serializers.CharField(max_length=40, required=False, allow_blank=True, default="")
    pictures = serializers.ListField(child=serializers.UUIDField(), required=False, allow_null=True, default=None)
    shown = serializers.CharField(max_length=64, required=False, allow_blank=True, default="")


class CaptionChangeSerializer(serializers.Serializer[Any]):
    """One caption before and after."""

    picture = serializers.UUIDField(source="picture.public_id")
    path = serializers.CharField(source="picture.path")
    before = serializers.CharField()
    after = serializers.CharField()


class CaptionPreviewSerializer(serializers.Serializer[Any]):
    """What a rule would change, and the digest to send as `shown`."""

    digest = serializers.CharField()
    unchanged = serializers.IntegerField()
    changes = CaptionChangeSerializer(many=True)


class CaptionEditSerializer(serializers.ModelSerializer[DatasetEdit]):
    """A change that was made and can be undone."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    count = serializers.IntegerField(read_only=True)

    class Meta:
        model = DatasetEdit
        fields = ["id", "kind", "count", "changes", "made_at", "undone_at"]
        read_only_fields = fields


class CaptioningSerializer(serializers.Serializer[Any]):
    """Which captioner, over which pictures."""

    captioner = serializers.CharField(max_length=60)
    mode = serializers.ChoiceField(choices=list(MODES.items()), default="missing")


class CaptionersSerializer(serializers.Serializer[Any]):
    """The captioners of this registry by name, and the modes: where they write."""

    captioners = serializers.ListField(child=serializers.CharField())
    modes = serializers.ListField(child=serializers.CharField())


class DatasetConsentSerializer(serializers.Serializer[Any]):
    """A consent that the dataset is to rest on."""

    consent = serializers.UUIDField()


class LinkedConsentSerializer(serializers.Serializer[Any]):
    """A consent that the dataset rests on (`linked`), or could; `holds` is whether it is in force."""

    consent = serializers.UUIDField()
    name = serializers.CharField()
    linked = serializers.BooleanField()
    holds = serializers.BooleanField()


class SnapshotSerializer(serializers.ModelSerializer[DatasetSnapshot]):
    """A dataset as it stood: its digest and how many pictures it has."""

    id = serializers.UUIDField(source="public_id", read_only=True)

    class Meta:
        model = DatasetSnapshot
        fields = ["id", "digest", "pictures", "validation", "prior", "created_at"]
        read_only_fields = fields


class DatasetDeletionSerializer(serializers.ModelSerializer[DatasetDeletion]):
    """What was deleted, and when the storage was seen without it: the proof."""

    owner = serializers.CharField(source="dataset.owner.slug", read_only=True)
    dataset = serializers.UUIDField(source="dataset.public_id", read_only=True)
    name = serializers.CharField(source="dataset.name", read_only=True)

    class Meta:
        model = DatasetDeletion
        fields = ["owner", "dataset", "name", "reason", "digest", "pictures", "size", "asked_at", "proved_at"]
        read_only_fields = fields
