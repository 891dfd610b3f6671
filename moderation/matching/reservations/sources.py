"""Reservations at the address a picture is said to come from, given what the server answered; nothing is fetched here.

Order of TDMRep (W3C, 2024): the header `tdm-reservation` over `/.well-known/tdmrep.json` over HTML meta. The other
signals add up: `noai` in X-Robots-Tag and meta robots, ai.txt (Spawning), robots.txt (RFC 9309) towards crawlers that
collect training data, and the content signals in it (Cloudflare's `ai-train=no`, IETF AIPREF's `train-ai=n`).
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any, Literal

from moderation.matching.reservations.values import Reservation, has_noai, shown, unreadable
from moderation.matching.reservations.xmp import tdm_value

MAX_SOURCE = 4 * 1024 * 1024  # characters of one answer
MAX_RULES = 20_000
Headers = Mapping[str, str] | Iterable[tuple[str, str]]

# Crawlers that collect training data, by the tokens their operators publish.
TRAINERS = frozenset(
    "gptbot ccbot google-extended anthropic-ai claudebot claude-web applebot-extended bytespider meta-externalagent "
    "facebookbot amazonbot cohere-ai cohere-training-data-crawler diffbot omgili omgilibot img2dataset ai2bot "
    "ai2bot-dolma laion laion-huggingface-processor imagesiftbot pangubot webzio-extended timpibot "
    "velenpublicwebcrawler spawning-ai icc-crawler kangaroo-bot".split()
)


@dataclass(frozen=True)
class Source:
    """What a server answered for a picture's address; None where it has no such file (404)."""

    path: str
    headers: Headers = field(default_factory=dict)
    html: str | None = None
    tdmrep: str | None = None
    robots: str | None = None
    ai_txt: str | None = None


def from_source(source: Source) -> tuple[Reservation, ...]:
    """All reservations of a source; of the three places of TDMRep only the first that says anything counts."""
    headers = list(_pairs(source.headers))
    told = any(name == "tdm-reservation" and value.strip() in {"0", "1"} for name, value in headers)
    found = list(from_headers(headers))
    if not told and source.tdmrep is not None:
        found += from_tdmrep(source.tdmrep, source.path)
        told = bool(_matching(_rules(source.tdmrep) or [], source.path))
    if source.html is not None:
        found += [each for each in from_html(source.html) if each.signal != "tdm" or not told]
    if source.robots is not None:
        found += from_robots(source.robots, source.path)
    if source.ai_txt is not None:
        found += from_robots(source.ai_txt, source.path, file="ai.txt")
    return tuple(dict.fromkeys(found))


def _pairs(headers: Headers) -> Iterator[tuple[str, str]]:
    for name, value in headers.items() if isinstance(headers, Mapping) else headers:
        yield name.lower(), value


def from_headers(headers: Headers) -> tuple[Reservation, ...]:
    """Reservations in the header fields of an answer: tdm-reservation, X-Robots-Tag, Content-Usage, Content-Signal."""
    pairs = list(_pairs(headers))
    policy = next((value for name, value in pairs if name == "tdm-policy"), "")
    found: list[Reservation] = []
    for name, value in pairs:
        where = f"header {name}"
        if name == "tdm-reservation":
            found += tdm_value(value, where, policy)
        elif name == "x-robots-tag" and has_noai(value):
            found.append(Reservation("noai", "block", f"X-Robots-Tag is “{shown(value)}”.", where))
        elif name in {"content-usage", "content-signal"}:
            found += _content_signal(value, where)
    return tuple(dict.fromkeys(found))


_SIGNAL = re.compile(r"\b(?:ai-train|train-ai|train-genai)\s*=\s*(?:no?\b|\?0)", re.IGNORECASE)


def _content_signal(value: str, where: str) -> Iterator[Reservation]:
    if match := _SIGNAL.search(value):
        yield Reservation("content-signal", "block", f"It says “{shown(match[0])}”.", where)


class _Metas(HTMLParser):
    """Collects (name, content) of the meta elements of a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "meta":
            given = dict(attrs)
            name = given.get("name") or given.get("http-equiv") or ""
            self.found.append((name.strip().lower(), given.get("content") or ""))


def from_html(text: str) -> tuple[Reservation, ...]:
    """Reservations in the meta elements of a page: tdm-reservation, robots with noai."""
    if len(text) > MAX_SOURCE:
        return (unreadable(f"The page is {len(text):,} characters long.", "page"),)
    parser = _Metas()
    try:
        parser.feed(text)
        parser.close()
    except (AssertionError, ValueError) as error:
        return (unreadable(f"The page is no HTML that can be read ({shown(str(error))}).", "page"),)
    policy = next((content for name, content in parser.found if name == "tdm-policy"), "")
    found: list[Reservation] = []
    for name, content in parser.found:
        where = f"meta {shown(name)}"
        if name == "tdm-reservation":
            found += tdm_value(content, where, policy)
        elif ("robots" in name or name.endswith("bot")) and has_noai(content):
            found.append(Reservation("noai", "block", f"It says “{shown(content)}”.", where))
        elif name in {"content-usage", "content-signal"}:
            found += _content_signal(content, where)
    return tuple(dict.fromkeys(found))


def from_tdmrep(text: str | bytes, path: str) -> tuple[Reservation, ...]:
    """What `/.well-known/tdmrep.json` says of a path; where its rules for it disagree, a person decides."""
    where = "tdmrep.json"
    rules = _rules(text)
    if rules is None:
        return (unreadable("It is no list of rules as TDMRep has them.", where),)
    matching = _matching(rules, path)
    values = {str(rule.get("tdm-reservation")).strip() for rule in matching}
    if len(values) > 1:
        return (
            Reservation("tdm", "review", f"Rules for {shown(path)} disagree: {shown(str(sorted(values)))}.", where),
        )
    found = [each for rule in matching for each in tdm_value(str(rule.get("tdm-reservation")), where, _policy(rule))]
    return tuple(dict.fromkeys(found))


def _policy(rule: Mapping[str, Any]) -> str:
    return str(rule.get("tdm-policy") or "")


def _rules(text: str | bytes) -> list[dict[str, Any]] | None:
    """The rules of a tdmrep.json, or None where it is none."""
    if len(text) > MAX_SOURCE:
        return None
    try:
        listed = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(listed, list) or len(listed) > MAX_RULES:
        return None
    if not all(isinstance(rule, dict) and isinstance(rule.get("location"), str) for rule in listed):
        return None
    return listed


def _matching(rules: list[dict[str, Any]], path: str) -> list[dict[str, Any]]:
    return [rule for rule in rules if _fits(rule["location"], path)]


def _fits(pattern: str, path: str) -> bool:
    """Whether a path starts with a pattern of RFC 9309: * for anything, $ for the end."""
    ends = pattern.endswith("$")
    first, *rest = pattern.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    at = len(first)
    for number, part in enumerate(rest):
        if ends and number == len(rest) - 1:
            return len(path) - len(part) >= at and path.endswith(part)
        place = path.find(part, at)
        if place < 0:
            return False
        at = place + len(part)
    return not ends or at == len(path)


def from_robots(
    text: str, path: str, *, file: Literal["robots.txt", "ai.txt"] = "robots.txt"
) -> tuple[Reservation, ...]:
    """What robots.txt or ai.txt says of a path.

    ai.txt is about training alone, so what it disallows for anyone is blocked. robots.txt blocks where a crawler that
    collects training data is kept out, or a content signal says no; that all crawlers are kept out is for a person.
    """
    if len(text) > MAX_SOURCE or text.count("\n") > MAX_RULES:
        return (unreadable(f"It is {len(text):,} characters long.", file),)
    found: list[Reservation] = []
    kept_out = []
    for agents, rules, signals in _groups(text):
        for signal in signals:
            found += _content_signal(signal, file)
        if rules and not _may_fetch(rules, path):
            kept_out += agents
    trainers = sorted(agent for agent in kept_out if agent in TRAINERS)
    if file == "ai.txt" and kept_out:
        found.append(Reservation("ai.txt", "block", f"It disallows {shown(path)}.", file))
    elif trainers:
        found.append(Reservation("robots", "block", f"It keeps out {shown(', '.join(trainers))}.", file))
    elif "*" in kept_out:
        found.append(Reservation("robots", "review", f"It keeps all crawlers out of {shown(path)}.", file))
    return tuple(dict.fromkeys(found))


Rule = tuple[bool, str]  # whether it allows, and its pattern


def _groups(text: str) -> Iterator[tuple[list[str], list[Rule], list[str]]]:
    """(user agents in small letters, rules, content signals) of each group."""
    agents: list[str] = []
    rules: list[Rule] = []
    signals: list[str] = []
    for line in text.lstrip("\ufeff").splitlines():
        key, colon, value = line.split("#", 1)[0].partition(":")
        key, value = key.strip().lower(), value.strip()
        if key == "user-agent":
            if rules or signals:
                yield agents, rules, signals
                agents, rules, signals = [], [], []
            agents.append(value.lower())
        elif key in {"allow", "disallow"} and colon and value:
            rules.append((key == "allow", value))
        elif key in {"content-signal", "content-usage"}:
            signals.append(value)
    yield agents, rules, signals


def _may_fetch(rules: list[Rule], path: str) -> bool:
    """The longest pattern that fits decides, and of equal ones the allowing one (RFC 9309, 2.2.2)."""
    fitting = [(len(pattern), allows) for allows, pattern in rules if _fits(pattern, path)]
    return max(fitting)[1] if fitting else True
