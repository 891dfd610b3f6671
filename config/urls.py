"""All addresses. The slug pages `/{owner}/{name}` come last: their patterns would match anything."""

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView
from rest_framework.permissions import AllowAny

from config.views import api_docs, favicon, health

urlpatterns = [
    path("healthz", health, name="health"),
    path("favicon.ico", favicon, name="favicon"),
    path("api/schema", SpectacularAPIView.as_view(permission_classes=[AllowAny]), name="schema"),
    path("api/docs", api_docs, name="api_docs"),
    path("api/v1/", include("accounts.api_urls")),
    path("api/v1/", include("governance.api_urls")),
    path("api/v1/", include("registry.api_urls")),
    path("api/v1/", include("moderation.api_urls")),
    path("api/v1/", include("inference.api_urls")),
    path("api/v1/", include("training.api_urls")),
    path("", include("registry.compat.civitai.urls")),
    path("", include("registry.compat.hub.urls")),
    path("", include("registry.compat.feeds.urls")),
    path("", include("accounts.urls")),
    path("", include("governance.urls")),
    path("", include("moderation.urls")),
    path("", include("inference.urls")),
    path("", include("training.urls")),
    path("", include("registry.urls")),
]

handler404 = "config.views.not_found"
handler500 = "config.views.server_error"
