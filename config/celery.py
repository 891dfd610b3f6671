"""The Celery application, and what becomes of a message that the broker does not take."""

import logging
import os
import warnings
from json import JSONDecodeError
from typing import Any

from amqp.exceptions import AMQPError
from celery import Celery, Task
from celery.platforms import SecurityWarning
from celery.result import AsyncResult
from kombu.exceptions import OperationalError

log = logging.getLogger(__name__)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.development")

# The embedded set-up runs as whoever starts it, root in many containers; messages are JSON and carry no code.
warnings.filterwarnings("ignore", category=SecurityWarning)

# What a broker raises that is away or broken; the one in files reads a table that another process is just writing.
NOT_TAKEN = (OperationalError, AMQPError, OSError, JSONDecodeError)


class News(Task):  # type: ignore[misc]
    """A task told by `delay`, once its row is committed.

    The job is the row and a sweep finds it, so a message that was not taken costs time and nothing else: what a
    person has just done must not be answered with an error after it is done.
    """

    abstract = True

    def delay(self, *arguments: Any, **named: Any) -> AsyncResult | None:
        """Queue it; None where the broker does not take the message."""
        try:
            return super().delay(*arguments, **named)
        except NOT_TAKEN as error:
            log.warning("The broker did not take %s%r (%r); the next sweep does its work.", self.name, arguments, error)
            return None


app = Celery("registry", task_cls=News)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


def queues_declare(app: Celery = app) -> None:
    """Make the queues before several processes use them: the broker in files cannot have two of them make one."""
    names = {app.conf.task_default_queue, *(route["queue"] for route in app.conf.task_routes.values())}
    with app.connection_for_write() as connection:
        for name in sorted(names):
            app.amqp.queues[name].bind(connection.default_channel).declare()
