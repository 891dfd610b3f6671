"""Where a file that a commit brought is declared: the upload form, filled in with what the card says already."""

from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts.models import User
from registry.services.arrivals import access_arrival, arrival_upload, arrival_version


@login_required
@require_safe
def arrival(request: HttpRequest, pk: int) -> HttpResponse:
    """Leads to the version that was made of it, or to the form that makes one."""
    assert isinstance(request.user, User)
    found = access_arrival(actor=request.user, pk=pk)
    adapter, version = found.adapter, arrival_version(found)
    if version is not None:
        return redirect("version", owner=adapter.owner.slug, name=adapter.name, number=version.number)
    upload = arrival_upload(arrival=found, actor=request.user)
    query = {"owner": adapter.owner.pk, "name": adapter.name, "upload_id": upload.pk, "arrival": found.pk}
    return redirect(f"{reverse('upload')}?{urlencode(query)}")
