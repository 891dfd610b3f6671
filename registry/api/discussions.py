"""Endpoints of discussions: the list, one with its comments and events, what is said and changed in it."""

import uuid
from typing import Any

from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import acting_user
from governance.services import audited
from governance.strict import StrictSerializer
from registry.api.etags import conditional
from registry.models import Discussion, DiscussionComment, DiscussionEvent, DiscussionEventKind, DiscussionStatus
from registry.models.discussions import TEXT_MOST, TITLE_MOST
from registry.selectors.discussions import (
    access_comment,
    access_discussion,
    access_discussions,
    discussions_of,
    thread_page,
)
from registry.selectors.paging import page_by_key
from registry.services.discussion_comments import REASON_MOST, comment_edit, comment_hide, comment_show
from registry.services.discussions import (
    TITLE_LEAST,
    discussion_comment,
    discussion_lock_set,
    discussion_open,
    discussion_rename,
    discussion_status_set,
)

Author = serializers.SlugRelatedField[Any]


class DiscussionSerializer(serializers.ModelSerializer[Discussion]):
    """A discussion as the list shows it."""

    author: Author = serializers.SlugRelatedField(slug_field="username", read_only=True)
    locked = serializers.SerializerMethodField()
    page = serializers.SerializerMethodField()

    class Meta:
        model = Discussion
        fields = ["number", "title", "author", "status", "locked", "comment_count", "created_at", "closed_at", "page"]
        read_only_fields = fields

    def get_locked(self, discussion: Discussion) -> bool:
        return discussion.locked_at is not None

    def get_page(self, discussion: Discussion) -> str:
        adapter = discussion.adapter
        return reverse("discussion", args=[adapter.owner.slug, adapter.name, discussion.number])


class CommentSerializer(serializers.ModelSerializer[DiscussionComment]):
    """A comment. The text of a hidden one is empty, and `hidden_reason` says why."""

    id = serializers.UUIDField(source="public_id", read_only=True)
    author: Author = serializers.SlugRelatedField(slug_field="username", read_only=True)
    text = serializers.SerializerMethodField()
    hidden = serializers.SerializerMethodField()

    class Meta:
        model = DiscussionComment
        fields = ["id", "position", "author", "text", "hidden", "hidden_reason", "created_at", "edited_at"]
        read_only_fields = fields

    def get_text(self, comment: DiscussionComment) -> str:
        return "" if comment.hidden_at else comment.text

    def get_hidden(self, comment: DiscussionComment) -> bool:
        return comment.hidden_at is not None


class EventSerializer(serializers.ModelSerializer[DiscussionEvent]):
    """A change of title or status, or of who may write."""

    by: Author = serializers.SlugRelatedField(slug_field="username", read_only=True)
    kind = serializers.ChoiceField(choices=DiscussionEventKind.choices, read_only=True)

    class Meta:
        model = DiscussionEvent
        fields = ["kind", "by", "before", "after", "at"]
        read_only_fields = fields


class ThreadSerializer(DiscussionSerializer):
    """A discussion with one page of its comments, oldest first, and the events among them."""

    comments = serializers.SerializerMethodField()
    events = serializers.SerializerMethodField()
    comments_page = serializers.SerializerMethodField()
    comments_pages = serializers.SerializerMethodField()

    class Meta(DiscussionSerializer.Meta):
        fields = [*DiscussionSerializer.Meta.fields, "comments", "events", "comments_page", "comments_pages"]
        read_only_fields = fields

    @extend_schema_field(CommentSerializer(many=True))
    def get_comments(self, discussion: Discussion) -> Any:
        shown = [entry for entry in self.context["thread"].entries if isinstance(entry, DiscussionComment)]
        return CommentSerializer(shown, many=True).data

    @extend_schema_field(EventSerializer(many=True))
    def get_events(self, discussion: Discussion) -> Any:
        shown = [entry for entry in self.context["thread"].entries if isinstance(entry, DiscussionEvent)]
        return EventSerializer(shown, many=True).data

    def get_comments_page(self, discussion: Discussion) -> int:
        return int(self.context["thread"].number)

    def get_comments_pages(self, discussion: Discussion) -> int:
        return int(self.context["thread"].of)


class DiscussionsSerializer(serializers.Serializer[Any]):
    """A page of the list; `next_cursor` is empty on the last."""

    items = DiscussionSerializer(many=True)
    next_cursor = serializers.CharField(allow_blank=True)


class CommentWriteSerializer(StrictSerializer):
    text = serializers.CharField(max_length=TEXT_MOST, help_text="Markdown.")


class DiscussionOpenSerializer(CommentWriteSerializer):
    """A new discussion and its first comment."""

    title = serializers.CharField(min_length=TITLE_LEAST, max_length=TITLE_MOST)


class DiscussionChangeSerializer(StrictSerializer):
    """What may be changed about a discussion; what is left out stays."""

    title = serializers.CharField(min_length=TITLE_LEAST, max_length=TITLE_MOST, required=False)
    status = serializers.ChoiceField(choices=DiscussionStatus.choices, required=False)
    locked = serializers.BooleanField(required=False, help_text="Whether only the adapter's maintainers write in it.")


class HidingSerializer(StrictSerializer):
    reason = serializers.CharField(max_length=REASON_MOST, help_text="It stands in the comment's place.")


class DiscussionsView(APIView):
    """The discussions of an adapter, newest first; POST opens one."""

    @extend_schema(
        parameters=[
            OpenApiParameter("status", OpenApiTypes.STR, enum=["all", *DiscussionStatus.values], default="all"),
            OpenApiParameter("cursor", OpenApiTypes.STR),
        ],
        responses=DiscussionsSerializer,
        operation_id="discussions_list",
    )
    def get(self, request: Request, owner: str, name: str) -> Response:
        adapter = access_discussions(actor=request.user, owner=owner, name=name)
        wanted = request.query_params.get("status", "all")
        status = DiscussionStatus(wanted) if wanted in DiscussionStatus.values else None
        cursor = request.query_params.get("cursor", "")[:40].replace("\0", "")
        page = page_by_key(discussions_of(adapter=adapter, status=status), by="created_at", before=cursor)
        for row in page.rows:
            row.adapter = adapter
        items = DiscussionSerializer(page.rows, many=True).data
        return conditional(request, {"items": items, "next_cursor": page.before})

    @extend_schema(
        request=DiscussionOpenSerializer, responses={201: DiscussionSerializer}, operation_id="discussion_open"
    )
    def post(self, request: Request, owner: str, name: str) -> Response:
        adapter = access_discussions(actor=request.user, owner=owner, name=name)
        body = DiscussionOpenSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        opened = discussion_open(actor=acting_user(request), adapter=adapter, **body.validated_data)
        return Response(DiscussionSerializer(opened).data, status=201)


class DiscussionView(APIView):
    """One discussion, a page of comments at a time."""

    @extend_schema(
        parameters=[OpenApiParameter("page", OpenApiTypes.INT, description="Of the comments, from 1.")],
        responses=ThreadSerializer,
        operation_id="discussion_read",
    )
    def get(self, request: Request, owner: str, name: str, number: int) -> Response:
        found = access_discussion(actor=request.user, owner=owner, name=name, number=number)
        wanted = request.query_params.get("page", "")
        page = int(wanted) if wanted.isascii() and wanted.isdecimal() and len(wanted) < 6 else 1
        thread = thread_page(discussion=found, number=page)
        return conditional(request, ThreadSerializer(found, context={"thread": thread}).data)

    @extend_schema(request=DiscussionChangeSerializer, responses=DiscussionSerializer, operation_id="discussion_change")
    def patch(self, request: Request, owner: str, name: str, number: int) -> Response:
        """Its title and status by its author and the maintainers, `locked` by maintainers and moderators."""
        found = access_discussion(actor=request.user, owner=owner, name=name, number=number)
        body = DiscussionChangeSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given, actor = body.validated_data, acting_user(request)
        with audited():
            if "title" in given:
                discussion_rename(actor=actor, discussion=found, title=given["title"])
            if "status" in given:
                discussion_status_set(actor=actor, discussion=found, status=DiscussionStatus(given["status"]))
            if "locked" in given:
                discussion_lock_set(actor=actor, discussion=found, locked=given["locked"])
        found = access_discussion(actor=request.user, owner=owner, name=name, number=number)
        return Response(DiscussionSerializer(found).data)


class CommentsView(APIView):
    """Say something in a discussion."""

    @extend_schema(
        request=CommentWriteSerializer, responses={201: CommentSerializer}, operation_id="discussion_comment"
    )
    def post(self, request: Request, owner: str, name: str, number: int) -> Response:
        found = access_discussion(actor=request.user, owner=owner, name=name, number=number)
        body = CommentWriteSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        said = discussion_comment(actor=acting_user(request), discussion=found, text=body.validated_data["text"])
        return Response(CommentSerializer(said).data, status=201)


class CommentView(APIView):
    """One comment of a discussion."""

    @extend_schema(responses=CommentSerializer, operation_id="discussion_comment_read")
    def get(self, request: Request, owner: str, name: str, number: int, public_id: uuid.UUID) -> Response:
        found = access_comment(actor=request.user, owner=owner, name=name, number=number, public_id=public_id)
        return conditional(request, CommentSerializer(found).data)

    @extend_schema(request=CommentWriteSerializer, responses=CommentSerializer, operation_id="discussion_comment_edit")
    def patch(self, request: Request, owner: str, name: str, number: int, public_id: uuid.UUID) -> Response:
        """By its author alone."""
        found = access_comment(actor=request.user, owner=owner, name=name, number=number, public_id=public_id)
        body = CommentWriteSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        edited = comment_edit(actor=acting_user(request), comment=found, text=body.validated_data["text"])
        return Response(CommentSerializer(edited).data)


class CommentHidingView(APIView):
    """A moderator's notice in a comment's place."""

    @extend_schema(request=HidingSerializer, responses=CommentSerializer, operation_id="discussion_comment_hide")
    def put(self, request: Request, owner: str, name: str, number: int, public_id: uuid.UUID) -> Response:
        """Hide the comment, with a reason that everybody reads."""
        found = access_comment(actor=request.user, owner=owner, name=name, number=number, public_id=public_id)
        body = HidingSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        hidden = comment_hide(actor=acting_user(request), comment=found, reason=body.validated_data["reason"])
        return Response(CommentSerializer(hidden).data)

    @extend_schema(request=None, responses={200: CommentSerializer}, operation_id="discussion_comment_show")
    def delete(self, request: Request, owner: str, name: str, number: int, public_id: uuid.UUID) -> Response:
        """Bring the comment back."""
        found = access_comment(actor=request.user, owner=owner, name=name, number=number, public_id=public_id)
        return Response(CommentSerializer(comment_show(actor=acting_user(request), comment=found)).data)
