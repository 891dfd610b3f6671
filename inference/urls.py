"""Addresses of the previews."""

from django.urls import path

from inference.views import previews

urlpatterns = [
    path("<str:owner>/<str:name>/v/<int:number>/previews", previews.previews, name="previews"),
    path("previews/<uuid:pk>/cancel", previews.cancel, name="preview_cancel"),
    path("previews/<uuid:pk>/retry", previews.retry, name="preview_retry"),
]
