"""Addresses of the registry's pages. The slug pages come last."""

from django.urls import path

from registry.views import adapters, browse, gate, images, may_i, mine, passes, samples, upload

urlpatterns = [
    path("", browse.home, name="home"),
    path("browse", browse.home, name="browse"),
    path("upload", upload.upload, name="upload"),
    path("account/uploads", mine.uploads, name="my_uploads"),
    path("account/uploads/<uuid:pk>/discard", mine.upload_discard, name="upload_discard"),
    path("account/downloads", mine.downloads, name="my_downloads"),
    path("account/tokens/<int:pk>/pass", passes.token_pass, name="token_pass"),
    path("may-i", may_i.may_i, name="may_i"),
    path("images/<uuid:pk>.png", images.image, name="image"),
    path("pictures/<uuid:pk>.png", samples.sample, name="sample"),
    path("files/<str:token>", gate.delivery, name="delivery"),
    path("receipts/<uuid:pk>.json", gate.receipt_json, name="receipt"),
    path("receipts/<uuid:pk>/NOTICE.txt", gate.receipt_notice, name="receipt_notice"),
    path("<str:owner>", browse.creator, name="creator"),
    path("<str:owner>/<str:name>", adapters.adapter, name="adapter"),
    path("<str:owner>/<str:name>/rate", adapters.rate, name="rate"),
    path("<str:owner>/<str:name>/edit", adapters.adapter_edit, name="adapter_edit"),
    path("<str:owner>/<str:name>/v/<int:number>", adapters.version, name="version"),
    path("<str:owner>/<str:name>/v/<int:number>/status", adapters.version_status, name="version_status"),
    path("<str:owner>/<str:name>/v/<int:number>/pictures", samples.samples, name="samples"),
    path(
        "<str:owner>/<str:name>/v/<int:number>/pictures/<uuid:pk>/remove",
        samples.sample_delete,
        name="sample_delete",
    ),
    path("<str:owner>/<str:name>/v/<int:number>/download", gate.gate, name="gate"),
    path("<str:owner>/<str:name>/v/<int:number>/withdraw", adapters.withdraw, name="withdraw"),
    path("<str:owner>/<str:name>/v/<int:number>/release", adapters.release, name="release"),
    path("<str:owner>/<str:name>/v/<int:number>/recheck", adapters.recheck, name="recheck"),
]
