"""News of the inference app."""

from django.dispatch import Signal

preview_queued = Signal()  # sender=PreviewJob, job_id
