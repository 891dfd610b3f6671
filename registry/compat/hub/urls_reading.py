"""Addresses of the Hub protocol's reading half."""

from django.urls import path, re_path

from registry.compat.hub import info, people, requests, resolving, trees

KIND = r"^api/(?P<kind>models|datasets|spaces)"
REPO = KIND + r"/(?P<owner>[^/]+)/(?P<name>[^/]+)"
ASKED = REPO + r"/user-access-request"

urlpatterns = [
    path("api/whoami-v2", people.whoami, name="hub_whoami"),
    path("api/agent-harnesses", people.agent_harnesses, name="hub_harnesses"),
    re_path(KIND + r"$", info.repository_list, name="hub_list"),
    re_path(REPO + r"$", info.repository_info, name="hub_info"),
    re_path(REPO + r"/revision/(?P<rest>.+)$", info.revision_info, name="hub_revision"),
    re_path(REPO + r"/tree/(?P<rest>.+)$", trees.repository_tree, name="hub_tree"),
    re_path(REPO + r"/paths-info/(?P<rest>.+)$", trees.paths_info, name="hub_paths_info"),
    re_path(REPO + r"/refs$", info.repository_refs, name="hub_refs"),
    re_path(REPO + r"/commits/(?P<rest>.+)$", info.repository_commits, name="hub_commits"),
    re_path(REPO + r"/auth-check$", people.auth_check, name="hub_auth_check"),
    re_path(REPO + r"/auth-check/write$", people.auth_check_write, name="hub_auth_check_write"),
    re_path(ASKED + r"/handle$", requests.access_handle, name="hub_access_handle"),
    re_path(ASKED + r"/grant$", requests.access_let_in, name="hub_access_grant"),
    re_path(ASKED + r"/(?P<state>[^/]+)$", requests.access_list, name="hub_access_list"),
    re_path(KIND + r"/(?P<owner>[^/]+)$", people.nameless, name="hub_nameless"),
    re_path(KIND + r"/(?P<rest>.+)$", people.not_offered, name="hub_not_offered"),
    # The Hub's users, collections, papers, jobs…: whatever no other address under /api/ takes but the own API's.
    re_path(r"^api/(?!v1/|download/)(?P<rest>.+)$", people.not_offered, name="hub_elsewhere"),
    path("datasets/<str:owner>/<str:name>/resolve/<path:rest>", resolving.resolve_dataset, name="hub_resolve_dataset"),
    path("<str:owner>/<str:name>/resolve/<path:rest>", resolving.resolve_model, name="hub_resolve"),
    path("<str:name>/resolve/<path:rest>", resolving.resolve_nameless, name="hub_resolve_nameless"),
]
