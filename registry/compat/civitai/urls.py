"""Addresses of the Civitai API. None of them is one of our own API's."""

from django.urls import path

from registry.compat.civitai import download, lists, views

urlpatterns = [
    path("api/v1/models", views.ModelsView.as_view(), name="civitai_models"),
    path("api/v1/models/<int:pk>", views.ModelView.as_view(), name="civitai_model"),
    path("api/v1/model-versions/<int:pk>", views.VersionView.as_view(), name="civitai_version"),
    path("api/v1/model-versions/by-hash", views.HashesView.as_view(), name="civitai_hashes"),
    path("api/v1/model-versions/by-hash/ids", views.HashIdsView.as_view(), name="civitai_hash_ids"),
    path("api/v1/model-versions/by-hash/<str:value>", views.HashView.as_view(), name="civitai_hash"),
    path("api/v1/images", views.ImagesView.as_view(), name="civitai_images"),
    path("api/v1/creators", lists.CreatorsView.as_view(), name="civitai_creators"),
    path("api/v1/tags", lists.TagsView.as_view(), name="civitai_tags"),
    path("api/v1/enums", views.EnumsView.as_view(), name="civitai_enums"),
    path("api/download/models/<int:pk>", download.DownloadView.as_view(), name="civitai_download"),
]
