"""Addresses of the licence pages, decisions, stated facts, problems and the registry's public keys."""

from django.urls import path

from governance import views

urlpatterns = [
    path("licences", views.licences, name="licences"),
    path("licences/<str:licence_id>", views.licence, name="licence"),
    path("account/facts", views.actor_profile, name="actor_profile"),
    path("decisions/<uuid:public_id>", views.decision, name="decision"),
    path("decisions/<uuid:public_id>.json", views.decision_json, name="decision_json"),
    path("problems/<slug:code>", views.problem, name="problem"),
    path(".well-known/registry-keys.json", views.registry_keys, name="registry_keys"),
]
