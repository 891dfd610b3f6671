"""All that is kept about one person, part by part, as plain values: what an export holds.

Never in it: hashes of passwords and tokens, secrets of links, face templates, notes of moderators, and the contact data
of other people. An account's parts go by the account alone. Its address was never confirmed, so what is kept about an
address without an account is another export, behind a link that is mailed there.
"""

from collections.abc import Callable
from typing import Any

from django.db.models import Model, Q, QuerySet

from accounts.models import User
from governance.audit import entry_facts
from governance.handles import actors_of
from governance.models import ActorProfile, AuditEntry, DecisionRecord
from governance.selectors import FACTS, decision_facts
from moderation.contacts import email_unsealed
from moderation.likeness_keys import email_context
from moderation.models import (
    Appeal,
    Case,
    Consent,
    DeletionProof,
    Mail,
    OptOutHolder,
    ProtectedIdentity,
    RecallNotice,
    Report,
    StatementOfReasons,
    Strike,
    Subject,
)
from moderation.selectors.parts import PARTS_OF_ADAPTERS, Rows, values
from moderation.services.consents import consent_details, subject_email
from moderation.services.people import report_contact


def account(user: User) -> Rows:
    return values(User.objects.filter(pk=user.pk), "username email display_name date_joined last_login is_moderator")


def organisations(user: User) -> Rows:
    return values(user.memberships, "organisation__namespace__slug organisation__display_name role created_at")


def tokens(user: User) -> Rows:
    return values(user.api_tokens, "name prefix scopes created_at expires_at last_used_at revoked_at")


def facts(user: User) -> Rows:
    stated = " ".join([*FACTS, "standing_use", "territory", "registered_with", "updated_at"])
    return values(ActorProfile.objects.filter(user=user), stated)


def decisions(user: User) -> Rows:
    """Those that the person asked for or took, and those about their versions."""
    versions = [str(pk) for pk in _versions(user)]
    about = Q(subject_type="registry.version", subject_id__in=versions)
    found = DecisionRecord.objects.filter(Q(actor=user) | about).select_related(
        "organisation__namespace", "override_of"
    )
    return [decision_facts(record) for record in found.order_by("pk")]


def _versions(user: User) -> list[int]:
    from registry.models import Version

    mine = Version.objects.filter(Q(created_by=user) | Q(adapter__owner__user=user))
    return list(mine.values_list("pk", flat=True))


def cases(user: User) -> Rows:
    """Cases about the person's versions: not who reported them, nor what moderators noted."""
    found = Case.objects.filter(version__in=_versions(user))
    return values(found, "public_id kind source version_id status opened_at due_at outcome decided_at")


def statements(user: User) -> Rows:
    found = StatementOfReasons.objects.filter(version__in=_versions(user))
    return values(
        found, "public_id version_id measure scope facts ground ground_text explanation redress appeal_until created_at"
    )


def strikes(user: User) -> Rows:
    return values(Strike.objects.filter(user=user), "reason issued_at expires_at lifted_at")


def reports(user: User) -> Rows:
    return [_report(report) for report in Report.objects.filter(account=user).select_related("comment")]


def _report(report: Report) -> dict[str, Any]:
    contact = report_contact(report)
    told = {name: getattr(contact, name) for name in ("name", "email", "signature", "address", "phone")}
    return {
        "id": report.public_id,
        "about": str(report.version),
        "comment": report.comment.public_id if report.comment else None,
        "kind": report.kind,
        "text": report.text,
        "work": report.work,
        "sworn": report.sworn,
        "contact": told,
        "sent_at": report.created_at,
        "taken_back_at": report.retracted_at,
        "case": report.case.get_status_display(),
        "outcome": report.case.get_outcome_display(),
    }


def appeals(user: User) -> Rows:
    return values(
        Appeal.objects.filter(by=user), "public_id side text is_counter_notice sworn put_back_from granted created_at"
    )


def consents_held(user: User) -> Rows:
    """What the person asked of others, in their own words; the other's address is not theirs to have."""
    held = Consent.objects.filter(Q(grantee_user=user) | Q(asked_by=user)).select_related("grantee_organisation")
    return [_consent(consent) for consent in held]


def _consent(consent: Consent) -> dict[str, Any]:
    details = consent_details(consent)
    return {
        "id": consent.public_id,
        "kind": consent.kind,
        "name": details.name,
        "work": details.work,
        "message": details.message,
        "grantee": consent.grantee_name,
        "asked_at": consent.asked_at,
        "asked": consent.asked,
        "state": consent.state,
        "terms": consent.terms.to_json(),
        "answered_at": consent.answered_at,
        "ended_at": consent.ended_at,
        "events": values(consent.events, "kind by at data"),
        "evidence": values(consent.evidence, "by content_type size created_at"),
        "versions": values(consent.links, "version_id linked_at released_at"),
    }


def likeness(user: User) -> Rows:
    return [_identity(identity) for identity in ProtectedIdentity.objects.filter(user=user)]


def _identity(identity: ProtectedIdentity) -> dict[str, Any]:
    """How it stands; a template is a means of comparison and never leaves the server."""
    sealed = identity.email_sealed
    return {
        "id": identity.public_id,
        "status": identity.status,
        "name": identity.name,
        "aliases": identity.aliases,
        "acts_as": identity.acts_as,
        "email": email_unsealed(bytes(sealed), context=email_context(identity)) if sealed else "",
        "consent_edition": identity.consent_edition,
        "consented_at": identity.consented_at,
        "verified_at": identity.verified_at,
        "withdrawn_at": identity.withdrawn_at,
        "templates": identity.templates.count(),
        "pictures_waiting": identity.pictures.filter(state="waiting").count(),
        "deletions": values(DeletionProof.objects.filter(identity_ref=identity.public_id), "count digest deleted_at"),
    }


def opt_outs(user: User) -> Rows:
    return [_holder(holder) for holder in OptOutHolder.objects.filter(user=user)]


def _holder(holder: OptOutHolder) -> dict[str, Any]:
    return {
        "name": holder.name,
        "since": holder.created_at,
        "blocked_at": holder.blocked_at,
        "registrations": [
            {
                **values([registration], "public_id statement on_behalf created_at confirmed_at")[0],
                "entries": values(registration.claims, "entry__kind entry__text state created_at ended_at"),
                "pictures": values(registration.pictures, "title state reason created_at"),
            }
            for registration in holder.registrations.all()
        ],
    }


def recalls(user: User) -> Rows:
    return values(
        RecallNotice.objects.filter(user=user),
        "public_id kind recall__reason_code recall__public_text created_at acknowledged_at",
    )


def mails(user: User) -> Rows:
    return values(Mail.objects.filter(user=user), "kind state created_at finished_at")


def audit(user: User) -> Rows:
    """Entries of the chain by the person or about the account; their hashes let anybody find them in the chain."""
    about = Q(subject_type="accounts.user", subject_id=str(user.pk))
    found = AuditEntry.objects.filter(Q(actor__in=actors_of(user)) | about).order_by("sequence")
    return [{**entry_facts(entry), "hash": entry.hash} for entry in found.iterator()]


USER_PARTS: dict[str, Callable[[User], Rows]] = {
    "account": account,
    "organisations": organisations,
    "tokens": tokens,
    "facts": facts,
    **PARTS_OF_ADAPTERS,
    "decisions": decisions,
    "cases": cases,
    "statements_of_reasons": statements,
    "strikes": strikes,
    "reports": reports,
    "appeals": appeals,
    "consents_held": consents_held,
    "likeness": likeness,
    "opt_outs": opt_outs,
    "recalls": recalls,
    "mails": mails,
    "audit": audit,
}


def parts_also(name: str, read: Callable[[User], Rows]) -> None:
    """Have an app above this one add what it keeps about an account; it says so once, from its `ready`."""
    USER_PARTS[name] = read


def address_consents(digest: str) -> Rows:
    subjects = Subject.objects.filter(email_digest=digest)
    return [
        {
            "email": subject_email(subject),
            "declines_requests": subject.declines_requests,
            "since": subject.created_at,
            "consents": [_consent(consent) for consent in subject.consents.all()],
        }
        for subject in subjects
    ]


def address_opt_outs(digest: str) -> Rows:
    return [_holder(holder) for holder in OptOutHolder.objects.filter(email_digest=digest)]


def address_likeness(digest: str) -> Rows:
    """Identities without an account; one with an account is in that account's export."""
    return [_identity(identity) for identity in ProtectedIdentity.objects.filter(email_digest=digest, user=None)]


def address_reports(digest: str) -> Rows:
    return [_report(report) for report in Report.objects.filter(contact_digest=digest)]


def address_mails(digest: str) -> Rows:
    return values(Mail.objects.filter(subject__email_digest=digest), "kind state created_at finished_at")


ADDRESS_PARTS: dict[str, Callable[[str], Rows]] = {
    "consents": address_consents,
    "opt_outs": address_opt_outs,
    "likeness": address_likeness,
    "reports": address_reports,
    "mails": address_mails,
}


def address_summary(digest: str) -> dict[str, int]:
    """How much there is of each part, for the page behind the link."""
    rows: dict[str, QuerySet[Model]] = {
        "consents": Consent.objects.filter(subject__email_digest=digest),
        "opt_outs": OptOutHolder.objects.filter(email_digest=digest),
        "likeness": ProtectedIdentity.objects.filter(email_digest=digest, user=None),
        "reports": Report.objects.filter(contact_digest=digest),
    }
    return {name: found.count() for name, found in rows.items()}
