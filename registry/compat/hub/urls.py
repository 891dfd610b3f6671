"""Addresses of the Hub protocol. They come before the slug pages, which would match some of them."""

from registry.compat.hub.urls_reading import urlpatterns as reading
from registry.compat.hub.urls_writing import urlpatterns as writing

# What writes comes first: some of its addresses are more particular than the reading ones.
urlpatterns = [*writing, *reading]
