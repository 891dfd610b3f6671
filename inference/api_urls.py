"""Addresses of the inference API, under /api/v1/."""

from django.urls import path

from inference.api import previews

urlpatterns = [
    path(
        "adapters/<str:owner>/<str:name>/versions/<int:number>/previews",
        previews.PreviewJobsView.as_view(),
        name="api_preview_jobs",
    ),
    path("previews/<uuid:pk>/cancel", previews.PreviewCancelView.as_view(), name="api_preview_cancel"),
    path("previews/<uuid:pk>/retry", previews.PreviewRetryView.as_view(), name="api_preview_retry"),
]
