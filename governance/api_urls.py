"""Addresses of the governance API, under /api/v1/."""

from django.urls import path

from governance import api

urlpatterns = [
    path("licences", api.LicencesView.as_view(), name="api_licences"),
    path("licences/<str:licence_id>", api.LicenceView.as_view(), name="api_licence"),
    path("decisions", api.DecisionsView.as_view(), name="api_decisions"),
    path("decisions/check", api.CheckView.as_view(), name="api_decision_check"),
    path("decisions/<uuid:public_id>", api.DecisionView.as_view(), name="api_decision"),
    path("facts", api.FactsView.as_view(), name="api_facts"),
    path("audit-head", api.AuditHeadView.as_view(), name="api_audit_head"),
]
