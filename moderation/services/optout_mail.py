"""Mails of the opt-out register: links that confirm and manage registrations, and word of a moderator's decision.

The secret of a link is made when its mail is sent, so that it lies in no queue; the database keeps its digest alone.
"""

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import Q, QuerySet
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from moderation.contacts import email_unsealed
from moderation.models import OptOutHolder, OptOutRegistration
from moderation.services.optout import CONFIRM_WITHIN, LINK_LIFETIME, holder_link_renew, link_secret

HOLDER = "opt-out holder"  # what the sealed address is


@transaction.atomic
def holder_mails_send(*, holder_id: int) -> int:
    """Send what waits to be sent to this mailbox; how many mails. After a failure all of it waits as before.

    Whoever else is at it already goes on; a mail may go out twice when a process dies between sending and committing.
    """
    rows = OptOutHolder.objects.select_for_update(skip_locked=True, of=["self"]).select_related("user")
    holder = rows.filter(pk=holder_id, erased_at=None).first()
    if holder is None:
        return 0
    address = _address(holder)
    sent = _send_news(holder, address) if holder.news_at else 0
    return sent + (_send_links(holder, address) if holder.blocked_at is None and holder.user is None else 0)


def _address(holder: OptOutHolder) -> str:
    if holder.user is not None:
        return holder.user.email
    return email_unsealed(bytes(holder.email_sealed or b""), context=HOLDER)


def _send_news(holder: OptOutHolder, address: str) -> int:
    """That a moderator decided; what and why stands on the holder's page, to which the mail leads."""
    OptOutHolder.objects.filter(pk=holder.pk).update(news_at=None)
    if holder.user is None:
        path, holder.link_wanted_at = _manage(holder), None  # it carries the link, which may have been asked for
    else:
        path = reverse("optout_mine")
    _send(address, "news", path)
    return 1


def _manage(holder: OptOutHolder) -> str:
    return reverse("optout_manage", args=[holder_link_renew(holder=holder)])


def _send_links(holder: OptOutHolder, address: str) -> int:
    waiting = list(_unsent().filter(holder=holder))
    for registration in waiting:
        secret, digest = link_secret()
        changed = {"token_digest": digest, "mailed_at": timezone.now()}
        OptOutRegistration.objects.filter(pk=registration.pk).update(**changed)
        _send(address, "confirm", reverse("optout_confirm", args=[secret]), registration=registration)
    if holder.link_wanted_at:
        _send(address, "link", _manage(holder))
    return len(waiting) + bool(holder.link_wanted_at)


def _unsent() -> QuerySet[OptOutRegistration]:
    return OptOutRegistration.objects.filter(confirmed_at=None, mailed_at=None, expires_at__gt=timezone.now())


def holders_to_mail() -> list[int]:
    """The holders to whom something is still to be sent."""
    links = Q(pk__in=_unsent().values("holder_id")) | Q(link_wanted_at__isnull=False)
    waiting = Q(news_at__isnull=False) | (links & Q(email_sealed__isnull=False, blocked_at=None))
    return list(OptOutHolder.objects.filter(waiting, erased_at=None).values_list("pk", flat=True)[:500])


def _send(address: str, name: str, path: str, registration: OptOutRegistration | None = None) -> None:
    context = {
        "link": settings.PUBLIC_URL + path,
        "site": settings.SITE_NAME,
        "home": settings.PUBLIC_URL + reverse("optout"),
        "registration": registration,
        "days": (CONFIRM_WITHIN if name == "confirm" else LINK_LIFETIME).days,
    }
    subject = render_to_string(f"moderation/optout/mail_{name}_subject.txt", context).strip()
    text = render_to_string(f"moderation/optout/mail_{name}.txt", context)
    send_mail(subject, text, None, [address])
