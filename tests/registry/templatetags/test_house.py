"""Words of strangers become HTML that can carry no script, no picture from elsewhere and no style."""

import re

import pytest
from django.template import Context, Template
from django.test import Client, RequestFactory
from django.urls import reverse

from registry.templatetags.house import markdown, percent, plain, query_with, words
from tests.factories.accounts import make_user
from tests.factories.registry import make_version

ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![x](https://evil.example/pixel.png)",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java\nscript:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[x](vbscript:msgbox(1))",
    "<javascript:alert(1)>",
    '[x](https://a.example "onmouseover=alert(1)")',
    '[x](https://a.example/" onmouseover="alert(1))',
    '<a href="https://a.example" onclick="alert(1)">x</a>',
    "<svg/onload=alert(1)>",
    "<iframe src=https://evil.example></iframe>",
    "<style>*{display:none}</style>",
    '<p style="position:fixed">x</p>',
    "<math><mtext></p><img src=x onerror=alert(1)>",
    "`<script>alert(1)</script>`",
    "```\n<script>alert(1)</script>\n```",
    '```"><script>alert(1)</script>\nx\n```',
    "| <script>alert(1)</script> |\n|---|\n| <b onmouseover=alert(1)>x |",
    "<!-- --><form action=https://evil.example><input name=password>",
    "[ref]: javascript:alert(1)\n[ref]",
    "# <script>alert(1)</script>",
    "\x00<script\x00>alert(1)</script>",
]
TAG = re.compile(r"<\s*/?\s*([a-zA-Z0-9]+)([^>]*)>")
HARMLESS = {"p", "em", "strong", "a", "ul", "ol", "li", "code", "pre", "h2", "h3", "h4", "blockquote", "br", "hr"} | {
    "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip
ATTRIBUTES = re.compile(r'^( (href="(https?|mailto):[^"]*"|rel="nofollow ugc noopener"|title="[^"]*"))*\s*/?$')


@pytest.mark.parametrize("attack", ATTACKS)
def test_markdown_of_a_stranger_is_harmless(attack: str) -> None:
    html = str(markdown(attack))
    for name, attributes in TAG.findall(html):
        assert name in HARMLESS, html
        assert ATTRIBUTES.match(attributes), html


def test_markdown_keeps_what_it_is_for() -> None:
    html = str(markdown("## Title\n\n*a* **b** `c` [d](https://d.example)\n\n- e\n\n| f |\n|---|\n| g |"))
    for part in ("<h2>Title</h2>", "<em>a</em>", "<strong>b</strong>", "<code>c</code>", "<li>e</li>", "<td>g</td>"):
        assert part in html
    assert '<a href="https://d.example" rel="nofollow ugc noopener">d</a>' in html
    assert markdown("") == ""


@pytest.mark.django_db
@pytest.mark.parametrize("field", ["title", "description", "notes", "label", "tags", "trigger_words"])
def test_pages_show_hostile_words_as_words(client: Client, field: str) -> None:
    attack = "<script>steal()</script>"[: 40 if field == "tags" else None]
    about = {field: [attack] if field == "tags" else attack} if field in {"title", "description", "tags"} else {}
    declared = {field: (attack,) if field == "trigger_words" else attack} if not about else {}
    make_version(actor=make_user("ada"), declared=declared, **about)
    for address in (reverse("adapter", args=["ada", "style"]), reverse("home"), reverse("may_i")):
        content = client.get(address).content.decode()
        assert "<script>steal" not in content
    assert "steal()" in client.get(reverse("adapter", args=["ada", "style"])).content.decode()


def test_small_filters() -> None:
    assert (percent(0.734), percent(None)) == ("73", "0")
    assert (plain(0.5), plain(1.0), plain(None)) == ("0.5", "1", "")
    assert words("commercial-outputs") == "commercial outputs"


def test_query_keeps_what_does_not_change_and_forgets_the_page() -> None:
    context = Context({"request": RequestFactory().get("/?q=a+b&tag=x&cursor=abc")})
    assert query_with(context, tag="y&z") == "?q=a+b&tag=y%26z"
    assert query_with(context, tag="") == "?q=a+b"
    shown = Template('{% load house %}{% query_with tag="<" %}').render(context)
    assert "<" not in shown.replace("%3C", "")
