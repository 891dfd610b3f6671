"""Pages of governance: licences, decisions on record, stated facts, error codes, and the public keys."""

import base64
import json
import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_http_methods, require_safe

from accounts.errors import NotFound
from accounts.models import Organisation, User
from accounts.permissions import OrganisationPermission
from accounts.selectors import access_organisation
from governance import selectors
from governance.catalogue_pages import licence_groups, licence_page
from governance.forms import ActorFactsForm, facts_initial
from governance.policy import DISCLAIMER
from governance.problems import problem_by_code
from governance.rulebook import current_ruleset
from governance.services import actor_profile_update
from governance.signing import ALGORITHM, key_id, public_bytes


@require_safe
def licences(request: HttpRequest) -> HttpResponse:
    """The whole catalogue, in groups, and the base models about whose licence sources disagree."""
    rules = current_ruleset()
    context = {"groups": licence_groups(rules), "disputes": rules.disputes.values(), "digest": rules.digest}
    return render(request, "governance/licences.html", {**context, "disclaimer": DISCLAIMER})


@require_safe
def licence(request: HttpRequest, licence_id: str) -> HttpResponse:
    """One licence: what it grants for each use with its clauses, duties, traps and disputes."""
    rules = current_ruleset()
    found = rules.find(licence_id)
    if found is None:
        raise NotFound(f"The catalogue has no licence {licence_id!r}.", remedy="Look it up in the list of licences.")
    if licence_id != found.id:
        return redirect("licence", found.id)
    context = {**licence_page(found, rules), "disclaimer": DISCLAIMER}
    return render(request, "governance/licence.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def actor_profile(request: HttpRequest) -> HttpResponse:
    """State facts about oneself, or with `?organisation=` about one's organisation."""
    assert isinstance(request.user, User)
    organisation = _organisation(request, request.user)
    profile = selectors.actor_profile(actor=request.user, organisation=organisation)
    form = ActorFactsForm(request.POST or None, initial=facts_initial(profile))
    if request.method == "POST" and form.is_valid():
        actor_profile_update(actor=request.user, organisation=organisation, facts=form.cleaned_data)
        messages.success(request, "Saved. The next decisions take it into account.")
        return redirect(request.get_full_path())
    context: dict[str, object] = {"form": form, "organisation": organisation, "profile": profile}
    context["administered"] = selectors.organisations_administered(actor=request.user)
    return render(request, "governance/actor_profile.html", context)


def _organisation(request: HttpRequest, actor: User) -> Organisation | None:
    slug = request.GET.get("organisation", "")
    if not slug:
        return None
    return access_organisation(actor=actor, slug=slug, permission=OrganisationPermission.ADMINISTER)


@require_safe
def decision(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """One decision on record, for those who took part in it."""
    if request.get_preferred_type(["text/html", "application/json"]) == "application/json":
        return decision_json(request, public_id)
    record = selectors.access_decision(actor=request.user, public_id=public_id)
    context = {"record": record, "decision": record.to_json(), "chain": selectors.override_chain(record)}
    context["snapshot"] = json.dumps(record.request, indent=2, ensure_ascii=False)
    return _unstored(render(request, "governance/decision.html", context))


@require_safe
def decision_json(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """The same as JSON."""
    record = selectors.access_decision(actor=request.user, public_id=public_id)
    body = selectors.decision_facts(record)
    return _unstored(JsonResponse(body, json_dumps_params={"ensure_ascii": False, "indent": 2}))


def _unstored(response: HttpResponse) -> HttpResponse:
    """Stated facts stand in the snapshot, so no cache may keep it; the same address serves two kinds."""
    response["Cache-Control"] = "private, no-store"
    response["Vary"] = "Accept, Cookie"
    return response


@require_safe
def problem(request: HttpRequest, code: str) -> HttpResponse:
    """What an error code means and what to do."""
    found = problem_by_code(code)
    if found is None:
        raise NotFound(f"No error of this site has the code {code!r}.", remedy="Check the `code` of the answer.")
    return render(request, "governance/problem.html", {"problem": found})


@require_safe
@cache_control(public=True, max_age=3600)
def registry_keys(request: HttpRequest) -> HttpResponse:
    """The public keys that sign receipts, as a JSON Web Key Set (RFC 7517, RFC 8037)."""
    public = public_bytes()
    key = {"kty": "OKP", "crv": ALGORITHM, "alg": "EdDSA", "use": "sig", "kid": key_id(public)}
    key |= {"x": base64.urlsafe_b64encode(public).decode().rstrip("="), "hex": public.hex()}
    return JsonResponse({"keys": [key]})
