"""The pictures of a dataset: served to who may see them, looked at one by one, changed alone or together."""

import uuid
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.files.storage import default_storage
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.errors import DomainError, NotFound
from accounts.models import User
from moderation.models import Consent
from training.errors import DatasetDeclaration
from training.forms.datasets import PictureFactsForm, PictureForm, RulingForm
from training.models import Dataset, DatasetAlarm, DatasetPicture
from training.permissions import DatasetPermission, permission_to_change
from training.selectors.consents import consents_to_choose
from training.selectors.dataset_pages import findings_shown
from training.selectors.datasets import access_dataset, access_picture, dataset_permissions
from training.services.captions import caption_set
from training.services.pictures import pictures_change, pictures_remove
from training.views.datasets import dataset_context

P = DatasetPermission
FACTS = ("source", "licence_id", "depicts_person", "protection", "repeats", "is_prior")
# What can be done with the chosen pictures, and the words for it.
ACTIONS: dict[str, tuple[dict[str, Any] | None, str]] = {
    "leave-out": ({"left_out": True}, "{} left out."),
    "take-in": ({"left_out": False}, "{} taken in again."),
    "class": ({"is_prior": True}, "{} are class pictures now."),
    "own": ({"is_prior": False}, "{} are pictures of the thing itself now."),
    "remove": (None, "{} deleted."),
}


@login_required
@require_safe
def dataset_image(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The stored picture."""
    picture = access_picture(actor=request.user, public_id=pk, permission=P.READ)
    return picture_answer(picture, picture.storage_key)


@login_required
@require_safe
def dataset_thumb(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """A small copy for the grid."""
    picture = access_picture(actor=request.user, public_id=pk, permission=P.READ)
    return picture_answer(picture, picture.thumb_key)


def picture_answer(picture: DatasetPicture, key: str) -> Any:
    """A picture for this reader alone: as what it is, never as a page, and in no shared cache."""
    try:
        file = default_storage.open(key, "rb")
    except FileNotFoundError as error:
        raise NotFound("There is no such picture that you may see.") from error
    kind = "image/jpeg" if key.endswith(".jpg") else "image/png"
    response = FileResponse(file, content_type=kind)
    response["Cache-Control"] = "private, max-age=300"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    response["X-Robots-Tag"] = "noindex, noimageindex, noai"
    return response


@login_required
@require_safe
def dataset_picture(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One picture with its caption, its facts and what was found."""
    picture = access_picture(actor=request.user, public_id=pk, permission=P.READ)
    return _page(request, picture)


def _page(request: HttpRequest, picture: DatasetPicture, *, status: int = 200, **forms: Any) -> HttpResponse:
    rows = picture.dataset.pictures.order_by("path").values_list("public_id", flat=True)
    order = list(rows)
    at = order.index(picture.public_id)
    context = dataset_context(
        request,
        picture.dataset,
        picture=picture,
        before=order[at - 1] if at else None,
        after=order[at + 1] if at + 1 < len(order) else None,
        place=at + 1,
        findings=findings_shown(picture.findings),
        alarm=DatasetAlarm.objects.filter(picture=picture.public_id, closed_at=None).first(),
        form=forms.get("form") or PictureForm(initial={"caption": picture.caption, "was": picture.caption}),
        facts_form=forms.get("facts_form") or _facts_form(request, picture),
        ruling_form=forms.get("ruling_form") or RulingForm(),
    )
    return render(request, "training/datasets/picture.html", context, status=status)


@login_required
@require_POST
def dataset_picture_caption(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Write its caption; from the grid the answer is its own cell."""
    picture = access_picture(actor=request.user, public_id=pk, permission=P.CONTRIBUTE)
    form = PictureForm(request.POST)
    if form.is_valid():
        try:
            data = form.cleaned_data
            picture = caption_set(
                picture=picture, actor=cast(User, request.user), caption=data["caption"], was=data["was"]
            )
        except DomainError as error:
            form.add_error("caption", f"{error.detail} {error.remedy}")
    if request.headers.get("HX-Request"):
        context = dataset_context(request, picture.dataset, picture=picture, saved=not form.errors, form=form)
        return render(request, "training/datasets/_cell.html", context)
    if form.errors:
        return _page(request, picture, status=422, form=form)
    messages.success(request, "The caption is saved.")
    return redirect("dataset_picture", pk=pk)


@login_required
@require_POST
def dataset_picture_facts(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Repeats and kind of one picture, and for who manages the set its source, licence, protection and consent."""
    actor = cast(User, request.user)
    picture = access_picture(actor=actor, public_id=pk, permission=permission_to_change(request.POST))
    form = _facts_form(request, picture, request.POST)
    if form.is_valid():
        try:
            pictures_change(dataset=picture.dataset, actor=actor, pictures=[pk], **_said(picture, form.cleaned_data))
        except DomainError as error:
            form.add_error(None, f"{error.detail} {error.remedy}")
    if form.errors:
        return _page(request, picture, status=422, facts_form=form)
    messages.success(request, "Saved. It is looked at again where that matters.")
    return redirect("dataset_picture", pk=pk)


def _facts_form(request: HttpRequest, picture: DatasetPicture, posted: Any = None) -> PictureFactsForm:
    """What this person may say of the picture: as it is said now, or as it was posted."""
    initial = {name: getattr(picture, name) for name in FACTS}
    initial["consent"] = str(picture.consent.public_id) if picture.consent else ""
    rights = P.MANAGE in dataset_permissions(request.user, picture.dataset)
    consents = consents_to_choose(picture.dataset) if rights else []
    return PictureFactsForm(posted, initial=initial, consents=consents, rights=rights)


def _said(picture: DatasetPicture, data: dict[str, Any]) -> dict[str, Any]:
    """`changes`, and `consent` where that is another."""
    changes = {name: data[name] for name in FACTS if name in data and data[name] != getattr(picture, name)}
    if "consent" not in data:
        return {"changes": changes}
    consent = Consent.objects.filter(public_id=data["consent"]).first() if data["consent"] else None
    return {"changes": changes, **({"consent": consent} if consent != picture.consent else {})}


@login_required
@require_http_methods(["POST"])
def dataset_pictures(request: HttpRequest, owner: str, name: str) -> HttpResponse:
    """One thing done with all pictures that were chosen in the grid."""
    found = access_dataset(actor=request.user, owner=owner, name=name, permission=P.CONTRIBUTE)
    changes, words = _chosen_action(request.POST.get("action", ""))
    count = _act(found, cast(User, request.user), _chosen(request), changes)
    messages.success(request, words.format("One picture" if count == 1 else f"{count} pictures"))
    return redirect(_back_to(request, found))


def _chosen_action(name: str) -> tuple[dict[str, Any] | None, str]:
    if name not in ACTIONS:
        raise DatasetDeclaration("Nothing is chosen that could be done.", remedy="Choose what to do.")
    return ACTIONS[name]


def _chosen(request: HttpRequest) -> list[uuid.UUID]:
    try:
        chosen = [uuid.UUID(value) for value in request.POST.getlist("picture")]
    except ValueError as error:
        raise DatasetDeclaration("A picture that was chosen is none.") from error
    if not chosen:
        raise DatasetDeclaration("No picture is chosen.", remedy="Tick the pictures first.")
    return chosen


def _act(dataset: Dataset, actor: User, chosen: list[uuid.UUID], changes: dict[str, Any] | None) -> int:
    if changes is None:
        return pictures_remove(dataset=dataset, actor=actor, pictures=chosen)
    return pictures_change(dataset=dataset, actor=actor, pictures=chosen, changes=changes)


def _back_to(request: HttpRequest, dataset: Dataset) -> str:
    """Where in the grid the person was, if that is a page of this dataset."""
    home = f"/datasets/{dataset.owner.slug}/{dataset.name}"
    wanted = request.POST.get("next") or ""
    return wanted if wanted == home or wanted.startswith(f"{home}?") else home
