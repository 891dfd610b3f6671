"""News of the inference app."""

from django.dispatch import Signal

preview_queued = Signal()  # sender=PreviewJob, job_id
previews_rendered = Signal()  # sender=PreviewJob, job_id: all its pictures are there
making_queued = Signal()  # sender=MakingJob, job_id
generation_queued = Signal()  # sender=Generation
picture_drawn = Signal()  # sender=GenerationPicture, picture_id: it waits for its checks
