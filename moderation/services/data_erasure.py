"""Erasure (Article 17 GDPR): of an account, and of what is kept about an address without an account.

The person goes and the record stays: decisions, receipts and the chain keep their place under a pseudonym, because
other people rely on them (Article 17(3)(b) and (e)). What is deleted, what stays and on which ground: docs/privacy.md.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.erasure import account_erase, is_erased, organisations_owned_alone
from accounts.models import User
from governance.handles import handle_unlink
from governance.models import ActorProfile
from governance.services import audit_append, audited
from moderation.consent_terms import ConsentState, EndReason
from moderation.contacts import email_digest
from moderation.errors import ErasureBlocked
from moderation.models import (
    Appeal,
    Case,
    CaseEvent,
    CaseStatus,
    Consent,
    DataExport,
    DeletionVia,
    ErasedVia,
    ErasureRecord,
    EventKind,
    Letter,
    Mail,
    OptOutHolder,
    PrivacyLink,
    ProtectedIdentity,
    Report,
    Subject,
)
from moderation.services.consent_ends import consent_end
from moderation.services.consents import consent_withdraw, subject_erase
from moderation.services.erased_adapters import (
    adapter_empty,
    adapter_withdraw,
    adapters_of,
    erased_name,
    files_delete,
    is_evidence,
)
from moderation.services.erased_discussions import discussions_finish, discussions_forget
from moderation.services.erased_names import Renaming, names_redact, receipts_redact, terms_redact
from moderation.services.likeness import identity_erase
from moderation.services.optout_rulings import holder_erase
from moderation.services.tombstones import tombstone_write, tombstones_of
from registry.models import AccessRequest, Adapter, Upload
from registry.models.outbox import OutState
from registry.sealing import unseal
from registry.services.uploads import upload_delete
from registry.states import VersionState

IDENTITY_VIA = {
    ErasedVia.ACCOUNT: DeletionVia.ACCOUNT,
    ErasedVia.LINK: DeletionVia.LINK,
    ErasedVia.OPERATOR: DeletionVia.MODERATOR,
}


@dataclass(frozen=True)
class Choices:
    """What the person decided: which published adapters (by id) stay public under the pseudonym."""

    left_public: frozenset[int] = field(default_factory=frozenset)


@dataclass(frozen=True)
class Erasing:
    """One erasure under way."""

    user: User
    username: str
    email: str
    choices: Choices
    via: ErasedVia
    elsewhere: Mapping[str, str] = field(default_factory=dict)  # new names by old ones of things above this app

    @property
    def subject(self) -> tuple[str, str]:
        return "accounts.user", str(self.user.pk)


def user_erase(*, user: User, choices: Choices, via: ErasedVia) -> ErasureRecord:
    """Erase an account; raises ErasureBlocked while an organisation has no other owner, or when it is done already."""
    with audited():
        user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
        _check(user)
        elsewhere = {old: new for question in NAMED.values() for old, new in question(user).items()}
        erasing = Erasing(user, user.username, user.email, choices, via, elsewhere)
        counts = {name: deed(erasing) for name, deed in DEEDS.items()}
        waiting, emptied = _adapters(erasing)
        pseudonym = account_erase(user=user)
        user.refresh_from_db()
        counts |= {"adapters": len(emptied), "redacted": _redact(erasing, pseudonym, emptied)}
        digest = email_digest(erasing.email)
        kept: dict[str, object] = {**counts, "waiting": waiting}
        record = tombstone_write(email_digest=digest, via=via, never_ask=False, counts=kept, user=user)
        data = {"erasure": str(record.public_id), "via": via.value, **counts}
        audit_append(actor=user, action="privacy.account-erased", subject=erasing.subject, data=data)
        handle_unlink(user)
    return record


def _check(user: User) -> None:
    if is_erased(user):
        raise ErasureBlocked("This account is erased already.", remedy="")
    if alone := organisations_owned_alone(user):
        names = ", ".join(str(organisation) for organisation in alone)
        raise ErasureBlocked(
            f"You are the only owner of {names}. Its members and adapters would be left without one.",
            remedy="Make somebody else an owner on its page first, then delete your account.",
        )


def _adapters(erasing: Erasing) -> tuple[list[int], dict[str, str]]:
    """Withdraw and empty what is not left public: the ids that still are evidence, and new names by old ones."""
    waiting, emptied = [], {}
    for adapter in adapters_of(erasing.user):
        published = adapter.versions.filter(state=VersionState.PUBLISHED).exists()
        if adapter.pk in erasing.choices.left_public and published and adapter.listed:
            continue
        adapter_withdraw(adapter=adapter, actor=erasing.user)
        if is_evidence(adapter):
            waiting.append(adapter.pk)
            continue
        emptied[adapter.name] = erased_name(adapter)
        adapter_empty(adapter=adapter, actor=erasing.user, subject=erasing.subject)
    return waiting, emptied


def _redact(erasing: Erasing, pseudonym: str, emptied: dict[str, str]) -> int:
    kept = {adapter.name for adapter in adapters_of(erasing.user)} - set(emptied.values())
    renamed = {**erasing.elsewhere, **{name: name for name in kept}, **emptied}
    paths = {f"{erasing.username}/{old}": f"{pseudonym}/{new}" for old, new in renamed.items()}
    renaming = Renaming(erasing.username, erasing.email, pseudonym, paths)
    about = {"renaming": renaming, "actor": erasing.user, "subject": erasing.subject}
    CaseEvent.objects.filter(kind=EventKind.ASSIGNED, text=erasing.username).update(text=pseudonym)
    texts = names_redact(**about)  # type: ignore[arg-type]
    documents = receipts_redact(user=erasing.user, **about) + terms_redact(user=erasing.user, **about)  # type: ignore[arg-type]
    _listings_refresh(erasing.user)
    return texts + documents


def _listings_refresh(user: User) -> None:
    """The words that find an adapter contain its owner's name."""
    from registry.services.listing import adapter_index

    for adapter in adapters_of(user):
        adapter_index(adapter=adapter)


def _identities(erasing: Erasing) -> int:
    mine = list(ProtectedIdentity.objects.filter(user=erasing.user))
    for identity in mine:
        identity_erase(identity=identity, via=IDENTITY_VIA[erasing.via], actor=erasing.user)
    return len(mine)


def _opt_outs(erasing: Erasing) -> int:
    return sum(
        holder_erase(holder=holder, actor=erasing.user) for holder in OptOutHolder.objects.filter(user=erasing.user)
    )


def _requests(erasing: Erasing) -> int:
    """Unanswered requests for consent are taken back; what was granted is the subject's record and stays."""
    asked = list(Consent.objects.filter(grantee_user=erasing.user, state=ConsentState.ASKED))
    for consent in asked:
        consent_withdraw(consent=consent, actor=erasing.user)
    return len(asked)


def _uploads(erasing: Erasing) -> int:
    mine = Upload.objects.filter(created_by=erasing.user)
    unfinished = list(mine.filter(consumed_at=None))
    for upload in unfinished:
        upload_delete(upload=upload)
    return len(unfinished) + mine.update(filename="erased")


def _exports(erasing: Erasing) -> int:
    return exports_delete(DataExport.objects.filter(user=erasing.user))


def _facts(erasing: Erasing) -> int:
    return ActorProfile.objects.filter(user=erasing.user).delete()[0]


def _mails(erasing: Erasing) -> int:
    now = timezone.now()
    dropped = Mail.objects.filter(user=erasing.user, state=OutState.QUEUED)
    return dropped.update(state=OutState.DROPPED, finished_at=now) + letters_drop(erasing.email)


def _reports(erasing: Erasing) -> int:
    return contacts_forget(Report.objects.filter(account=erasing.user)) + contacts_forget(
        Appeal.objects.filter(by=erasing.user)
    )


def _desk(erasing: Erasing) -> int:
    """A moderator leaves no case locked."""
    held = Case.objects.exclude(status=CaseStatus.DECIDED).filter(Q(assignee=erasing.user) | Q(claimed_by=erasing.user))
    return held.update(assignee=None, claimed_by=None, claimed_until=None)


def _access_requests(erasing: Erasing) -> int:
    return AccessRequest.objects.filter(user=erasing.user).delete()[0]


def _discussions(erasing: Erasing) -> int:
    return discussions_forget(user=erasing.user)


DEEDS: dict[str, Callable[[Erasing], int]] = {
    "identities": _identities,
    "opt_outs": _opt_outs,
    "requests": _requests,
    "uploads": _uploads,
    "exports": _exports,
    "facts": _facts,
    "access_requests": _access_requests,
    "discussions": _discussions,
    "mails": _mails,
    "contacts": _reports,
    "cases_released": _desk,
}


NAMED: dict[str, Callable[[User], Mapping[str, str]]] = {}


def deeds_also(
    name: str, deed: Callable[[User], int], *, named: Callable[[User], Mapping[str, str]] | None = None
) -> None:
    """Have an app above this one erase what it keeps about an account, before the account's name goes.

    `deed` tells how many rows that was; `named`, asked before, new names by old ones of what lies under the account.
    """
    DEEDS[name] = lambda erasing: deed(erasing.user)
    if named is not None:
        NAMED[name] = named


def address_erase(*, email: str, via: ErasedVia, never_ask: bool = True) -> ErasureRecord:
    """Erase what is kept about an address without an account: consents, opt-outs, identities, reports, letters.

    Consents in force are revoked first, with all that follows. Rows of accounts are not touched: an account's address
    was never confirmed, so only the account itself can erase them.
    """
    digest = email_digest(email)
    with audited():
        counts: dict[str, object] = {
            "consents": sum(_subject(subject) for subject in Subject.objects.filter(email_digest=digest)),
            "opt_outs": sum(holder_erase(holder=row) for row in OptOutHolder.objects.filter(email_digest=digest)),
            "identities": _identities_of(digest, via),
            "contacts": contacts_forget(Report.objects.filter(contact_digest=digest)),
            "mails": letters_drop(email),
        }
        links = PrivacyLink.objects.filter(email_digest=digest)
        counts["exports"] = exports_delete(DataExport.objects.filter(link__in=links))
        links.delete()
        record = tombstone_write(email_digest=digest, via=via, never_ask=never_ask, counts=counts)
        subject = ("moderation.erasurerecord", str(record.public_id))
        audit_append(actor=None, action="privacy.address-erased", subject=subject, data={"via": via.value, **counts})
    return record


def _subject(subject: Subject) -> int:
    consents = list(subject.consents.all())
    for consent in consents:
        consent_end(consent=consent, why=EndReason.REVOKED)
    Mail.objects.filter(subject=subject, state=OutState.QUEUED).update(
        state=OutState.DROPPED, finished_at=timezone.now()
    )
    files = [key for consent in consents for key in consent.evidence.values_list("storage_key", flat=True)]
    subject_erase(subject=subject)
    transaction.on_commit(partial(files_delete, files))
    return len(consents)


def _identities_of(digest: str, via: ErasedVia) -> int:
    found = list(ProtectedIdentity.objects.filter(email_digest=digest, user=None))
    for identity in found:
        identity_erase(identity=identity, via=IDENTITY_VIA[via])
    return len(found)


def contacts_forget(rows: Iterable[Report | Appeal]) -> int:
    """Empty the sealed contact of those whose case is decided; how many. The others wait for the nightly retention."""
    forgotten = 0
    for row in rows:
        if row.case.status == CaseStatus.DECIDED and bytes(row.contact):
            emptied = {"contact": b"", **({"contact_digest": ""} if isinstance(row, Report) else {})}
            type(row).objects.filter(pk=row.pk).update(**emptied)
            forgotten += 1
    return forgotten


def letters_drop(email: str) -> int:
    """Letters to this address that are not sent yet are not sent; the sealed ones have to be opened to know."""
    dropped = 0
    for letter in Letter.objects.filter(state=OutState.QUEUED).exclude(content=b""):
        to = json.loads(unseal(bytes(letter.content), context=f"letter {letter.key}"))["to"]
        if to.strip().lower() == email.strip().lower():
            gone = {"state": OutState.DROPPED, "content": b"", "finished_at": timezone.now()}
            dropped += Letter.objects.filter(pk=letter.pk, state=OutState.QUEUED).update(**gone)
    return dropped


def exports_delete(exports: Iterable[DataExport]) -> int:
    """Delete exports with their files and keys; how many."""
    found = list(exports)
    keys = [export.storage_key for export in found if export.storage_key]
    DataExport.objects.filter(pk__in=[export.pk for export in found]).delete()
    transaction.on_commit(partial(files_delete, keys))
    return len(found)


def erasures_finish() -> int:
    """Come back for what was evidence when the person was erased and is decided now; how many rows were done."""
    return sum(_finish(record) for record in _unfinished()) + _contacts_finish() + discussions_finish()


def _unfinished() -> list[ErasureRecord]:
    return list(ErasureRecord.objects.filter(user__isnull=False).exclude(counts__waiting=[]))


@audited()
def _finish(record: ErasureRecord) -> int:
    waiting = list(record.counts.get("waiting", []))
    done = [adapter for adapter in Adapter.objects.filter(pk__in=waiting) if not is_evidence(adapter)]
    for adapter in done:
        left = [version for version in adapter.versions.all() if version.state == VersionState.PUBLISHED]
        if left and record.user:
            adapter_withdraw(adapter=adapter, actor=record.user)
        adapter_empty(adapter=adapter, actor=None, subject=("accounts.user", str(record.user_id)))
        _rename(record, adapter)
    if done:
        left_ids = sorted(set(waiting) - {adapter.pk for adapter in done})
        ErasureRecord.objects.filter(pk=record.pk).update(counts={**record.counts, "waiting": left_ids})
    return len(done)


def _rename(record: ErasureRecord, adapter: Adapter) -> None:
    """The name that the adapter had goes from the rows that still tell it."""
    assert record.user is not None
    pseudonym = record.user.username
    paths = {f"{pseudonym}/{adapter.name}": f"{pseudonym}/{erased_name(adapter)}"}
    renaming = Renaming(pseudonym, record.user.email, pseudonym, paths)
    names_redact(renaming=renaming, actor=None, subject=("accounts.user", str(record.user.pk)))


def _contacts_finish() -> int:
    decided = Q(case__status=CaseStatus.DECIDED)
    told = Report.objects.filter(decided).exclude(contact=b"").select_related("case", "account")
    gone = [row for row in told if (row.account and is_erased(row.account)) or tombstones_of(row.contact_digest)]
    said = Appeal.objects.filter(decided, by__isnull=False).exclude(contact=b"").select_related("case", "by")
    return contacts_forget(gone) + contacts_forget([row for row in said if row.by and is_erased(row.by)])
