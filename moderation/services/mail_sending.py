"""Sending what is queued: a mail is written at that moment, and tried again until the mail server takes it."""

import logging
import smtplib
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string

from moderation.consent_terms import ConsentState
from moderation.models.outbox import Mail, MailKind
from moderation.services.mail_texts import MailText, mail_text, reader_address
from registry.models.outbox import OutState
from registry.services.outbox import again_later, claim, finish

log = logging.getLogger(__name__)

# The states of a consent in which these mails are true; what came after them has a mail of its own.
_ANSWERS = frozenset({ConsentState.GRANTED, ConsentState.REFUSED})
_STATES: dict[MailKind, frozenset[ConsentState]] = {
    MailKind.CONSENT_ASKED: frozenset({ConsentState.ASKED}),
    MailKind.CONSENT_ANSWERED: _ANSWERS,
    MailKind.CONSENT_CONFIRMED: _ANSWERS,
}


def mail_send(*, mail_id: int) -> None:
    """Write the mail and hand it to the mail server; safe to call at any time by anybody."""
    mail = claim(Mail, mail_id)
    if mail is None:
        return
    address = reader_address(mail)
    if _overtaken(mail):
        finish(mail, OutState.DROPPED, "What it tells of has changed meanwhile.")
        return
    if not address:
        finish(mail, OutState.DROPPED, "The reader has no address any more.")
        return
    message = _message(mail, address, mail_text(mail))
    try:
        message.send()
    except smtplib.SMTPRecipientsRefused:
        finish(mail, OutState.FAILED, "The mail server refused the recipient.")
    except (smtplib.SMTPException, OSError) as error:
        # The error's text can name the recipient; its kind does not.
        log.warning("Mail %s was not taken: %s", mail.public_id, type(error).__name__)
        again_later(mail, f"The mail server did not take it ({type(error).__name__}).")
    else:
        finish(mail, OutState.SENT)


def _overtaken(mail: Mail) -> bool:
    """Whether the mail would be untrue by now: a request that was taken back, an answer that was, a lifted recall."""
    if mail.consent is not None:
        allowed = _STATES.get(MailKind(mail.kind))
        return allowed is not None and mail.consent.state not in allowed
    return mail.kind == MailKind.RECALL_ISSUED and mail.notice is not None and mail.notice.recall.state == "lifted"


def _message(mail: Mail, address: str, letter: MailText) -> EmailMultiAlternatives:
    """The same id at every attempt: a mail that was taken twice is shown once by the reader's program."""
    context = {"letter": letter, "site_name": settings.SITE_NAME, "site_url": settings.PUBLIC_URL}
    host = urlsplit(settings.PUBLIC_URL).hostname or "localhost"
    message = EmailMultiAlternatives(
        subject=" ".join(f"[{settings.SITE_NAME}] {letter.subject}".split()),
        body=render_to_string("moderation/mail/letter.txt", context),
        to=[address],
        headers={"Message-ID": f"<{mail.public_id}@{host}>", "Auto-Submitted": "auto-generated"},
    )
    message.attach_alternative(render_to_string("moderation/mail/letter.html", context), "text/html")
    return message
