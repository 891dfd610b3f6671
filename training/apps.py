"""App configuration of training."""

from django.apps import AppConfig


class TrainingConfig(AppConfig):
    name = "training"

    def ready(self) -> None:
        from registry.services.policy import components_also
        from registry.services.uploads import stored_also
        from registry.standing import ask_also
        from training import receivers  # noqa: F401  (registers the handlers)
        from training.selectors.datasets import stored_bytes
        from training.selectors.results import training_components, training_obstacle

        components_also("training", training_components)
        ask_also("training", training_obstacle)
        stored_also("datasets", stored_bytes)
