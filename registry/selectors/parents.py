"""Finding the versions that an upload was made from, by the address that people see."""

import re

from accounts.errors import NotFound
from registry.models import Version
from registry.permissions import AdapterPermission
from registry.selectors.access import Actor, access_adapter, access_version

# owner/name, owner/name/v/2, owner/name v2, each also behind the site's own https://…/
ADDRESS = re.compile(r"^(?:https?://[^/\s]+/)?([\w.-]+)/([\w.-]+?)(?:(?:/v/|\s+v)(\d{1,9}))?/?$")


def version_at(*, actor: Actor, address: str) -> Version:
    """The version at `address`, the newest published one where it names none; raises NotFound."""
    match = ADDRESS.match(address.strip())
    if match is None:
        raise NotFound(
            f"{address.strip()!r} is not the address of an adapter.", remedy="Write owner/name or owner/name/v/2."
        )
    owner, name, number = match.groups()
    if number:
        return access_version(actor=actor, owner=owner, name=name, number=int(number))
    adapter = access_adapter(actor=actor, owner=owner, name=name, permission=AdapterPermission.READ)
    if adapter.latest is None:
        raise NotFound(f"{owner}/{name} has no published version.", remedy="Name one: owner/name/v/2.")
    return adapter.latest
