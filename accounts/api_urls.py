"""Addresses of the accounts API, under /api/v1/."""

from django.urls import path

from accounts import api

urlpatterns = [
    path("me", api.MeView.as_view(), name="api_me"),
    path("tokens", api.TokensView.as_view(), name="api_tokens"),
    path("tokens/<int:pk>", api.TokenView.as_view(), name="api_token"),
    path("organisations", api.OrganisationsView.as_view(), name="api_organisations"),
    path("organisations/<str:slug>/members", api.MembersView.as_view(), name="api_members"),
]
