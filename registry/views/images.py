"""Pictures, served to who may read their version."""

import uuid

from django.core.files.storage import default_storage
from django.http import FileResponse, HttpRequest, HttpResponseBase
from django.views.decorators.http import require_safe

from accounts.errors import NotFound
from registry.selectors.visibility import images_readable_by


@require_safe
def image(request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
    picture = images_readable_by(request.user).filter(pk=pk).first()
    if picture is None:
        raise NotFound("There is no such picture that you may see.")
    return picture_response(picture.storage_key)


def picture_response(storage_key: str) -> FileResponse:
    """A picture of the storage, for this reader alone."""
    response = FileResponse(default_storage.open(storage_key, "rb"), content_type="image/png")
    # Readers differ and a version can be withheld, so no shared cache keeps it.
    response["Cache-Control"] = "private, max-age=300"
    response["X-Content-Type-Options"] = "nosniff"
    return response
