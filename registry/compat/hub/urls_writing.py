"""Addresses of the Hub protocol's writing half."""

from django.urls import path

from registry.compat.hub import committing, discussions, lfs, preupload, references, repos
from registry.compat.hub.xet import views as xet

REPOSITORY = "api/<str:kind>/<str:owner>/<str:name>"
LFS = "<str:owner>/<str:name>.git/info/lfs/objects"
STORE = "api/xet/<uuid:nonce>"

urlpatterns = [
    path("api/validate-yaml", preupload.validate_yaml, name="hub_validate_yaml"),
    path("api/repos/create", repos.create, name="hub_create"),
    path("api/repos/delete", repos.delete, name="hub_delete"),
    path("api/repos/move", repos.move, name="hub_move"),
    path(f"{REPOSITORY}/settings", repos.settings, name="hub_settings"),
    path(f"{REPOSITORY}/preupload/<path:rest>", preupload.preupload, name="hub_preupload"),
    path(f"{REPOSITORY}/commit/<path:rest>", committing.commit, name="hub_commit"),
    path(f"{REPOSITORY}/branch/<path:rest>", references.branch, name="hub_branch"),
    path(f"{REPOSITORY}/tag/<path:rest>", references.tag, name="hub_tag"),
    path(f"{REPOSITORY}/xet-write-token/<path:rest>", xet.write_token, name="hub_xet_write_token"),
    path(f"{REPOSITORY}/xet-read-token/<path:rest>", xet.read_token, name="hub_xet_read_token"),
    path(f"{REPOSITORY}/discussions", discussions.discussions, name="hub_discussions"),
    path(f"{REPOSITORY}/discussions/<int:number>", discussions.discussion, name="hub_discussion"),
    path(f"{REPOSITORY}/discussions/<int:number>/<str:what>", discussions.change, name="hub_discussion_change"),
    path(
        f"{REPOSITORY}/discussions/<int:number>/comment/<str:key>/<str:what>",
        discussions.comment,
        name="hub_discussion_comment",
    ),
    path(f"{LFS}/batch", lfs.batch, {"kind": "models"}, name="hub_lfs_batch"),
    path(f"{LFS}/verify", lfs.verify, {"kind": "models"}, name="hub_lfs_verify"),
    path(f"datasets/{LFS}/batch", lfs.batch, {"kind": "datasets"}, name="hub_lfs_batch_dataset"),
    path(f"datasets/{LFS}/verify", lfs.verify, {"kind": "datasets"}, name="hub_lfs_verify_dataset"),
    path("api/lfs/<str:token>", lfs.lfs_object, name="hub_lfs_object"),
    path("api/lfs/<str:token>/complete", lfs.lfs_complete, name="hub_lfs_complete"),
    path(f"{STORE}/v1/xorbs/<str:prefix>/<str:digest>", xet.xorb, name="hub_xet_xorb"),
    path(f"{STORE}/v1/shards", xet.shards, name="hub_xet_shards"),
    path(f"{STORE}", xet.store, name="hub_xet_store"),
    path(f"{STORE}/<path:rest>", xet.store, name="hub_xet_other"),
    path("v1/telemetry", xet.telemetry, name="hub_telemetry"),
]
