"""Discussions of adapters with their comments and events, a switch for them, and their topic of webhooks."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.utils.timezone
import registry.models.outbox
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0016_imports"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="adapter",
            name="discussions_on",
            field=models.BooleanField(default=True),
        ),
        migrations.AlterField(
            model_name="webhookendpoint",
            name="topics",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(
                    choices=[
                        ("recall", "Recalls of what was downloaded for the organisation"),
                        ("version", "Its versions: published, held, refused, withdrawn, taken down"),
                        ("receipt", "New receipts for what is downloaded on its behalf"),
                        ("discussion", "Discussions of its adapters: opened, commented"),
                    ],
                    max_length=20,
                ),
                default=registry.models.outbox.every_topic,
                size=None,
            ),
        ),
        migrations.CreateModel(
            name="Discussion",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField()),
                ("title", models.CharField(max_length=200)),
                (
                    "status",
                    models.CharField(choices=[("open", "Open"), ("closed", "Closed")], default="open", max_length=6),
                ),
                ("comment_count", models.PositiveIntegerField(default=0)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                ("locked_at", models.DateTimeField(blank=True, null=True)),
                (
                    "adapter",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="discussions", to="registry.adapter"
                    ),
                ),
                (
                    "author",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="discussions",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="DiscussionComment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("position", models.PositiveIntegerField()),
                ("text", models.TextField(blank=True, max_length=10000)),
                ("html", models.TextField(blank=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("edited_at", models.DateTimeField(blank=True, null=True)),
                ("hidden_at", models.DateTimeField(blank=True, null=True)),
                ("hidden_reason", models.TextField(blank=True, max_length=2000)),
                (
                    "author",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="discussion_comments",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "discussion",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="comments", to="registry.discussion"
                    ),
                ),
                (
                    "hidden_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["position"],
            },
        ),
        migrations.CreateModel(
            name="DiscussionEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("title-change", "Title changed"),
                            ("status-change", "Status changed"),
                            ("locking-change", "Locked or unlocked"),
                        ],
                        max_length=14,
                    ),
                ),
                ("before", models.CharField(max_length=200)),
                ("after", models.CharField(max_length=200)),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "discussion",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="events", to="registry.discussion"
                    ),
                ),
            ],
            options={
                "ordering": ["at", "pk"],
            },
        ),
        migrations.AddIndex(
            model_name="discussion",
            index=models.Index(
                models.F("adapter"),
                models.F("status"),
                models.OrderBy(models.F("created_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                name="discussion_of_adapter",
            ),
        ),
        migrations.AddIndex(
            model_name="discussion",
            index=models.Index(fields=["author", "created_at"], name="discussion_by_author"),
        ),
        migrations.AddConstraint(
            model_name="discussion",
            constraint=models.UniqueConstraint(fields=("adapter", "number"), name="discussion_number_once_per_adapter"),
        ),
        migrations.AddConstraint(
            model_name="discussion",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["open", "closed"])), name="discussion_status_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="discussion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("closed_at__isnull", True), ("status", "open")),
                    models.Q(("closed_at__isnull", False), ("status", "closed")),
                    _connector="OR",
                ),
                name="discussion_closed_says_when",
            ),
        ),
        migrations.AddIndex(
            model_name="discussioncomment",
            index=models.Index(fields=["author", "created_at"], name="comment_by_author"),
        ),
        migrations.AddConstraint(
            model_name="discussioncomment",
            constraint=models.UniqueConstraint(
                fields=("discussion", "position"), name="comment_position_once_per_discussion"
            ),
        ),
        migrations.AddConstraint(
            model_name="discussioncomment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("hidden_at__isnull", True), ("hidden_by__isnull", True), ("hidden_reason", "")),
                    models.Q(
                        ("hidden_at__isnull", False),
                        ("hidden_by__isnull", False),
                        models.Q(("hidden_reason", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="comment_hidden_says_by_whom_and_why",
            ),
        ),
        migrations.AddIndex(
            model_name="discussionevent",
            index=models.Index(fields=["discussion", "at"], name="discussion_event_in_order"),
        ),
        migrations.AddIndex(
            model_name="discussionevent",
            index=models.Index(fields=["by", "at"], name="discussion_event_by"),
        ),
        migrations.AddConstraint(
            model_name="discussionevent",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["title-change", "status-change", "locking-change"])),
                name="discussion_event_known",
            ),
        ),
    ]
