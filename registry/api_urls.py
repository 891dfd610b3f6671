"""Addresses of the registry's API, under /api/v1/."""

from django.urls import path

from registry.api import discussions, receipts, samples, tus, views

DISCUSSIONS = "adapters/<str:owner>/<str:name>/discussions"
COMMENT = f"{DISCUSSIONS}/<int:number>/comments/<uuid:public_id>"

urlpatterns = [
    path("uploads", tus.TusCreateView.as_view(), name="api_uploads"),
    path("uploads/<uuid:pk>", tus.TusUploadView.as_view(), name="api_upload"),
    path("base-models", views.BaseModelsView.as_view(), name="api_base_models"),
    path("rights-statement", views.RightsStatementView.as_view(), name="api_rights_statement"),
    path("receipts/<uuid:pk>", receipts.ReceiptView.as_view(), name="api_receipt"),
    path("receipts/<uuid:pk>/notice", receipts.ReceiptNoticeView.as_view(), name="api_receipt_notice"),
    path("receipts/<uuid:pk>/sidecars", receipts.ReceiptSidecarsView.as_view(), name="api_receipt_sidecars"),
    path("adapters", views.AdaptersView.as_view(), name="api_adapters"),
    path("adapters/facets", views.FacetsView.as_view(), name="api_facets"),
    path("adapters/<str:owner>/<str:name>", views.AdapterView.as_view(), name="api_adapter"),
    path("adapters/<str:owner>/<str:name>/rating", views.RatingView.as_view(), name="api_rating"),
    path(DISCUSSIONS, discussions.DiscussionsView.as_view(), name="api_discussions"),
    path(f"{DISCUSSIONS}/<int:number>", discussions.DiscussionView.as_view(), name="api_discussion"),
    path(f"{DISCUSSIONS}/<int:number>/comments", discussions.CommentsView.as_view(), name="api_discussion_comments"),
    path(COMMENT, discussions.CommentView.as_view(), name="api_discussion_comment"),
    path(f"{COMMENT}/hiding", discussions.CommentHidingView.as_view(), name="api_discussion_comment_hiding"),
    path("adapters/<str:owner>/<str:name>/versions", views.VersionsView.as_view(), name="api_versions"),
    path("adapters/<str:owner>/<str:name>/versions/<int:number>", views.VersionView.as_view(), name="api_version"),
    path(
        "adapters/<str:owner>/<str:name>/versions/<int:number>/pictures",
        samples.SamplesView.as_view(),
        name="api_samples",
    ),
    path(
        "adapters/<str:owner>/<str:name>/versions/<int:number>/withdraw",
        views.WithdrawView.as_view(),
        name="api_withdraw",
    ),
    path(
        "adapters/<str:owner>/<str:name>/versions/<int:number>/recheck",
        views.RecheckView.as_view(),
        name="api_recheck",
    ),
    path(
        "adapters/<str:owner>/<str:name>/versions/<int:number>/download",
        views.GateView.as_view(),
        name="api_download",
    ),
]
