"""Template filters and tags of the whole house."""

from typing import Any
from urllib.parse import urlencode

import nh3
from django import template
from django.http import HttpRequest
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

register = template.Library()

_markdown = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable("table")
TAGS = {"p", "em", "strong", "a", "ul", "ol", "li", "code", "pre", "h2", "h3", "h4", "blockquote", "br", "hr"} | {
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
}


@register.filter
def markdown(text: str) -> SafeString:
    """Markdown as HTML; no raw HTML, no pictures from elsewhere, links marked as user content."""
    return cleaned(_markdown.render(text or ""))


@register.filter
def cleaned(html: str) -> SafeString:
    """HTML that was rendered before, cleaned as everything is now: what is kept is not trusted either."""
    html = nh3.clean(
        html,
        tags=TAGS,
        attributes={"a": {"href"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="nofollow ugc noopener",
    )
    return mark_safe(html)  # noqa: S308 (cleaned by nh3 above)


@register.filter
def get(mapping: dict[str, object], key: str) -> object:
    """The value under a key that is itself a variable."""
    return mapping.get(key, "") if mapping else ""


@register.filter
def percent(share: float | None) -> str:
    """0.734 → 73"""
    return str(round(100 * (share or 0)))


@register.filter
def plain(number: float | None) -> str:
    """0.50 → 0.5, 1.0 → 1"""
    return "" if number is None else f"{number:g}"


@register.filter
def words(value: str) -> str:
    """commercial-outputs → commercial outputs"""
    return str(value).replace("-", " ").replace("_", " ")


STATE_BADGES = {"published": "allow", "refused": "deny", "taken-down": "deny", "withdrawn": "muted", "draft": "muted"}


@register.filter
def state_badge(state: str) -> str:
    """The kind of badge for a version's state; what is under way or held has the colour of review."""
    return STATE_BADGES.get(state, "review")


CHECK_BADGES = {"passed": "allow", "flagged": "review", "failed": "deny", "skipped": "muted"}


@register.filter
def check_badge(state: str) -> str:
    """The kind of badge for how a check of the screening ended; what waits or runs is neutral."""
    return CHECK_BADGES.get(state, "info")


@register.filter
def merged_duties(duties: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Obligations of one wording as one, with every component and clause that brings it."""
    merged: dict[str, dict[str, Any]] = {}
    for duty in duties:
        one = merged.setdefault(duty["text"], {"text": duty["text"], "components": [], "sources": []})
        source = {"licence": duty.get("licence"), "clause": duty.get("clause")}
        for found, value in (("components", duty.get("component")), ("sources", source)):
            if value and value not in one[found]:
                one[found].append(value)
    return list(merged.values())


@register.simple_tag(takes_context=True)
def query_with(context: template.Context, **changes: object) -> str:
    """The present query string with some parameters changed; an empty value removes one."""
    request: HttpRequest = context["request"]
    parameters = request.GET.copy()
    parameters.pop("cursor", None)
    for name, value in changes.items():
        if value in ("", None):
            parameters.pop(name, None)
        else:
            parameters[name] = str(value)
    return "?" + urlencode(list(parameters.items()))
