"""Datasets: their list, a new one, the grid of pictures, uploads and progress."""

from typing import IO, Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.errors import DomainError
from accounts.models import User
from registry.models import Upload
from registry.services.uploads import access_upload, room_left, upload_from_stream
from training.forms.datasets import AboutForm, DatasetForm, UploadForm, upload_pairs
from training.models import Dataset
from training.permissions import DatasetPermission
from training.selectors.dataset_pages import FILTERS, findings_shown, pictures_shown, progress_of
from training.selectors.datasets import access_dataset, dataset_permissions, datasets_listed
from training.services.datasets import current_statement, dataset_create, dataset_recheck, dataset_update
from training.services.imports import import_queue
from training.services.snapshots import obstacles

P = DatasetPermission
A_PAGE = 60  # pictures


def dataset_context(request: HttpRequest, dataset: Dataset, **more: Any) -> dict[str, Any]:
    """What every page of a dataset shows around its own part."""
    granted = dataset_permissions(request.user, dataset)
    may = {name: permission in granted for name, permission in
           {"contribute": P.CONTRIBUTE, "train": P.TRAIN, "manage": P.MANAGE, "review": P.REVIEW}.items()}  # fmt: skip
    return {"dataset": dataset, "may": may, "progress": progress_of(dataset), **more}


@login_required
@require_safe
def datasets(request: HttpRequest) -> HttpResponse:
    page = Paginator(datasets_listed(request.user), 30).get_page(request.GET.get("page"))
    return render(request, "training/datasets/list.html", {"page": page})


@login_required
@require_http_methods(["GET", "POST"])
def dataset_new(request: HttpRequest) -> HttpResponse:
    actor, statement = cast(User, request.user), current_statement()
    form = DatasetForm(request.POST or None, actor=actor, initial={"rights_edition": statement.edition})
    if request.method == "POST" and form.is_valid():
        try:
            made = dataset_create(actor=actor, owner=form.cleaned_data["owner"], draft=form.draft())
        except DomainError as error:
            form.add_error(None, f"{error.detail} {error.remedy}")
        else:
            return redirect("dataset", owner=made.owner.slug, name=made.name)
    status = 422 if form.errors else 200
    context = {"form": form, "statement": statement, "room": room_left(actor=actor)}
    return render(request, "training/datasets/new.html", context, status=status)


@login_required
@require_safe
def dataset(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    """The pictures, filtered and in pages."""
    found = access_dataset(actor=request.user, owner=owner, name=name, permission=P.READ)
    which = request.GET.get("show", "all") if request.GET.get("show") in FILTERS else "all"
    page = Paginator(pictures_shown(found, which), A_PAGE).get_page(request.GET.get("page"))
    context = dataset_context(
        request,
        found,
        page=page,
        which=which,
        filters=FILTERS,
        form=UploadForm(),
        obstacles=obstacles(found),
        set_findings=findings_shown(found.findings),
    )
    return render(request, "training/datasets/dataset.html", context)


@login_required
@require_safe
def dataset_status(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    """The live part: what is being worked on."""
    found = access_dataset(actor=request.user, owner=owner, name=name, permission=P.READ)
    was_busy = request.GET.get("busy") == "1"
    context = dataset_context(request, found, obstacles=obstacles(found))
    response = render(request, "training/datasets/_status.html", context)
    if was_busy and not context["progress"].busy:
        response["HX-Refresh"] = "true"  # the grid shows what was found
    return response


@login_required
@require_POST
def dataset_upload(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    """Files of a plain form, or uploads that have arrived by tus."""
    found = access_dataset(actor=request.user, owner=owner, name=name, permission=P.CONTRIBUTE)
    form = UploadForm(request.POST, request.FILES)
    try:
        pairs = _arrived(request, found) if form.is_valid() else []
        import_queue(dataset=found, actor=cast(User, request.user), uploads=pairs)
    except (DomainError, ValidationError) as error:
        messages.error(request, _words(error))
    else:
        messages.success(request, f"{len(pairs)} files have arrived. They are being taken in and checked.")
    return redirect("dataset", owner=owner, name=name)


def _arrived(request: HttpRequest, found: Dataset) -> list[tuple[Upload, str]]:
    actor = cast(User, request.user)
    ids, paths = request.POST.getlist("upload"), request.POST.getlist("path")
    if ids:
        return [(access_upload(actor=actor, pk=pk), path) for pk, path in upload_pairs(ids, paths)]
    return [(_received(actor, found, file), file.name or "") for file in request.FILES.getlist("pictures")]


def _received(actor: User, found: Dataset, file: UploadedFile) -> Upload:
    stream, size = cast(IO[bytes], file.file), file.size or 0
    return upload_from_stream(actor=actor, namespace=found.owner, filename=file.name or "", stream=stream, length=size)


def _words(error: DomainError | ValidationError) -> str:
    return f"{error.detail} {error.remedy}" if isinstance(error, DomainError) else " ".join(error.messages)


@login_required
@require_http_methods(["GET", "POST"])
def dataset_about(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    """Title, purpose, trigger word, and the share for validation."""
    found = access_dataset(actor=request.user, owner=owner, name=name, permission=P.CONTRIBUTE)
    initial = {field: getattr(found, field) for field in AboutForm.base_fields}
    form = AboutForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            dataset_update(dataset=found, actor=cast(User, request.user), changes=form.cleaned_data)
        except DomainError as error:
            form.add_error(None, f"{error.detail} {error.remedy}")
        else:
            messages.success(request, "Saved.")
            return redirect("dataset", owner=owner, name=name)
    status = 422 if form.errors else 200
    return render(request, "training/datasets/about.html", dataset_context(request, found, form=form), status=status)


@login_required
@require_POST
def dataset_recheck_again(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    """Have the checks repeated that could not be finished."""
    found = access_dataset(actor=request.user, owner=owner, name=name, permission=P.CONTRIBUTE)
    dataset_recheck(dataset=found, actor=cast(User, request.user))
    messages.success(request, "The checks are repeated.")
    return redirect("dataset", owner=owner, name=name)
