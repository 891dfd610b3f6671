"""The download address that Civitai's clients use: the gate, then a redirect to a link that lives for minutes."""

from django.http import HttpResponseRedirect
from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import acting_user
from accounts.errors import NotFound
from accounts.models import ApiToken
from accounts.scopes import Scope
from registry.compat.civitai import params as p
from registry.compat.civitai.access import CivitaiView, root_of
from registry.compat.civitai.errors import BadRequest
from registry.models import Version
from registry.selectors.visibility import Actor, versions_readable_by
from registry.services.delivery import link_token
from registry.services.standing_pass import REFUSALS, gate_path, page_of_refusal, receipt_for

FORMATS, TYPES = ("SafeTensor",), ("Model",)


class DownloadView(CivitaiView):
    """`GET /api/download/models/{versionId}`"""

    required_scope = Scope.DOWNLOAD

    def get(self, request: Request, pk: int) -> Response | HttpResponseRedirect:
        version = _version(request.user, pk)
        _check_file(request, version)
        if not request.user.is_authenticated:
            page = root_of(request) + gate_path(version)
            return Response({"error": f"Sign in to download: send a token. Its terms: {page}"}, status=401)
        token = request.auth if isinstance(request.auth, ApiToken) else None
        try:
            receipt = receipt_for(actor=acting_user(request), version=version, token=token)
        except REFUSALS as refusal:
            refusal.data["url"] = root_of(request) + page_of_refusal(refusal, version)
            raise
        response = HttpResponseRedirect(root_of(request) + reverse("delivery", args=[link_token(receipt=receipt)]))
        response["Cache-Control"] = "no-store"
        return response


def _version(actor: Actor, pk: int) -> Version:
    related = ("adapter__owner", "base_model", "created_by")
    version = versions_readable_by(actor).select_related(*related).filter(pk=pk).first()
    if version is None:
        raise NotFound(f"No model version with id {pk}", remedy="")
    return version


def _check_file(request: Request, version: Version) -> None:
    """The parameters name a file; where this version has none like it, that is no reason to send another."""
    query = request.query_params
    p.chosen(query, "type", TYPES)
    p.chosen(query, "format", FORMATS)
    wanted = p.id_of(query, "fileId")
    if wanted is not None and not version.files.filter(pk=wanted).exists():
        raise BadRequest(f"This version has no file {wanted}.")
