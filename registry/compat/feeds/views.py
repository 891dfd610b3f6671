"""The feeds: of the site or a search, of an owner, of an adapter."""

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe

from accounts.errors import NotFound
from accounts.models import Namespace
from registry.compat.feeds.documents import Feed, document
from registry.permissions import AdapterPermission
from registry.selectors.access import access_adapter
from registry.selectors.news import newest_matching, newest_versions
from registry.selectors.search import narrows
from registry.views.browse import query_from


@require_safe
def site(request: HttpRequest, form: str) -> HttpResponseBase:
    """Everything new; with the parameters of a search, what it finds of it."""
    query = query_from(request.GET.dict())
    page = settings.PUBLIC_URL + reverse("home")
    if not narrows(query):
        feed = Feed(f"New on {settings.SITE_NAME}", page, "Adapters as they are published.", newest_versions())
        return _answer(request, feed, form)
    asked = request.GET.urlencode()
    title = f"“{query.text}” on {settings.SITE_NAME}" if query.text else f"A search on {settings.SITE_NAME}"
    feed = Feed(title, f"{page}?{asked}", "New versions of what the search finds.", newest_matching(query=query))
    return _answer(request, feed, form)


@require_safe
def owner(request: HttpRequest, owner: str, form: str) -> HttpResponseBase:
    """What one person or organisation publishes."""
    namespace = Namespace.objects.filter(slug=owner.lower()).first()
    if namespace is None:
        raise NotFound(f"There is nobody called {owner} here.")
    page = settings.PUBLIC_URL + reverse("creator", args=[namespace.slug])
    title = f"{namespace.slug} on {settings.SITE_NAME}"
    return _answer(request, Feed(title, page, "Their new versions.", newest_versions(owner=namespace)), form)


@require_safe
def adapter(request: HttpRequest, owner: str, name: str, form: str) -> HttpResponseBase:
    """The versions of one adapter; for its own people, too, only what strangers see."""
    found = access_adapter(actor=AnonymousUser(), owner=owner, name=name, permission=AdapterPermission.READ)
    page = settings.PUBLIC_URL + reverse("adapter", args=[found.owner.slug, found.name])
    return _answer(request, Feed(str(found), page, f"Versions of {found}.", newest_versions(adapter=found)), form)


def _answer(request: HttpRequest, feed: Feed, form: str) -> HttpResponseBase:
    """The document under its ETag; asked for anew each time, since a version can be withheld at any moment."""
    made = document(feed, form=form, address=settings.PUBLIC_URL + request.get_full_path())
    whole = HttpResponse(made.content, content_type=made.content_type)
    whole["ETag"] = made.etag
    response = get_conditional_response(request, etag=made.etag, response=whole) or whole
    response["Cache-Control"] = "public, no-cache"
    return response
