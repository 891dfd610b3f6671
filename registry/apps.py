"""App configuration of the registry."""

from django.apps import AppConfig


class RegistryConfig(AppConfig):
    name = "registry"

    def ready(self) -> None:
        from registry import receivers  # noqa: F401  (registers the handlers)
