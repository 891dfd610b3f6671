"""Addresses of training in the API, under /api/v1/."""

from django.urls import path

from training.api import dataset_pictures, datasets, rulings, run_files, runs

urlpatterns = [
    path("datasets", datasets.DatasetsView.as_view(), name="api_datasets"),
    path("dataset-statement", datasets.DatasetStatementView.as_view(), name="api_dataset_statement"),
    path("dataset-pictures/<uuid:pk>", dataset_pictures.DatasetPictureView.as_view(), name="api_dataset_picture"),
    path(
        "dataset-pictures/<uuid:pk>/content",
        dataset_pictures.DatasetPictureContentView.as_view(),
        name="api_dataset_picture_content",
    ),
    path(
        "dataset-pictures/<uuid:pk>/thumb",
        dataset_pictures.DatasetPictureThumbView.as_view(),
        name="api_dataset_picture_thumb",
    ),
    path(
        "dataset-pictures/<uuid:pk>/ruling",
        rulings.DatasetPictureRulingView.as_view(),
        name="api_dataset_picture_ruling",
    ),
    path("dataset-captioners", dataset_pictures.CaptionersView.as_view(), name="api_dataset_captioners"),
    path("dataset-deletions", datasets.DatasetDeletionsView.as_view(), name="api_dataset_deletions"),
    path("datasets/<str:owner>/<str:name>/ruling", rulings.DatasetRulingView.as_view(), name="api_dataset_ruling"),
    path("datasets/<str:owner>/<str:name>/recheck", datasets.DatasetRecheckView.as_view(), name="api_dataset_recheck"),
    path("datasets/<str:owner>/<str:name>", datasets.DatasetDetailView.as_view(), name="api_dataset"),
    path("datasets/<str:owner>/<str:name>/imports", datasets.DatasetImportsView.as_view(), name="api_dataset_imports"),
    path("datasets/<str:owner>/<str:name>/jobs", datasets.DatasetJobsView.as_view(), name="api_dataset_jobs"),
    path("datasets/<str:owner>/<str:name>/report", datasets.DatasetReportView.as_view(), name="api_dataset_report"),
    path(
        "datasets/<str:owner>/<str:name>/pictures",
        dataset_pictures.DatasetPicturesView.as_view(),
        name="api_dataset_pictures",
    ),
    path(
        "datasets/<str:owner>/<str:name>/captions",
        dataset_pictures.DatasetCaptionsView.as_view(),
        name="api_dataset_captions",
    ),
    path(
        "datasets/<str:owner>/<str:name>/captions/<uuid:pk>/undo",
        dataset_pictures.DatasetEditUndoView.as_view(),
        name="api_dataset_edit_undo",
    ),
    path(
        "datasets/<str:owner>/<str:name>/captioner",
        dataset_pictures.DatasetCaptioningView.as_view(),
        name="api_dataset_captioning",
    ),
    path(
        "datasets/<str:owner>/<str:name>/consents",
        datasets.DatasetConsentsView.as_view(),
        name="api_dataset_consents",
    ),
    path(
        "datasets/<str:owner>/<str:name>/consents/<uuid:pk>",
        datasets.DatasetConsentView.as_view(),
        name="api_dataset_consent",
    ),
    path(
        "datasets/<str:owner>/<str:name>/snapshots",
        datasets.DatasetSnapshotsView.as_view(),
        name="api_dataset_snapshots",
    ),
    path("training/presets", runs.TrainingPresetsView.as_view(), name="api_training_presets"),
    path("training/check", runs.TrainingCheckView.as_view(), name="api_training_check"),
    path("training/runs", runs.TrainingRunsView.as_view(), name="api_training_runs"),
    path("training/runs/<uuid:pk>", runs.TrainingRunView.as_view(), name="api_training_run"),
    path("training/runs/<uuid:pk>/points", runs.TrainingPointsView.as_view(), name="api_training_points"),
    path("training/runs/<uuid:pk>/events", runs.TrainingEventsView.as_view(), name="api_training_events"),
    path("training/runs/<uuid:pk>/samples", runs.TrainingSamplesView.as_view(), name="api_training_samples"),
    path(
        "training/runs/<uuid:pk>/checkpoints", runs.TrainingCheckpointsView.as_view(), name="api_training_checkpoints"
    ),
    path(
        "training/runs/<uuid:pk>/checkpoints/<int:step>/choose",
        runs.TrainingChooseView.as_view(),
        name="api_training_choose",
    ),
    path("training/runs/<uuid:pk>/review", rulings.TrainingReviewView.as_view(), name="api_training_review"),
    path(
        "training/runs/<uuid:pk>/files/<uuid:file>",
        run_files.TrainingFileContentView.as_view(),
        name="api_training_file",
    ),
    path(
        "training/samples/<uuid:pk>/content",
        run_files.TrainingSampleContentView.as_view(),
        name="api_training_sample_content",
    ),
    path("training/runs/<uuid:pk>/publish", runs.TrainingPublishView.as_view(), name="api_training_publish"),
    *(
        path(f"training/runs/<uuid:pk>/{name}", view.as_view(), name=f"api_training_{name}")
        for name, view in runs.ACTIONS.items()
    ),
]
