"""Addresses of the moderation API, under /api/v1/."""

from django.urls import path

from moderation.api import consents, optout

urlpatterns = [
    path("consents", consents.ConsentsView.as_view(), name="api_consents"),
    path("consents/<uuid:public_id>", consents.ConsentView.as_view(), name="api_consent"),
    path("consents/<uuid:public_id>/withdraw", consents.ConsentWithdrawView.as_view(), name="api_consent_withdraw"),
    path("consents/<uuid:public_id>/versions", consents.ConsentLinkView.as_view(), name="api_consent_link"),
    path("recalls", consents.RecallsView.as_view(), name="api_recalls"),
    path("recalls/<uuid:public_id>", consents.RecallView.as_view(), name="api_recall"),
    path("opt-outs", optout.OptOutsView.as_view(), name="api_opt_outs"),
    path("opt-outs/<uuid:public_id>", optout.OptOutView.as_view(), name="api_opt_out"),
    path("opt-out-imports", optout.OptOutImportsView.as_view(), name="api_opt_out_imports"),
    path("opt-out-imports/<int:pk>", optout.OptOutImportView.as_view(), name="api_opt_out_import"),
    path("opt-out-register", optout.OptOutExportView.as_view(), name="api_opt_out_register"),
]
