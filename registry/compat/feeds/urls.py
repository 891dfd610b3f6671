"""Addresses of the feeds, before the slug pages."""

from django.urls import path, register_converter

from registry.compat.feeds import views


class FeedForm:
    """The two forms that a feed has."""

    regex = "atom|rss"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(FeedForm, "feed")

urlpatterns = [
    path("feeds/versions.<feed:form>", views.site, name="feed"),
    path("feeds/owners/<str:owner>.<feed:form>", views.owner, name="feed_owner"),
    path("feeds/adapters/<str:owner>/<str:name>.<feed:form>", views.adapter, name="feed_adapter"),
]
