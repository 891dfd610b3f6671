"""Addresses of the inference API, under /api/v1/."""

from django.urls import path

from inference.api import generation, making, previews

urlpatterns = [
    path(
        "adapters/<str:owner>/<str:name>/versions/<int:number>/previews",
        previews.PreviewJobsView.as_view(),
        name="api_preview_jobs",
    ),
    path(
        "adapters/<str:owner>/<str:name>/versions/<int:number>/making",
        making.VersionMadeView.as_view(),
        name="api_version_made",
    ),
    path("making/jobs", making.MakingJobsView.as_view(), name="api_making_jobs"),
    path("making/merges", making.MergesView.as_view(), name="api_making_merges"),
    path("making/checkpoints", making.CheckpointsView.as_view(), name="api_making_checkpoints"),
    path("making/extractions", making.ExtractionsView.as_view(), name="api_making_extractions"),
    path("making/comparisons", making.ComparisonsView.as_view(), name="api_making_comparisons"),
    path("making/jobs/<uuid:pk>", making.MakingJobView.as_view(), name="api_making_job"),
    path("making/jobs/<uuid:pk>/cancel", making.MakingCancelView.as_view(), name="api_making_cancel"),
    path("making/jobs/<uuid:pk>/retry", making.MakingRetryView.as_view(), name="api_making_retry"),
    path("making/jobs/<uuid:pk>/publish", making.MakingPublishView.as_view(), name="api_making_publish"),
    path("making/jobs/<uuid:pk>/download", making.MakingDownloadView.as_view(), name="api_making_download"),
    path("receipts/<uuid:pk>/forms", making.FormsView.as_view(), name="api_receipt_forms"),
    path("previews/<uuid:pk>/cancel", previews.PreviewCancelView.as_view(), name="api_preview_cancel"),
    path("previews/<uuid:pk>/retry", previews.PreviewRetryView.as_view(), name="api_preview_retry"),
    path("generations", generation.GenerationsView.as_view(), name="api_generations"),
    path("generations/check", generation.GenerationCheckView.as_view(), name="api_generation_check"),
    path("generations/options", generation.GenerationOptionsView.as_view(), name="api_generation_options"),
    path("generations/<uuid:pk>", generation.GenerationView.as_view(), name="api_generation"),
    path("generations/<uuid:pk>/cancel", generation.GenerationCancelView.as_view(), name="api_generation_cancel"),
    path("generation-batches", generation.GenerationBatchesView.as_view(), name="api_generation_batches"),
    path("generation-batches/<uuid:pk>", generation.GenerationBatchView.as_view(), name="api_generation_batch"),
    path("generation-pictures/<uuid:pk>/image", generation.GeneratedImageView.as_view(), name="api_generated_image"),
    path(
        "generation-pictures/<uuid:pk>/gallery", generation.GeneratedGalleryView.as_view(), name="api_generated_gallery"
    ),
]
