"""App configuration of training."""

from django.apps import AppConfig


class TrainingConfig(AppConfig):
    name = "training"

    def ready(self) -> None:
        from moderation.selectors.personal_data import parts_also
        from moderation.services.data_erasure import deeds_also
        from registry.compat.hub.kinds import register_kind
        from registry.compat.hub.writing import register_writing
        from registry.services.depots import depots_also
        from registry.services.policy import components_also
        from registry.services.uploads import stored_also
        from registry.standing import ask_also
        from training import receivers  # noqa: F401  (registers the handlers)
        from training.hub.repositories import DatasetKind
        from training.hub.writing import DATASETS, DatasetWritingKind
        from training.selectors.datasets import stored_bytes
        from training.selectors.personal_data import datasets, training_runs
        from training.selectors.results import training_components, training_obstacle
        from training.selectors.runs import run_bytes
        from training.services.erasure import datasets_erase, datasets_renamed, runs_erase, runs_renamed

        components_also("training", training_components)
        ask_also("training", training_obstacle)
        stored_also("datasets", stored_bytes)
        stored_also("runs", run_bytes)
        parts_also("datasets", datasets)
        parts_also("training_runs", training_runs)
        deeds_also("training_runs", runs_erase, named=runs_renamed)  # first: what runs needs its dataset
        deeds_also("datasets", datasets_erase, named=datasets_renamed)
        register_kind(DatasetKind())
        register_writing(DatasetWritingKind())
        depots_also(DATASETS)
