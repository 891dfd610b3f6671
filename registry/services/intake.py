"""The one way in: web form, API, commands and other protocols all bring a version through here."""

from collections.abc import Sequence

from accounts.errors import NotPermitted
from accounts.models import Namespace, User
from governance.services import audited
from registry.errors import NameTaken
from registry.models import Adapter, Upload, Version
from registry.models.adapters import ContentLevel, Visibility
from registry.permissions import AdapterPermission
from registry.selectors.access import adapter_permissions, namespaces_for_upload
from registry.services.adapters import adapter_create
from registry.services.samples import Sample, samples_add
from registry.services.versions import Declaration, version_draft, version_submit


@audited()
def intake(
    *,
    actor: User,
    owner: Namespace,
    name: str,
    upload: Upload,
    declaration: Declaration,
    title: str = "",
    description: str = "",
    tags: list[str] | None = None,
    visibility: str = Visibility.PUBLIC,
    content_level: str = ContentLevel.GENERAL,
    samples: Sequence[Sample] = (),
    as_draft: bool = False,
) -> Version:
    """Submit an upload as the next version of `{owner}/{name}`, creating the adapter when it is new.

    A draft waits for `version_send`; nobody but its own people sees it until then.

    Raises NotPermitted, NameTaken, DeclarationIncomplete, UploadRefused or PictureNotTaken; nothing is changed then.
    """
    if not namespaces_for_upload(actor).filter(pk=owner.pk).exists():
        raise NotPermitted(f"You may not upload under {owner}.")
    adapter = Adapter.objects.filter(owner=owner, name=name).select_related("owner").first()
    if adapter is None:
        adapter = adapter_create(
            actor=actor,
            owner=owner,
            name=name,
            title=title,
            description=description,
            tags=tags,
            visibility=visibility,
            content_level=content_level,
        )
    elif adapter.deleted_at is not None:
        raise NameTaken(
            f"{adapter} was deleted, and its notice stays under its address.", remedy="Choose another name."
        )
    elif AdapterPermission.CONTRIBUTE not in adapter_permissions(actor, adapter):
        raise NotPermitted(f"You may not add versions to {adapter}.")
    take = version_draft if as_draft else version_submit
    version = take(actor=actor, adapter=adapter, upload=upload, declaration=declaration)
    samples_add(version=version, actor=actor, samples=samples)
    return version
