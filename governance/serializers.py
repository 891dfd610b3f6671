"""How licences, questions to the policy engine and decisions look in the API."""

from typing import Any

from rest_framework import serializers

from governance.models import AuditEntry
from governance.policy import ActorFacts, CommercialFlag, Component, CreatorFlags, Role, Use, UseRequest
from governance.policy.territories import is_known
from governance.policy.vocabulary import ASKED_USES
from governance.rulebook import current_ruleset
from governance.strict import StrictSerializer

CHECKED_USES = [use.value for use in (*ASKED_USES, Use.PREVIEW, Use.TRAINING)]


class LicenceConditionSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField()
    clause = serializers.CharField()
    text = serializers.CharField()
    question = serializers.CharField()
    limit = serializers.IntegerField(allow_null=True)
    excluded = serializers.ListField(child=serializers.CharField())
    registrar = serializers.CharField(allow_null=True)


class LicenceClaimSerializer(serializers.Serializer[Any]):
    use = serializers.CharField()
    grant = serializers.CharField()
    clause = serializers.CharField()
    text = serializers.CharField()
    quote = serializers.CharField(allow_null=True)
    status = serializers.CharField(help_text="How well it is known; only text and text-known decide.")
    conditions = LicenceConditionSerializer(many=True)


class LicenceDutySerializer(serializers.Serializer[Any]):
    kind = serializers.CharField()
    clause = serializers.CharField()
    text = serializers.CharField()
    quote = serializers.CharField(allow_null=True)
    status = serializers.CharField()
    uses = serializers.ListField(child=serializers.CharField())
    roles = serializers.ListField(child=serializers.CharField())

    def to_representation(self, instance: Any) -> Any:
        shown = super().to_representation(instance)
        return {**shown, "uses": sorted(shown["uses"]), "roles": sorted(shown["roles"])}


class LicenceStatementSerializer(serializers.Serializer[Any]):
    clause = serializers.CharField()
    text = serializers.CharField()
    quote = serializers.CharField(allow_null=True)
    status = serializers.CharField()


class LicenceDownstreamSerializer(serializers.Serializer[Any]):
    rule = serializers.CharField()
    clause = serializers.CharField()
    text = serializers.CharField()
    status = serializers.CharField()
    compatible_with = serializers.SerializerMethodField()

    def get_compatible_with(self, downstream: Any) -> list[str]:
        return sorted(downstream.compatible_with)


class LicenceSummarySerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    name = serializers.CharField()
    revision = serializers.CharField()
    kinds = serializers.ListField(child=serializers.CharField())
    spdx = serializers.CharField(allow_null=True)
    publisher = serializers.CharField()
    models = serializers.ListField(child=serializers.CharField())
    summary = serializers.CharField()
    terms_digest = serializers.CharField(help_text="SHA-256 of the terms as the gate shows them.")


class LicenceSerializer(LicenceSummarySerializer):
    """Everything the catalogue knows about a licence."""

    scancode = serializers.CharField(allow_null=True)
    hub = serializers.DictField(child=serializers.CharField())
    aliases = serializers.ListField(child=serializers.CharField())
    source = serializers.CharField()  # type: ignore[assignment]
    weights_published = serializers.BooleanField()
    terms = serializers.CharField()
    derivative = LicenceStatementSerializer()
    downstream = LicenceDownstreamSerializer()
    claims = serializers.SerializerMethodField()
    data_claims = serializers.SerializerMethodField(help_text="These replace `claims` for training data.")
    obligations = LicenceDutySerializer(many=True, source="duties")
    traps = LicenceStatementSerializer(many=True)

    def get_claims(self, licence: Any) -> list[dict[str, Any]]:
        return list(LicenceClaimSerializer(licence.claims.values(), many=True).data)

    def get_data_claims(self, licence: Any) -> list[dict[str, Any]]:
        return list(LicenceClaimSerializer(licence.data_claims.values(), many=True).data)


class CatalogueSerializer(serializers.Serializer[Any]):
    items = LicenceSummarySerializer(many=True)
    ruleset_digest = serializers.CharField()


class CreatorFlagsSerializer(StrictSerializer):
    """What a creator ticked; a flag that is left out says nothing."""

    commercial_use = serializers.ListField(
        child=serializers.ChoiceField(choices=[flag.value for flag in CommercialFlag]), required=False, allow_null=True
    )
    allow_no_credit = serializers.BooleanField(required=False, allow_null=True)
    allow_derivatives = serializers.BooleanField(required=False, allow_null=True)
    allow_different_licence = serializers.BooleanField(required=False, allow_null=True)


class CheckComponentSerializer(StrictSerializer):
    """One thing the use touches: the base model, a parent, the adapter, training data."""

    role = serializers.ChoiceField(choices=[role.value for role in Role])
    name = serializers.CharField(max_length=200, required=False)
    licence_id = serializers.CharField(max_length=120, allow_null=True, required=False, default=None)
    model = serializers.CharField(
        max_length=80, required=False, help_text="A base model of the catalogue's disputes, such as pony-diffusion-v6."
    )
    flags = CreatorFlagsSerializer(required=False, allow_null=True)

    def validate_model(self, model: str) -> str:
        known = current_ruleset().disputes
        if model not in known:
            raise serializers.ValidationError(f"Not among the disputed models: {', '.join(sorted(known))}.")
        return model


class ActorFactsSerializer(StrictSerializer):
    """What the asker states about themselves; what is left out or null is an open question."""

    annual_revenue_usd = serializers.IntegerField(min_value=0, max_value=10**15, required=False, allow_null=True)
    monthly_users = serializers.IntegerField(min_value=0, max_value=10**11, required=False, allow_null=True)
    territory = serializers.CharField(
        max_length=2, required=False, allow_null=True, help_text="ISO 3166-1 alpha-2, or EU."
    )
    registered_with = serializers.ListField(
        child=serializers.CharField(max_length=40), required=False, max_length=50, allow_null=True
    )
    receives_payment = serializers.BooleanField(required=False, allow_null=True)
    serves_end_users = serializers.BooleanField(required=False, allow_null=True)
    offers_related_service = serializers.BooleanField(required=False, allow_null=True)
    filters_content = serializers.BooleanField(required=False, allow_null=True)
    discloses_ai = serializers.BooleanField(required=False, allow_null=True)
    trains_competing_model = serializers.BooleanField(required=False, allow_null=True)
    biometric_processing = serializers.BooleanField(required=False, allow_null=True)

    def validate_territory(self, territory: str | None) -> str | None:
        if territory is not None and not is_known(territory.upper()):
            raise serializers.ValidationError("Use the two letters of ISO 3166-1, such as JP, or EU.")
        return territory and territory.upper()


class CheckSerializer(StrictSerializer):
    """A question to the policy engine. Nothing of it is put on record."""

    use = serializers.ChoiceField(choices=CHECKED_USES)
    components = CheckComponentSerializer(many=True, min_length=1, max_length=50)  # type: ignore[call-arg]
    actor = ActorFactsSerializer(required=False)

    def validate_components(self, components: list[dict[str, Any]]) -> list[dict[str, Any]]:
        roles = {component["role"] for component in components}
        if "base" not in roles and roles & {"adapter", "parent"}:
            raise serializers.ValidationError(
                "An adapter is judged together with its base model. Add a component with the role base, with "
                "licence_id null when its licence is not known."
            )
        return components

    def use_request(self) -> UseRequest:
        """The question as the engine takes it."""
        data = self.validated_data
        return UseRequest(
            use=Use(data["use"]),
            components=tuple(_component(entry) for entry in data["components"]),
            actor=ActorFacts(**data.get("actor", {})),
        )


def _component(entry: dict[str, Any]) -> Component:
    dispute = current_ruleset().disputes.get(entry.get("model", ""))
    licence_id, flags = entry["licence_id"], entry.get("flags")
    if dispute is not None and licence_id is None:
        licence_id = dispute.licence_ids[0]
    return Component(
        role=Role(entry["role"]),
        name=entry.get("name") or (dispute.name if dispute else licence_id or entry["role"]),
        licence_id=licence_id,
        flags=None if flags is None else CreatorFlags.from_json(flags),
        facts=dispute.facts_for(licence_id) if dispute and licence_id else {},
    )


class DecisionReasonSerializer(serializers.Serializer[Any]):
    outcome = serializers.CharField()
    code = serializers.CharField()
    rule = serializers.CharField()
    message = serializers.CharField()
    component = serializers.CharField()
    licence = serializers.CharField(allow_null=True)
    clause = serializers.CharField(allow_null=True)
    quote = serializers.CharField(allow_null=True)
    facts = serializers.DictField()


class DecisionObligationSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField()
    text = serializers.CharField()
    component = serializers.CharField()
    licence = serializers.CharField(allow_null=True)
    clause = serializers.CharField()
    quote = serializers.CharField(allow_null=True)


class DecisionQuestionSerializer(serializers.Serializer[Any]):
    fact = serializers.CharField()
    text = serializers.CharField()
    component = serializers.CharField()
    licence = serializers.CharField(allow_null=True)
    clause = serializers.CharField(allow_null=True)


class DecisionSerializer(serializers.Serializer[Any]):
    """The engine's answer: the outcome, why, on which duties, and what it would have to know."""

    outcome = serializers.ChoiceField(choices=["allow", "review", "deny"])
    use = serializers.CharField()
    reasons = DecisionReasonSerializer(many=True)
    obligations = DecisionObligationSerializer(many=True)
    questions = DecisionQuestionSerializer(many=True)
    ruleset_digest = serializers.CharField()


class DecisionSubjectSerializer(serializers.Serializer[Any]):
    type = serializers.CharField()
    id = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]


class DecisionRecordSerializer(DecisionSerializer):
    """A decision as it stands on record."""

    id = serializers.UUIDField()
    action = serializers.CharField()
    subject = DecisionSubjectSerializer()
    organisation = serializers.CharField(allow_null=True)
    request = serializers.DictField(help_text="The input snapshot: the decision can be taken again from it.")
    public_reasoning = serializers.CharField(allow_blank=True)
    override_of = serializers.UUIDField(allow_null=True)
    overridden_by = serializers.ListField(child=serializers.UUIDField())
    created_at = serializers.DateTimeField()


class DecisionPageSerializer(serializers.Serializer[Any]):
    items = DecisionRecordSerializer(many=True)
    next_cursor = serializers.CharField(allow_blank=True)


class AuditHeadSerializer(serializers.ModelSerializer[AuditEntry]):
    class Meta:
        model = AuditEntry
        fields = ["sequence", "hash", "at"]
