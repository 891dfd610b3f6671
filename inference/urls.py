"""Addresses of the previews."""

from django.urls import path

from inference import views

urlpatterns = [
    path("<str:owner>/<str:name>/v/<int:number>/previews", views.previews, name="previews"),
    path("previews/<uuid:pk>/cancel", views.cancel, name="preview_cancel"),
    path("previews/<uuid:pk>/retry", views.retry, name="preview_retry"),
]
