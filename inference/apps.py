"""App configuration of inference."""

from django.apps import AppConfig


class InferenceConfig(AppConfig):
    name = "inference"

    def ready(self) -> None:
        from inference import receivers  # noqa: F401  (registers the handlers)
