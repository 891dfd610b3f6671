"""Letters: mails that are written with the transaction that causes them, and sent by a task until they are out.

What is lost with the broker or a worker is sent by the sweep. A worker that dies between the mail server's answer and
the row leaves a letter that is sent once more, under the same Message-ID: two rather than none.
"""

import json
import logging
import smtplib
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.template.loader import render_to_string

from accounts.models import User
from moderation.models import Letter
from moderation.signals import letter_written
from registry.models.outbox import OutState
from registry.sealing import seal, unseal
from registry.services.outbox import again_later, claim, due, finish

log = logging.getLogger(__name__)


def letter_write(*, key: str, to: str, subject: str, template: str, context: dict[str, Any]) -> Letter | None:
    """Write a letter inside the caller's transaction; None where one with this `key` is written already.

    `template` is a file of templates/moderation/letters. Without a recipient nothing is written.
    """
    if not to:
        return None
    site = {"site_name": settings.SITE_NAME, "appeal_days": settings.APPEAL_WINDOW.days}
    body = render_to_string(f"moderation/letters/{template}", {**site, **context}).strip() + "\n"
    content = json.dumps({"to": to, "subject": f"{subject} · {settings.SITE_NAME}", "body": body}).encode()
    letter, created = Letter.objects.get_or_create(
        key=key, defaults={"content": seal(content, context=f"letter {key}")}
    )
    if not created:
        return None
    transaction.on_commit(lambda: letter_written.send(sender=Letter, letter_id=letter.pk))
    return letter


def moderators_write(*, key: str, subject: str, template: str, context: dict[str, Any]) -> None:
    """A letter to every active moderator."""
    for moderator in User.objects.filter(is_moderator=True, is_active=True).order_by("pk"):
        own = {"key": f"{key}:{moderator.pk}", "to": moderator.email, "subject": subject}
        letter_write(**own, template=template, context=context)


def letters_due() -> list[int]:
    """What has to go out now."""
    return due(Letter)


def letter_send(letter_id: int) -> None:
    """Send a letter unless it is out, or another worker has it."""
    letter = claim(Letter, letter_id)
    if letter is None:
        return
    mail = json.loads(unseal(bytes(letter.content), context=f"letter {letter.key}"))
    host = urlsplit(settings.PUBLIC_URL).hostname or "localhost"
    # The same id at every attempt: a letter that was taken twice is shown once by the reader's program.
    headers = {"Message-ID": f"<{letter.public_id}@{host}>", "Auto-Submitted": "auto-generated"}
    message = EmailMessage(mail["subject"], mail["body"], to=[mail["to"]], headers=headers)
    try:
        message.send()
    except smtplib.SMTPRecipientsRefused:
        finish(letter, OutState.FAILED, "The mail server refused the recipient.")
    except (smtplib.SMTPException, OSError) as error:
        log.warning("Letter %s was not taken: %s", letter.public_id, type(error).__name__)
        again_later(letter, f"The mail server did not take it ({type(error).__name__}).")
    else:
        finish(letter, OutState.SENT)
        Letter.objects.filter(pk=letter_id, state=OutState.SENT).update(content=b"")
