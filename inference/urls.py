"""Addresses of the previews."""

from django.urls import path

from inference.views import generation, generation_batches, making, making_forms, previews

urlpatterns = [
    path("<str:owner>/<str:name>/v/<int:number>/previews", previews.previews, name="previews"),
    path("<str:owner>/<str:name>/v/<int:number>/making", making.version_made, name="version_made"),
    path("making", making.making, name="making"),
    path("making/merge", making.plan, {"kind": "merge"}, name="making_merge"),
    path("making/checkpoint", making.plan, {"kind": "checkpoint"}, name="making_checkpoint"),
    path("making/extract", making.plan, {"kind": "extract"}, name="making_extract"),
    path("making/compare", making.compare, name="making_compare"),
    path("making/<uuid:pk>", making.job, name="making_job"),
    path("making/<uuid:pk>/cancel", making.cancel, name="making_cancel"),
    path("making/<uuid:pk>/retry", making.retry, name="making_retry"),
    path("making/<uuid:pk>/publish", making.publish, name="making_publish"),
    path("making/files/<str:token>", making_forms.made_checkpoint, name="made_checkpoint"),
    path("receipts/<uuid:pk>/forms", making_forms.receipt_forms, name="receipt_forms"),
    path("receipts/forms/<str:token>", making_forms.made_form, name="made_form"),
    path("try", generation.generate, name="generate"),
    path("try/check", generation.check, name="generation_check"),
    path("try/settings", generation.choices, name="generation_settings"),
    path("try/adapters", generation.pick, name="generation_pick"),
    path("try/history", generation.history, name="generation_history"),
    path("try/batch", generation_batches.batch_new, name="generation_batch_new"),
    path("try/batches/<uuid:pk>", generation_batches.batch, name="generation_batch"),
    path("try/pictures/<uuid:pk>.png", generation.picture, name="generated"),
    path("try/pictures/<uuid:pk>/preview.png", generation.preview, name="generated_preview"),
    path("try/pictures/<uuid:pk>/gallery", generation.gallery, name="generated_gallery"),
    path("try/<uuid:pk>", generation.generation, name="generation"),
    path("try/<uuid:pk>/cancel", generation.cancel, name="generation_cancel"),
    path("try/<uuid:pk>/delete", generation.delete, name="generation_delete"),
    path("previews/<uuid:pk>/cancel", previews.cancel, name="preview_cancel"),
    path("previews/<uuid:pk>/retry", previews.retry, name="preview_retry"),
]
