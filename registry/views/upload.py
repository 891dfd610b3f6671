"""The upload page: a plain form that works without scripts, and the resumable way with them."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts.errors import DomainError
from accounts.models import User
from registry.forms import UploadForm
from registry.models import Upload, Version
from registry.permissions import AdapterPermission
from registry.selectors.access import adapter_permissions
from registry.selectors.pages import adapter_to_extend, upload_initial
from registry.services.arrivals import arrival_initial
from registry.services.intake import intake
from registry.services.samples import Sample
from registry.services.uploads import access_upload, room_left, upload_from_stream
from registry.services.versions import latest_statement


@login_required
@require_http_methods(["GET", "POST"])
def upload(request: HttpRequest) -> HttpResponse:
    assert isinstance(request.user, User)
    statement = latest_statement()
    place = {name: (request.POST or request.GET).get(name, "") for name in ("owner", "name")}
    adapter = adapter_to_extend(actor=request.user, **place)
    initial = upload_initial(adapter=adapter, **place) | arrival_initial(actor=request.user, named=request.GET)
    form = UploadForm(
        request.POST or None, request.FILES or None, actor=request.user, statement=statement, initial=initial
    )
    if request.method == "POST" and form.is_valid():
        try:
            version = _submit(request.user, form)
        except DomainError as error:
            form.add_error(None, f"{error.detail} {error.remedy}")
        else:
            return redirect(
                "version", owner=version.adapter.owner.slug, name=version.adapter.name, number=version.number
            )
    status = 422 if form.errors else 200
    context = {"form": form, "statement": statement, "adapter": adapter, "room": room_left(actor=request.user)}
    context["may_edit"] = adapter and AdapterPermission.EDIT in adapter_permissions(request.user, adapter)
    return render(request, "registry/upload.html", context, status=status)


def _submit(actor: User, form: UploadForm) -> Version:
    data = form.cleaned_data
    return intake(
        actor=actor,
        owner=data["owner"],
        name=data["name"],
        upload=_upload(actor, form),
        declaration=form.declaration(),
        title=data["title"],
        description=data["description"],
        tags=data["tags"],
        visibility=data["visibility"],
        content_level=data["content_level"],
        samples=[Sample(file.name, file.read()) for file in data["pictures"]],
    )


def _upload(actor: User, form: UploadForm) -> Upload:
    data = form.cleaned_data
    if data.get("upload_id"):
        return access_upload(actor=actor, pk=data["upload_id"])
    file = data["file"]
    return upload_from_stream(
        actor=actor, namespace=data["owner"], filename=file.name, stream=file.file, length=file.size
    )
