"""App configuration of moderation."""

from django.apps import AppConfig


class ModerationConfig(AppConfig):
    name = "moderation"
