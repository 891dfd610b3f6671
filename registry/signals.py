"""News that the registry sends upwards, always after the commit and with nothing but a primary key."""

from django.dispatch import Signal

version_submitted = Signal()  # sender=Version, version_id
version_inspected = Signal()  # sender=Version, version_id; not sent for refused files
version_decided = Signal()  # sender=Version, version_id: the engine has answered after the screening
version_held = Signal()  # sender=Version, version_id: waits for a person, or was refused for a grave finding
pictures_added = Signal()  # sender=Version, version_id: rendered or attached, and not screened yet
adapter_described = Signal()  # sender=Adapter, adapter_id: its words, its level or who sees it changed
version_published = Signal()  # sender=Version, version_id
version_withheld = Signal()  # sender=Version, version_id: withdrawn, quarantined or taken down
webhook_queued = Signal()  # sender=WebhookDelivery, delivery_id
