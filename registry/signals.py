"""News that the registry sends upwards, always after the commit and with nothing but a primary key."""

from django.dispatch import Signal

version_submitted = Signal()  # sender=Version, version_id
version_inspected = Signal()  # sender=Version, version_id; not sent for refused files
version_published = Signal()  # sender=Version, version_id
version_withheld = Signal()  # sender=Version, version_id: withdrawn, quarantined or taken down
