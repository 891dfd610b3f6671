"""Addresses of the pages of training."""

from django.urls import path

from training.views import dataset_captions, dataset_pictures, dataset_rights, datasets, reports, runs

urlpatterns = [
    path("datasets", datasets.datasets, name="datasets"),
    path("datasets/new", datasets.dataset_new, name="dataset_new"),
    path("datasets/deletions", dataset_rights.dataset_deletions, name="dataset_deletions"),
    path("datasets/pictures/<uuid:pk>", dataset_pictures.dataset_picture, name="dataset_picture"),
    path("datasets/pictures/<uuid:pk>/image", dataset_pictures.dataset_image, name="dataset_image"),
    path("datasets/pictures/<uuid:pk>/thumb", dataset_pictures.dataset_thumb, name="dataset_thumb"),
    path(
        "datasets/pictures/<uuid:pk>/caption", dataset_pictures.dataset_picture_caption, name="dataset_picture_caption"
    ),
    path("datasets/pictures/<uuid:pk>/facts", dataset_pictures.dataset_picture_facts, name="dataset_picture_facts"),
    path("datasets/pictures/<uuid:pk>/decide", dataset_rights.dataset_picture_rule, name="dataset_picture_rule"),
    path("datasets/<str:owner>/<str:name>", datasets.dataset, name="dataset"),
    path("datasets/<str:owner>/<str:name>/status", datasets.dataset_status, name="dataset_status"),
    path("datasets/<str:owner>/<str:name>/upload", datasets.dataset_upload, name="dataset_upload"),
    path("datasets/<str:owner>/<str:name>/about", datasets.dataset_about, name="dataset_about"),
    path("datasets/<str:owner>/<str:name>/recheck", datasets.dataset_recheck_again, name="dataset_recheck"),
    path("datasets/<str:owner>/<str:name>/pictures", dataset_pictures.dataset_pictures, name="dataset_pictures"),
    path("datasets/<str:owner>/<str:name>/captions", dataset_captions.dataset_captions, name="dataset_captions"),
    path(
        "datasets/<str:owner>/<str:name>/captions/<uuid:pk>/undo",
        dataset_captions.dataset_edit_undo,
        name="dataset_edit_undo",
    ),
    path("datasets/<str:owner>/<str:name>/captioner", dataset_captions.dataset_captioning, name="dataset_captioning"),
    path("datasets/<str:owner>/<str:name>/report", dataset_rights.dataset_report, name="dataset_report"),
    path("datasets/<str:owner>/<str:name>/rights", dataset_rights.dataset_rights, name="dataset_rights"),
    path("datasets/<str:owner>/<str:name>/consents", dataset_rights.dataset_consents, name="dataset_consents"),
    path("datasets/<str:owner>/<str:name>/keep", dataset_rights.dataset_keep, name="dataset_keep"),
    path("datasets/<str:owner>/<str:name>/delete", dataset_rights.dataset_remove, name="dataset_remove"),
    path("datasets/<str:owner>/<str:name>/decide", dataset_rights.dataset_set_rule, name="dataset_set_rule"),
    path("training", runs.runs, name="training"),
    path("training/new", runs.run_new, name="run_new"),
    path("training/new/check", runs.run_check, name="run_check"),
    path("training/samples/<uuid:pk>", runs.run_sample, name="run_sample"),
    path("training/runs/<uuid:pk>", runs.run, name="run"),
    path("training/runs/<uuid:pk>/events", runs.run_events, name="run_events"),
    path("training/runs/<uuid:pk>/compare", runs.run_compare, name="run_compare"),
    path("training/runs/<uuid:pk>/publish", runs.run_publish, name="run_publish"),
    path("training/runs/<uuid:pk>/decide", runs.run_decide, name="run_decide"),
    path("training/runs/<uuid:pk>/parts/<str:part>", runs.run_part, name="run_part"),
    path("training/runs/<uuid:pk>/files/<uuid:file>", reports.run_file, name="run_file"),
    path("training/runs/<uuid:pk>/checkpoints/<int:step>/choose", runs.run_choose, name="run_choose"),
    path("training/runs/<uuid:pk>/<str:action>", runs.run_act, name="run_act"),
    path("<str:owner>/<str:name>/v/<int:number>/training", reports.version_report, name="version_training"),
    path("<str:owner>/<str:name>/v/<int:number>/training/README.md", reports.version_card, name="version_card"),
]
