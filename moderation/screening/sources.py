"""The declared training sources: which are closed by the opt-out register, and which close themselves to training."""

from collections.abc import Callable, Iterator

from django.conf import settings

from governance.policy import Finding
from moderation.models import Round
from moderation.screening.consented import excused
from moderation.screening.results import Result, flagged, passed
from moderation.screening.subject import Subject
from moderation.selectors.optout import DomainHit, domains_found
from moderation.source_reading import SourceUnread, reservations_at, urls_in


def sources(subject: Subject) -> Result:
    """Addresses that rights holders have closed, in the register or by what their own servers say."""
    ask = subject.round is not Round.REGISTER  # a new entry of the register changes nothing about what servers say
    if findings := source_findings(subject.sources, excuse=lambda hit: excused(hit, subject), ask=ask):
        return flagged(findings)
    urls = urls_in(subject.sources) if ask else []
    read = f" {len(urls)} addresses were asked, and reserve nothing." if settings.SOURCES_READ and urls else ""
    unread = " What their servers say was not asked: this registry does not read them." if not read and urls else ""
    return passed(f"None of the declared sources is in the opt-out register.{read}{unread}")


def source_findings(text: str, *, excuse: Callable[[DomainHit], bool], ask: bool = True) -> list[Finding]:
    """What stands against the sources that a text names; the servers themselves are asked where the settings say so."""
    findings = [_registered(hit) for hit in domains_found(text) if not excuse(hit)]
    if settings.SOURCES_READ and ask:
        findings += [finding for url in urls_in(text) for finding in _reserved(url)]
    return findings


def _registered(hit: DomainHit) -> Finding:
    message = (
        f"The declared source {hit.found} lies within {hit.address}, whose holder has opted out of training, so a "
        "moderator decides. Name another source, or link a consent of theirs."
    )
    facts = {"entry": hit.entry_id, "found": hit.found, "verified": hit.verified}
    return Finding("sources", "optout-domain", message, facts)


def _reserved(url: str) -> Iterator[Finding]:
    """What the source itself says; one that does not answer has allowed nothing."""
    try:
        marks = reservations_at(url)
    except SourceUnread as error:
        message = (
            f"The declared source {url} could not be asked whether it allows training: {error}. So a moderator "
            "decides. Have the checks repeated when it answers, or say under which right its pictures were used."
        )
        yield Finding("sources", "source-unread", message, {"url": url})
        return
    for mark in marks:
        message = (
            f"The declared source {url} reserves its content from training ({mark.signal}: {mark.detail}), so a "
            "moderator decides. Show that its author allowed it, or name what you used instead."
        )
        facts = {"url": url, "signal": mark.signal, "outcome": mark.outcome, "where": mark.where}
        yield Finding("sources", "source-reserved", message, facts)
