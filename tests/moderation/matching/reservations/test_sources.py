"""Reservations at an address: what headers, pages, tdmrep.json, robots.txt and ai.txt say, and in which order."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moderation.matching.reservations import (
    Reservation,
    Source,
    from_headers,
    from_html,
    from_robots,
    from_source,
    from_tdmrep,
)

PATH = "/art/sea.jpg"


def pairs(found: tuple[Reservation, ...]) -> set[tuple[str, str]]:
    return {(each.signal, each.outcome) for each in found}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"TDM-Reservation": "1", "tdm-policy": "https://x.example/p"}, {("tdm", "block")}),
        ({"tdm-reservation": "0"}, set()),
        ({"tdm-reservation": "2"}, {("tdm", "review")}),
        ({"X-Robots-Tag": "noindex, noai, noimageai"}, {("noai", "block")}),
        ({"X-Robots-Tag": "somebot: noimageai"}, {("noai", "block")}),
        ({"X-Robots-Tag": "noindex"}, set()),
        ({"Content-Usage": "train-ai=n"}, {("content-signal", "block")}),
        ({"Content-Usage": "train-ai=y"}, set()),
        ({"Content-Signal": "search=yes, ai-train=no"}, {("content-signal", "block")}),
        ([("x-robots-tag", "noindex"), ("x-robots-tag", "noai")], {("noai", "block")}),
        ({"Content-Type": "image/jpeg"}, set()),
    ],
)
def test_headers_are_read(headers: dict[str, str], expected: set[tuple[str, str]]) -> None:
    assert pairs(from_headers(headers)) == expected


def test_policy_is_told() -> None:
    (one,) = from_headers({"tdm-reservation": "1", "tdm-policy": "https://x.example/p"})
    assert "https://x.example/p" in one.detail


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ('<meta name="tdm-reservation" content="1">', {("tdm", "block")}),
        ("<META NAME=TDM-RESERVATION CONTENT=0>", set()),
        ('<meta content="noai, noimageai" name="robots"/>', {("noai", "block")}),
        ('<meta name="robots" content="index,follow">', set()),
        ('<meta name="description" content="noai">', set()),
        ('<p>&lt;meta name="robots" content="noai"&gt;</p>', set()),
        ('<!-- <meta name="robots" content="noai"> -->', set()),
        ('<meta name="robots" content="no&#97;i">', {("noai", "block")}),
        ("<meta name='robots' content='noai'", set()),  # never closed: browsers do not see it either
        ("", set()),
    ],
)
def test_page_is_read(html: str, expected: set[tuple[str, str]]) -> None:
    assert pairs(from_html(html)) == expected


def rule(location: str, value: object = 1, **more: object) -> dict[str, object]:
    return {"location": location, "tdm-reservation": value, **more}


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([rule("/")], {("tdm", "block")}),
        ([rule("/art")], {("tdm", "block")}),
        ([rule("/art/*.jpg$")], {("tdm", "block")}),
        ([rule("/*.png$")], set()),
        ([rule("/text/")], set()),
        ([rule("/", 0)], set()),
        ([rule("/", 0), rule("/art/")], {("tdm", "review")}),
        ([rule("/", "1")], {("tdm", "block")}),
        ([rule("/", True)], {("tdm", "review")}),
        ([{"location": "/"}], {("tdm", "review")}),
        ([], set()),
    ],
)
def test_tdmrep_is_read(rules: object, expected: set[tuple[str, str]]) -> None:
    assert pairs(from_tdmrep(json.dumps(rules), PATH)) == expected


@pytest.mark.parametrize("text", ["", "{}", "[1]", '[{"location": 3}]', "[" * 100_000, "nonsense", b"\xff\xfe\xff"])
def test_unreadable_tdmrep_is_a_finding(text: str) -> None:
    assert pairs(from_tdmrep(text, PATH)) == {("unreadable", "review")}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("User-agent: GPTBot\nDisallow: /", {("robots", "block")}),
        ("User-agent: CCBot\nUser-agent: Other\nDisallow: /art", {("robots", "block")}),
        ("User-agent: GPTBot\nDisallow: /text", set()),
        ("User-agent: GPTBot\nDisallow: /\nAllow: /art/", set()),
        ("User-agent: GPTBot\nDisallow: /art/*.jpg$", {("robots", "block")}),
        ("User-agent: GPTBot\nDisallow:", set()),
        ("User-agent: *\nDisallow: /art", {("robots", "review")}),
        ("User-agent: Googlebot\nDisallow: /", set()),
        ("User-agent: *\nContent-Signal: search=yes,ai-train=no\nAllow: /", {("content-signal", "block")}),
        ("User-agent: *\nContent-Usage: /art train-ai=n\nAllow: /", {("content-signal", "block")}),
        ("# User-agent: GPTBot\n# Disallow: /", set()),
        ("\ufeffuser-agent: gptbot # a comment\r\ndisallow: / # all", {("robots", "block")}),
        ("", set()),
    ],
)
def test_robots_is_read(text: str, expected: set[tuple[str, str]]) -> None:
    assert pairs(from_robots(text, PATH)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("User-Agent: *\nDisallow: /", {("ai.txt", "block")}),
        ("User-Agent: *\nDisallow: *.jpg\nAllow: *.txt", {("ai.txt", "block")}),
        ("User-Agent: *\nDisallow: *.png", set()),
        ("User-Agent: *\nAllow: /", set()),
    ],
)
def test_ai_txt_is_read(text: str, expected: set[tuple[str, str]]) -> None:
    assert pairs(from_robots(text, PATH, file="ai.txt")) == expected


RESERVED = json.dumps([rule("/")])
OPEN = json.dumps([rule("/", 0)])
META = '<meta name="tdm-reservation" content="{}">'


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (Source(PATH, {"tdm-reservation": "0"}, tdmrep=RESERVED, html=META.format(1)), set()),
        (Source(PATH, {"tdm-reservation": "1"}, tdmrep=OPEN, html=META.format(0)), {("tdm", "block")}),
        (Source(PATH, {}, tdmrep=OPEN, html=META.format(1)), set()),
        (Source(PATH, {}, tdmrep=RESERVED, html=META.format(0)), {("tdm", "block")}),
        (Source(PATH, {}, tdmrep=json.dumps([rule("/text")]), html=META.format(1)), {("tdm", "block")}),
        (Source(PATH, {}, tdmrep="nonsense", html=META.format(1)), {("unreadable", "review"), ("tdm", "block")}),
        (Source(PATH, {"tdm-reservation": "x"}, tdmrep=RESERVED), {("tdm", "review"), ("tdm", "block")}),
        (Source(PATH, {"tdm-reservation": "0", "x-robots-tag": "noai"}), {("noai", "block")}),
        (Source(PATH, robots="User-agent: GPTBot\nDisallow: /", ai_txt="User-agent: *\nDisallow: /"),
         {("robots", "block"), ("ai.txt", "block")}),
        (Source(PATH), set()),
    ],
)  # fmt: skip
def test_header_goes_before_file_before_page(source: Source, expected: set[tuple[str, str]]) -> None:
    assert pairs(from_source(source)) == expected


def test_too_long_answers_are_findings() -> None:
    long = "a" * 5_000_000
    assert pairs(from_html(long)) == pairs(from_robots(long, PATH)) == pairs(from_tdmrep(long, PATH))
    assert pairs(from_html(long)) == {("unreadable", "review")}


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300), st.text(max_size=30))
def test_any_answer_is_read_without_an_error(text: str, path: str) -> None:
    for source in (
        Source(path, {"tdm-reservation": text}, html=text, tdmrep=text, robots=text, ai_txt=text),
        Source(path, {"x-robots-tag": text}, html=f"<meta name='robots' content='{text}", robots=f"user-agent: {text}"),
    ):
        for each in from_source(source):
            assert each.detail.isprintable()
