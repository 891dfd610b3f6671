"""Passing the gate without a page: under a receipt that still holds, or by a token that its owner gave a pass.

Programs cannot read a page. What they may fetch was settled on one before: either these very terms were accepted
for this use, or the token's owner stated once for what use it downloads and that it accepts the terms of what is open
for that use. Every first delivery has its decision, its acceptance of the exact text and its receipt, as on the page.
"""

import hashlib

from django.urls import reverse

from accounts.errors import DomainError, NotFound
from accounts.models import ApiToken, Organisation, User
from accounts.scopes import Scope
from governance.errors import GovernanceRefused
from governance.policy import ASKED_USES, Use, UseRequest, decide
from governance.rulebook import current_ruleset
from governance.selectors import actor_facts
from governance.services import audit_append, audited
from registry.errors import AcceptanceNeeded, AccessNotGranted, NotAvailable, PassRefused
from registry.models import Receipt, StandingPass, TermsText, Version
from registry.services.access_requests import require_granted
from registry.services.delivery import gate_accept, gate_ask, require_available, require_still_allowed
from registry.services.policy import use_request
from registry.services.terms import terms_text

LOOKED_AT = 10  # receipts of one person for one version, the newest
STATEMENT = (
    "With this token I download adapters {behalf} for this use: {use}. I state this use for every download that the "
    "token asks for. Where the rules allow an adapter for it, the token accepts in my name the adapter's terms as they "
    "are worded at that moment; each accepted text is kept, and I find it with its receipt on my downloads page. "
    "I keep the duties that these terms name. I can end this at any time."
)


def statement_text(*, use: Use, organisation: Organisation | None) -> str:
    """What the owner of a token agrees to, exactly as the page shows it."""
    behalf = f"on behalf of {organisation}" if organisation else "for myself"
    return STATEMENT.format(behalf=behalf, use=use.value.replace("-", " "))


@audited()
def pass_give(*, actor: User, token: ApiToken, use: Use, organisation: Organisation | None = None) -> StandingPass:
    """Let a token of one's own pass the gate for `use`; replaces an earlier pass.

    Raises PassRefused where the token may not download, and NotFound for a token or organisation that is not one's own.
    """
    _require_own(actor, token, organisation)
    if Scope.DOWNLOAD.value not in token.scopes:
        raise PassRefused(f"The token “{token.name}” does not have the scope to pass the download gate.")
    if use not in ASKED_USES:
        raise PassRefused(f"{use.value} is no use that people ask for at the gate.")
    text = statement_text(use=use, organisation=organisation)
    digest = hashlib.sha256(text.encode()).hexdigest()
    statement, _ = TermsText.objects.get_or_create(digest=digest, defaults={"text": text})
    given, _ = StandingPass.objects.update_or_create(
        token=token, defaults={"use": use.value, "organisation": organisation, "statement": statement}
    )
    audit_append(
        actor=actor,
        action="pass.given",
        subject=("accounts.apitoken", str(token.pk)),
        data={"use": use.value, "statement": digest},
        rows=[statement],
    )
    return given


@audited()
def pass_end(*, actor: User, token: ApiToken) -> None:
    """Take the pass back; the token itself stays, and what it accepted stays accepted."""
    _require_own(actor, token, None)
    if StandingPass.objects.filter(token=token).delete()[0]:
        audit_append(actor=actor, action="pass.ended", subject=("accounts.apitoken", str(token.pk)))


def _require_own(actor: User, token: ApiToken, organisation: Organisation | None) -> None:
    if token.user_id != actor.pk or token.revoked_at is not None:
        raise NotFound("There is no such token of yours.")
    if organisation is not None and not _belongs(actor, organisation):
        raise NotFound("There is no such organisation of yours.")


def _belongs(actor: User, organisation: Organisation) -> bool:
    return organisation.memberships.filter(user=actor).exists()


def receipt_for(*, actor: User, version: Version, token: ApiToken | None = None) -> Receipt:
    """The receipt under which the file of `version` may leave for `actor` at this moment.

    Raises NotAvailable where it is open for nobody, AccessNotGranted where its owner has to let them in first,
    GovernanceRefused where the rules refuse the token's use, and
    AcceptanceNeeded, with the address of the page that asks, where nothing was accepted that holds now.
    """
    require_available(version)
    require_granted(actor=actor, adapter=version.adapter)
    if (held := _receipt_that_holds(actor, version)) is not None:
        return held
    given = _pass_of(actor, token)
    if given is None:
        raise _acceptance_needed(version)
    use = Use(given.use)
    answer = gate_ask(actor=actor, organisation=given.organisation, version=version, use=use)
    if not answer.decision.allowed:
        raise GovernanceRefused(decision=answer.decision, record=answer.record)
    return gate_accept(
        actor=actor,
        organisation=given.organisation,
        version=version,
        use=use,
        accepted_terms=answer.terms.digest,
    )


def require_passable(*, actor: User, version: Version, token: ApiToken | None = None) -> None:
    """Raises what `receipt_for` would raise at this moment; nothing is accepted, only a refusal goes on record."""
    require_available(version)
    require_granted(actor=actor, adapter=version.adapter)
    if _receipt_that_holds(actor, version) is not None:
        return
    given = _pass_of(actor, token)
    if given is None:
        raise _acceptance_needed(version)
    request = use_request(version, Use(given.use), actor_facts(actor=actor, organisation=given.organisation))
    if decide(request, current_ruleset()).allowed:
        return
    answer = gate_ask(actor=actor, organisation=given.organisation, version=version, use=Use(given.use))
    if not answer.decision.allowed:
        raise GovernanceRefused(decision=answer.decision, record=answer.record)


# What `receipt_for` and `require_passable` raise about one person and a version that is open to others.
REFUSALS = (AcceptanceNeeded, AccessNotGranted, GovernanceRefused)


def page_of_refusal(refusal: DomainError, version: Version) -> str:
    """Where to go on after one of these: the page that it names, else the one with the terms and the reasons."""
    return str(refusal.data.get("url") or gate_path(version))


def _acceptance_needed(version: Version) -> AcceptanceNeeded:
    return AcceptanceNeeded(
        f"The terms of {version} have not been accepted for a use of yours.",
        remedy="Open the page named in `url`, choose your use and accept; then repeat the same command. Or give "
        "your token a standing use on your tokens page.",
        url=gate_path(version),
    )


def gate_path(version: Version) -> str:
    """Where a person passes the gate for this version."""
    adapter = version.adapter
    return reverse("gate", args=[adapter.owner.slug, adapter.name, version.number])


def _pass_of(actor: User, token: ApiToken | None) -> StandingPass | None:
    """The token's pass, unless its owner has left the organisation on whose behalf it was given."""
    if token is None or Scope.DOWNLOAD.value not in token.scopes:
        return None
    given = StandingPass.objects.select_related("organisation").filter(token=token).first()
    if given is None or (given.organisation is not None and not _belongs(actor, given.organisation)):
        return None
    return given


def _receipt_that_holds(actor: User, version: Version) -> Receipt | None:
    """A receipt of this person whose question has the same answer and the same terms now as when it was issued."""
    related = ("acceptance__decision", "acceptance__organisation", "file__version__adapter__owner")
    held = Receipt.objects.filter(acceptance__user=actor, acceptance__version=version).order_by("-issued_at")
    for receipt in held.select_related(*related, "file__version__base_model", "file__version__created_by")[:LOOKED_AT]:
        organisation = receipt.acceptance.organisation
        if (organisation is None or _belongs(actor, organisation)) and _holds(receipt):
            return receipt
    return None


def _holds(receipt: Receipt) -> bool:
    try:
        require_still_allowed(receipt)
    except (NotAvailable, AccessNotGranted):
        return False
    version, acceptance = receipt.file.version, receipt.acceptance
    asked = UseRequest.from_json(acceptance.decision.request)
    decision = decide(use_request(version, Use(acceptance.use), asked.actor), current_ruleset())
    return hashlib.sha256(terms_text(version, decision).encode()).hexdigest() == acceptance.terms_id
