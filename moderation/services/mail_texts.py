"""What the mails say: one function per kind, written when the mail is sent, in the words of the pages they lead to."""

from collections.abc import Callable
from dataclasses import dataclass, field

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from moderation.consent_terms import SCOPE_WORDS, ConsentScope, ConsentState
from moderation.models.consent import Consent, SubjectKind
from moderation.models.outbox import Mail, MailKind
from moderation.models.recall import RecallNotice
from moderation.services.consent_answers import key_create
from moderation.services.consents import consent_details, subject_email


@dataclass(frozen=True)
class MailText:
    """A mail before it is laid out as text and as HTML."""

    subject: str
    paragraphs: tuple[str, ...]
    action: str  # the words of its one link
    url: str
    facts: tuple[tuple[str, str], ...] = ()
    closing: tuple[str, ...] = field(default=())


def reader_address(mail: Mail) -> str:
    """Where the mail goes; empty when its reader has no address any more."""
    if mail.subject is not None:
        return subject_email(mail.subject)
    return mail.user.email if mail.user is not None and mail.user.is_active else ""


def mail_text(mail: Mail) -> MailText:
    """The words of a mail; those to a subject carry a fresh link of their own."""
    return _TEXTS[MailKind(mail.kind)](mail)


def _page(name: str, *args: object) -> str:
    return settings.PUBLIC_URL + reverse(name, args=args)


def _consent(mail: Mail) -> Consent:
    assert mail.consent is not None
    return mail.consent


def _notice(mail: Mail) -> RecallNotice:
    assert mail.notice is not None
    return mail.notice


def _subject_url(consent: Consent) -> str:
    return _page("consent_open", consent.public_id, key_create(consent=consent))


def _terms(consent: Consent) -> tuple[tuple[str, str], ...]:
    terms = consent.terms
    return (
        ("For", "; ".join(SCOPE_WORDS[scope] for scope in ConsentScope if scope in terms.scopes)),
        ("Adapters", ", ".join(sorted(terms.adapters)) or "every one of theirs on this site"),
        ("Where", ", ".join(sorted(terms.territories)) or "everywhere"),
        ("Until", terms.end_words),
    )


ALL_YOURS = "Keep this mail: its link is yours alone. Whoever has it can answer in your name."


def _asked(mail: Mail) -> MailText:
    consent = _consent(mail)
    details = consent_details(consent)
    about = "pictures of you" if consent.kind == SubjectKind.PERSON else f"your work: {details.work or 'all of it'}"
    greeting = f"Hello {details.name}," if details.name else "Hello,"
    body = (
        f"{consent.grantee_name} asks for your consent to train an image model adapter on {about}. An adapter makes an "
        "image generator draw what it was trained on. Nothing happens unless you say yes."
    )
    return MailText(
        subject=f"{consent.grantee_name} asks for your consent",
        paragraphs=(greeting, body, *((f"They write: “{details.message}”",) if details.message else ())),
        facts=(*_terms(consent), ("Answer by", consent.answer_by.strftime("%-d %B %Y"))),
        action="Read what is asked, then grant it, grant less, or refuse",
        url=_subject_url(consent),
        closing=("You need no account. You can take a consent back at any time by the same link.", ALL_YOURS),
    )


_CONFIRMED = {
    ConsentState.GRANTED: "You granted your consent to {grantee}, within these terms.",
    ConsentState.REFUSED: "You refused what {grantee} asked. They may not use your likeness or your work.",
}


def _confirmed(mail: Mail) -> MailText:
    consent = _consent(mail)
    said = _CONFIRMED.get(ConsentState(consent.state), f"The consent to {{grantee}}: {consent.meaning}")
    granted = consent.state == ConsentState.GRANTED
    return MailText(
        subject="Your answer is on record",
        paragraphs=(said.format(grantee=consent.grantee_name),),
        facts=_terms(consent) if granted else (),
        action="See every use of it, narrow it, or take it back" if granted else "See it, or change your mind",
        url=_subject_url(consent),
        closing=("If this was not you, open the link and take it back, or write to the moderators.", ALL_YOURS),
    )


def _answered(mail: Mail) -> MailText:
    consent = _consent(mail)
    name = consent_details(consent).name or "The person you asked"
    granted = consent.state == ConsentState.GRANTED
    return MailText(
        subject=f"{name} answered: {consent.state}",
        paragraphs=(
            f"{name} answered your request for consent. {consent.meaning}",
            "Link your versions to it, so that they can be published."
            if granted
            else "Do not use their likeness or work. What rests on it is held back.",
        ),
        facts=_terms(consent) if granted else (),
        action="Open the consent",
        url=_page("consent_held", consent.public_id),
    )


def _ended(mail: Mail) -> MailText:
    consent = _consent(mail)
    if mail.subject is not None:
        return MailText(
            subject="Your consent has ended",
            paragraphs=(
                f"Your consent to {consent.grantee_name} has ended. {consent.meaning}",
                "What rested on it alone is held back, and everybody who downloaded it is told to stop using it.",
            ),
            action="See what was made under it",
            url=_subject_url(consent),
            closing=(ALL_YOURS,),
        )
    return MailText(
        subject="A consent has ended",
        paragraphs=(
            f"A consent that you hold has ended. {consent.meaning}",
            "Trainings under it stop. Versions that rest on it alone are held back, and those who downloaded them are "
            "told to stop using them.",
        ),
        action="See what is affected and what to do",
        url=_page("consent_held", consent.public_id),
    )


def _restored(mail: Mail) -> MailText:
    consent = _consent(mail)
    return MailText(
        subject="A moderator restored your consent",
        paragraphs=(
            f"Your consent to {consent.grantee_name} had ended. A moderator found that this was a mistake and restored "
            "it, within its old terms. If you want it to end, take it back: it ends at that moment.",
        ),
        facts=_terms(consent),
        action="See why, or take it back",
        url=_subject_url(consent),
        closing=(ALL_YOURS,),
    )


def _recall(mail: Mail) -> MailText:
    notice = _notice(mail)
    recall = notice.recall
    return MailText(
        subject="Recall: stop using what you downloaded",
        paragraphs=(recall.public_text, recall.what_to_do),
        facts=(*_recalled(notice), ("Recalled", timezone.localtime(recall.issued_at).strftime("%-d %B %Y, %H:%M UTC"))),
        action="Read the recall and confirm what you did",
        url=_page("recall_notice", notice.public_id),
    )


def _lifted(mail: Mail) -> MailText:
    notice = _notice(mail)
    return MailText(
        subject="A recall was lifted",
        paragraphs=(
            notice.recall.lifted_reasoning,
            "You may use it again, under the terms of your receipt.",
        ),
        facts=_recalled(notice),
        action="Read it",
        url=_page("recall_notice", notice.public_id),
    )


def _recalled(notice: RecallNotice) -> tuple[tuple[str, str], ...]:
    entries = notice.recall.versions.select_related("version__adapter__owner")
    names = ", ".join(str(entry.version) for entry in entries)
    behalf = (("Downloaded for", str(notice.organisation)),) if notice.organisation else ()
    return (("Concerns", names), *behalf)


_TEXTS: dict[MailKind, Callable[[Mail], MailText]] = {
    MailKind.CONSENT_ASKED: _asked,
    MailKind.CONSENT_CONFIRMED: _confirmed,
    MailKind.CONSENT_ANSWERED: _answered,
    MailKind.CONSENT_ENDED: _ended,
    MailKind.CONSENT_RESTORED: _restored,
    MailKind.RECALL_ISSUED: _recall,
    MailKind.RECALL_LIFTED: _lifted,
}
