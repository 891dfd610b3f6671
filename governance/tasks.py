"""Background work of governance: keeping the chain's end where a writer to the database cannot reach it."""

from celery import shared_task

from governance.anchors import anchor_append
from governance.selectors import audit_head


@shared_task(soft_time_limit=50, time_limit=60)
def anchor_audit() -> None:
    """Append the chain's end to the anchors when it has moved."""
    head = audit_head()
    if head is not None:
        anchor_append(head)
