"""App configuration of inference."""

from django.apps import AppConfig


class InferenceConfig(AppConfig):
    name = "inference"

    def ready(self) -> None:
        from inference import checks, receivers  # noqa: F401  (registers the system checks and the handlers)
        from inference.selectors.generation import generations_kept
        from inference.services.galleries import galleries_erase, galleries_kept, gallery_settings
        from inference.services.generation_results import generations_erase
        from moderation.selectors.personal_data import parts_also
        from moderation.services.data_erasure import deeds_also
        from registry.picture_settings import settings_known_by

        parts_also("generations", generations_kept)
        parts_also("gallery_settings", galleries_kept)
        deeds_also("generations", generations_erase)
        deeds_also("gallery_settings", galleries_erase)
        settings_known_by(gallery_settings)
