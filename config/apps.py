"""App configuration of config itself: it holds the commands that set the whole house up."""

from django.apps import AppConfig


class ConfigConfig(AppConfig):
    name = "config"
    label = "house"

    def ready(self) -> None:
        from config import schema  # noqa: F401  (registers the extension)
