"""Adapters whose owner lets people in by hand: the rule, requests, and their answers. The gate asks here."""

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone

from accounts.errors import NotPermitted
from accounts.models import User
from governance.services import audit_append, audited
from registry.errors import AccessNotGranted, RequestRefused
from registry.models import Access, AccessRequest, Adapter, RequestState
from registry.permissions import AdapterPermission as P
from registry.selectors.access import adapter_permissions
from registry.selectors.visibility import adapters_readable_by

SHOWN = 1000  # requests of one list


def access_page(adapter: Adapter) -> str:
    """Where a person asks for access."""
    return reverse("access_request", args=[adapter.owner.slug, adapter.name])


def access_granted(*, actor: User, adapter: Adapter) -> bool:
    """Whether `actor` may come to the gate: it is open to all, they are its own people, or its owner let them in."""
    if adapter.access == Access.TERMS or P.CONTRIBUTE in adapter_permissions(actor, adapter):
        return True
    return AccessRequest.objects.filter(adapter=adapter, user=actor, state=RequestState.ACCEPTED).exists()


def require_granted(*, actor: User, adapter: Adapter) -> None:
    """Raises AccessNotGranted, with the page on which to ask."""
    if not access_granted(actor=actor, adapter=adapter):
        raise AccessNotGranted(
            f"The owner of {adapter} decides who may download it, and has not let you in.", url=access_page(adapter)
        )


@audited()
def access_rule_set(*, actor: User, adapter: Adapter, rule: Access) -> Adapter:
    """Who may come to the gate; raises NotPermitted. What people hold already is looked at again at each download."""
    if P.EDIT not in adapter_permissions(actor, adapter):
        raise NotPermitted(f"You may not change who may download {adapter}.")
    if adapter.access != rule:
        adapter.access = rule
        adapter.save(update_fields=["access"])
        audit_append(
            actor=actor,
            action="adapter.access-rule",
            subject=("registry.adapter", str(adapter.pk)),
            data={"rule": rule.value},
        )
    return adapter


@audited()
def access_ask(*, actor: User, adapter: Adapter, reason: str) -> AccessRequest:
    """Ask the owner; who was declined asks no second time. Raises RequestRefused."""
    if adapter.access != Access.GRANTED:
        raise RequestRefused(f"{adapter} is open to everybody who accepts its terms.", remedy="Go to its gate.")
    if access_granted(actor=actor, adapter=adapter):
        raise RequestRefused(f"You have access to {adapter}.", remedy="Go to its gate.")
    try:
        with transaction.atomic():
            request = AccessRequest.objects.create(adapter=adapter, user=actor, reason=reason.strip())
    except IntegrityError as error:
        raise RequestRefused(
            f"You have asked for access to {adapter} already.", remedy="Its page shows the answer."
        ) from error
    _noted(actor, request, "access.asked")
    return request


def requests_of(*, actor: User, adapter: Adapter, state: RequestState | None = None) -> QuerySet[AccessRequest]:
    """The requests for an adapter, oldest first, for who may edit it; raises NotPermitted."""
    if P.EDIT not in adapter_permissions(actor, adapter):
        raise NotPermitted(f"You may not see who asked for access to {adapter}.")
    found = AccessRequest.objects.filter(adapter=adapter).select_related("user")
    return (found.filter(state=state) if state else found).order_by("asked_at", "pk")[:SHOWN]


@audited()
def access_decide(
    *, actor: User, adapter: Adapter, request_id: int, state: RequestState, answer: str = ""
) -> AccessRequest:
    """Accept or decline a request, or change the answer; raises RequestRefused where nothing would change."""
    _require_handled(actor, adapter)
    found = AccessRequest.objects.select_for_update(of=("self",)).select_related("user")
    request = found.filter(adapter=adapter, pk=request_id).first()
    if request is None:
        raise RequestRefused("There is no such request.", remedy="Reload the list of requests.")
    if request.state == state:
        raise RequestRefused(f"The request is {state.value} already.")
    return _decided(actor, request, state, answer)


@audited()
def access_grant(*, actor: User, adapter: Adapter, user: User | None) -> AccessRequest:
    """Let somebody in who has not asked, or not been let in; raises RequestRefused."""
    _require_handled(actor, adapter)
    if user is None or not adapters_readable_by(user).filter(pk=adapter.pk).exists():
        raise RequestRefused("There is no such person who may see this adapter.", remedy="Check the name.")
    request, _ = AccessRequest.objects.select_for_update().get_or_create(adapter=adapter, user=user)
    if request.state == RequestState.ACCEPTED:
        raise RequestRefused("That person has access already.")
    return _decided(actor, request, RequestState.ACCEPTED, "")


def _require_handled(actor: User, adapter: Adapter) -> None:
    if P.EDIT not in adapter_permissions(actor, adapter):
        raise NotPermitted(f"You may not decide who may download {adapter}.")
    if adapter.access != Access.GRANTED:
        raise RequestRefused(
            f"{adapter} is open to everybody who accepts its terms.", remedy="Set that its owner grants access, first."
        )


def _decided(actor: User, request: AccessRequest, state: RequestState, answer: str) -> AccessRequest:
    pending = state == RequestState.PENDING
    request.state, request.answer = state, "" if state != RequestState.REJECTED else answer.strip()[:2000]
    request.decided_by, request.decided_at = (None, None) if pending else (actor, timezone.now())
    request.save(update_fields=["state", "answer", "decided_by", "decided_at"])
    _noted(actor, request, f"access.{state.value}")
    return request


def _noted(actor: User, request: AccessRequest, action: str) -> None:
    audit_append(
        actor=actor,
        action=action,
        subject=("registry.adapter", str(request.adapter_id)),
        data={"request": request.pk},
    )
