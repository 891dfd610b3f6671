"""Addresses of the inference API, under /api/v1/."""

from django.urls import path

from inference import api

urlpatterns = [
    path(
        "adapters/<str:owner>/<str:name>/versions/<int:number>/previews",
        api.PreviewJobsView.as_view(),
        name="api_preview_jobs",
    ),
    path("previews/<uuid:pk>/cancel", api.PreviewCancelView.as_view(), name="api_preview_cancel"),
    path("previews/<uuid:pk>/retry", api.PreviewRetryView.as_view(), name="api_preview_retry"),
]
