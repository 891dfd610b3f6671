"""What every template knows about the site."""

from django.conf import settings
from django.http import HttpRequest

from accounts.models import User
from moderation.selectors.recall import recall_waits

RECALL_PAGES = {"my_recalls", "recall_notice"}  # they say it themselves


def site(request: HttpRequest) -> dict[str, object]:
    return {
        "site_name": settings.SITE_NAME,
        "public_url": settings.PUBLIC_URL,
        "contact": settings.CONTACT,
        "recall_waits": lambda: _recall_waits(request),  # asked by whole pages alone, not by fragments
    }


def _recall_waits(request: HttpRequest) -> bool:
    user = getattr(request, "user", None)
    here = request.resolver_match.url_name if request.resolver_match else ""
    return isinstance(user, User) and here not in RECALL_PAGES and recall_waits(actor=user)
