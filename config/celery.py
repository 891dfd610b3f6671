"""The Celery application: queues, limits and the periodic sweeps."""

import os
import warnings

from celery import Celery
from celery.platforms import SecurityWarning

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.development")

# The embedded set-up runs as whoever starts it, root in many containers; messages are JSON and carry no code.
warnings.filterwarnings("ignore", category=SecurityWarning)

app = Celery("registry")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
