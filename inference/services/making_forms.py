"""Other forms of a downloaded file: its layout, number type or rank, for whoever holds a receipt of it."""

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core import signing
from django.db import IntegrityError, transaction

from accounts.models import User
from governance.services import audit_append, audited
from inference.errors import MakingRefused
from inference.making_options import options_checked
from inference.models import FileForm, Making, MakingJob, MakingPart
from inference.services.making_jobs import RETRIABLE, making_retry
from inference.services.making_plans import check_waiting
from inference.signals import making_queued
from registry.errors import LinkExpired
from registry.models import Receipt, Version
from registry.selectors.mine import access_receipt
from registry.services.delivery import require_available, require_still_allowed

SALT = "inference.forms"


@dataclass(frozen=True)
class Delivered:
    """A made file on its way to somebody."""

    storage_key: str
    filename: str
    sha256: str
    size: int


@audited()
def form_request(*, receipt: Receipt, actor: User, options: Mapping[str, Any]) -> FileForm:
    """The form of the receipt's file with these options: the one that is there, or one that is queued now.

    The receipt has to hold still: it is the same use under the same terms. Raises NotAvailable, MakingRefused.
    """
    version = receipt.file.version
    require_available(version)
    require_still_allowed(receipt)
    checked = options_checked(Making.FORM, options)
    _check_base(version, checked)
    digest = digest_of(checked)
    found = FileForm.objects.select_related("job").filter(file=receipt.file, digest=digest).first()
    if found is not None:
        if found.job.state in RETRIABLE:
            making_retry(job=found.job, actor=actor)
            found.job.refresh_from_db()
        return found
    check_waiting(actor)
    try:
        with transaction.atomic():
            return _queued(receipt, actor, checked, digest)
    except IntegrityError:  # another asked for the same in this moment
        return FileForm.objects.select_related("job").get(file=receipt.file, digest=digest)


def _queued(receipt: Receipt, actor: User, options: dict[str, Any], digest: str) -> FileForm:
    version = receipt.file.version
    job = MakingJob.objects.create(
        kind=Making.FORM,
        created_by=actor,
        title=f"{version}: {words_of(options)}",
        base_model=version.base_model,
        recipe=options,
    )
    MakingPart.objects.create(job=job, version=version, position=0)
    form = FileForm.objects.create(file=receipt.file, options=options, digest=digest, job=job)
    audit_append(
        actor=actor,
        action="form.queued",
        subject=("inference.making", str(job.pk)),
        data={"version": version.pk, "receipt": str(receipt.pk), "options": digest},
    )
    transaction.on_commit(lambda: making_queued.send(sender=MakingJob, job_id=str(job.pk)))
    return form


def digest_of(options: Mapping[str, Any]) -> str:
    """SHA-256 of canonical JSON."""
    return hashlib.sha256(json.dumps(dict(options), sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def words_of(options: Mapping[str, Any]) -> str:
    """What a form is, in a few words."""
    words = [
        f"rank {options['rank']}" if options.get("rank") else "",
        f"{options['energy']:.0%} of the energy" if options.get("energy") else "",
        str(options.get("dtype") or ""),
        f"{options['layout']} layout" if options.get("layout") else "",
    ]
    return ", ".join(word for word in words if word)


def _check_base(version: Version, options: Mapping[str, Any]) -> None:
    """A number type is changed without the base; names and ranks need its layers."""
    needs = options["layout"] or options["rank"] or options["energy"]
    if needs and version.base_model.slug not in settings.BASE_MODEL_LOCATIONS:
        name = version.base_model.name
        text = f"The layers of {name} are not known here: its weights are not on this registry's workers."
        raise MakingRefused(
            text, remedy="Choose a number type alone, or ask an administrator.", errors={"layout": text}
        )


def form_token(*, form: FileForm, receipt: Receipt) -> str:
    """The signed, short-lived token of a link to a form."""
    return signing.dumps([str(form.pk), str(receipt.pk)], salt=SALT, compress=False)


@audited()
def form_redeem(*, token: str) -> Delivered:
    """The file behind a token, while the link lives and the receipt's use is still open.

    Raises LinkExpired, NotAvailable.
    """
    try:
        form_id, receipt_id = signing.loads(token, salt=SALT, max_age=settings.DOWNLOAD_URL_LIFETIME)
    except (signing.BadSignature, ValueError) as error:
        raise LinkExpired from error
    form = FileForm.objects.select_related("job").filter(pk=form_id).first()
    receipt = _receipt(receipt_id)
    if form is None or receipt is None or form.file_id != receipt.file_id or not form.job.is_kept:
        raise LinkExpired
    require_available(receipt.file.version)
    require_still_allowed(receipt)
    job = form.job
    audit_append(
        actor=receipt.acceptance.user,
        action="form.delivered",
        subject=("registry.version", str(receipt.file.version_id)),
        data={"receipt": str(receipt.pk), "sha256": job.sha256, "options": form.digest},
    )
    return Delivered(job.storage_key, job.filename, job.sha256, job.size)


def _receipt(pk: str) -> Receipt | None:
    return (
        Receipt.objects.select_related(
            "acceptance__decision", "acceptance__user", "file__version__adapter__owner",
            "file__version__base_model", "file__version__created_by",
        ).filter(pk=pk).first()
    )  # fmt: skip


def forms_of(*, receipt: Receipt) -> list[FileForm]:
    """The forms of the receipt's file that are there or on their way, newest first."""
    found = FileForm.objects.filter(file=receipt.file).select_related("job")
    return list(found.order_by("-job__created_at")[:20])


def access_receipt_whole(*, actor: User, pk: uuid.UUID) -> Receipt:
    """A receipt of the actor's own with all that is asked about it; anybody else's is absent (NotFound)."""
    found = access_receipt(actor=actor, pk=pk)
    whole = _receipt(str(found.pk))
    assert whole is not None  # it was read a moment ago
    return whole
