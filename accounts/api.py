"""Accounts in the API: who am I, tokens, organisations, members."""

from datetime import timedelta
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import acting_user
from accounts.errors import NotFound, NotPermitted
from accounts.models import ApiToken, Membership, Organisation, User, validate_slug
from accounts.permissions import OrganisationPermission, Role
from accounts.scopes import Scope
from accounts.selectors import access_organisation
from accounts.services import member_add, member_remove, organisation_create, token_create, token_revoke


class _SignedIn(APIView):
    """A view for people, not for guests."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if not request.user.is_authenticated:
            self.permission_denied(request)


class MeSerializer(serializers.Serializer[User]):
    id = serializers.IntegerField()
    username = serializers.CharField()
    display_name = serializers.CharField()
    email = serializers.EmailField()
    is_moderator = serializers.BooleanField()


class TokenSerializer(serializers.ModelSerializer[ApiToken]):
    class Meta:
        model = ApiToken
        fields = ["id", "name", "prefix", "scopes", "created_at", "expires_at", "last_used_at"]


class NewTokenSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=80)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=[s.value for s in Scope]), min_length=1, max_length=4
    )
    days = serializers.IntegerField(min_value=1, max_value=3650, required=False, help_text="Left out: no end.")


class CreatedTokenSerializer(TokenSerializer):
    secret = serializers.CharField(read_only=True, help_text="Shown here and never again.")

    class Meta(TokenSerializer.Meta):
        fields = [*TokenSerializer.Meta.fields, "secret"]


class OrganisationSerializer(serializers.Serializer[Organisation]):
    slug = serializers.CharField(source="namespace.slug", max_length=39, validators=[validate_slug])
    display_name = serializers.CharField(max_length=80)
    description = serializers.CharField(max_length=2000, required=False, allow_blank=True, default="")


class MemberSerializer(serializers.Serializer[Membership]):
    username = serializers.CharField(source="user.username", max_length=39)
    role = serializers.ChoiceField(choices=[role.value for role in Role])


class MemberNameSerializer(serializers.Serializer[Any]):
    username = serializers.CharField(max_length=39)


class MeView(_SignedIn):
    """Who the caller is."""

    @extend_schema(responses=MeSerializer, operation_id="me")
    def get(self, request: Request) -> Response:
        return Response(MeSerializer(acting_user(request)).data)


class TokensView(_SignedIn):
    """The caller's live tokens."""

    required_scopes = [Scope.ADMIN]

    @extend_schema(responses=TokenSerializer(many=True), operation_id="tokens_list")
    def get(self, request: Request) -> Response:
        return Response(TokenSerializer(acting_user(request).api_tokens.filter(revoked_at=None), many=True).data)

    @extend_schema(request=NewTokenSerializer, responses={201: CreatedTokenSerializer}, operation_id="token_create")
    def post(self, request: Request) -> Response:
        body = NewTokenSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        data = body.validated_data
        _within_own_scopes(request, data["scopes"])
        lifetime = timedelta(days=data["days"]) if data.get("days") else None
        token, secret = token_create(
            user=acting_user(request), name=data["name"], scopes=data["scopes"], lifetime=lifetime
        )
        return Response({**TokenSerializer(token).data, "secret": secret}, status=201)


def _within_own_scopes(request: Request, wanted: list[str]) -> None:
    """A token hands on what it may do itself and no more; raises NotPermitted."""
    if isinstance(request.auth, ApiToken) and (more := sorted(set(wanted) - set(request.auth.scopes))):
        raise NotPermitted(
            f"This token does not have the scope {', '.join(more)}, so it cannot make a token that has.",
            remedy="Leave the scope out, or make the token on your account page.",
        )


class TokenView(_SignedIn):
    """One token of the caller's."""

    required_scopes = [Scope.ADMIN]

    @extend_schema(request=None, responses={204: None}, operation_id="token_revoke")
    def delete(self, request: Request, pk: int) -> Response:
        token = acting_user(request).api_tokens.filter(pk=pk).first()
        if token is None:
            raise NotFound("There is no such token of yours.")
        token_revoke(actor=acting_user(request), token=token)
        return Response(status=204)


class OrganisationsView(_SignedIn):
    """The caller's organisations."""

    writing_scopes = [Scope.ADMIN]

    @extend_schema(responses=OrganisationSerializer(many=True), operation_id="organisations_list")
    def get(self, request: Request) -> Response:
        mine = Organisation.objects.filter(memberships__user=acting_user(request)).select_related("namespace")
        mine = mine.order_by("namespace__slug")
        return Response(OrganisationSerializer(mine, many=True).data)  # type: ignore[arg-type]

    @extend_schema(
        request=OrganisationSerializer, responses={201: OrganisationSerializer}, operation_id="organisation_create"
    )
    def post(self, request: Request) -> Response:
        body = OrganisationSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        data = body.validated_data
        created = organisation_create(
            actor=acting_user(request),
            slug=data["namespace"]["slug"],
            display_name=data["display_name"],
            description=data["description"],
        )
        return Response(OrganisationSerializer(created).data, status=201)


class MembersView(_SignedIn):
    """Members of one organisation: POST adds or changes, DELETE removes."""

    writing_scopes = [Scope.ADMIN]

    def _organisation(self, request: Request, slug: str) -> Organisation:
        return access_organisation(actor=acting_user(request), slug=slug, permission=OrganisationPermission.READ)

    def _user(self, username: str) -> User:
        found = User.objects.filter(username=username.lower()).first()
        if found is None:
            raise NotFound(f"Nobody has the username {username!r}.")
        return found

    @extend_schema(responses=MemberSerializer(many=True), operation_id="members_list")
    def get(self, request: Request, slug: str) -> Response:
        members = self._organisation(request, slug).memberships.select_related("user").order_by("created_at", "pk")
        return Response(MemberSerializer(members, many=True).data)  # type: ignore[arg-type]

    @extend_schema(request=MemberSerializer, responses={201: MemberSerializer}, operation_id="member_add")
    def post(self, request: Request, slug: str) -> Response:
        organisation = self._organisation(request, slug)
        body = MemberSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        user = self._user(body.validated_data["user"]["username"])
        member = member_add(
            actor=acting_user(request), organisation=organisation, user=user, role=body.validated_data["role"]
        )
        return Response(MemberSerializer(member).data, status=201)

    @extend_schema(request=MemberNameSerializer, responses={204: None}, operation_id="member_remove")
    def delete(self, request: Request, slug: str) -> Response:
        organisation = self._organisation(request, slug)
        body = MemberNameSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        member_remove(
            actor=acting_user(request), organisation=organisation, user=self._user(body.validated_data["username"])
        )
        return Response(status=204)
