"""App configuration of inference."""

from django.apps import AppConfig


class InferenceConfig(AppConfig):
    name = "inference"

    def ready(self) -> None:
        from inference import receivers  # noqa: F401  (registers the handlers)
        from inference.selectors.generation import generations_kept
        from inference.services.generation_results import generations_erase
        from moderation.selectors.personal_data import parts_also
        from moderation.services.data_erasure import deeds_also

        parts_also("generations", generations_kept)
        deeds_also("generations", generations_erase)
