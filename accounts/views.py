"""Sign-up, sign-in, the account page, tokens and organisations."""

from datetime import timedelta

from django.contrib import messages
from django.contrib.auth import authenticate, login, logout, update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import PasswordChangeForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_POST

from accounts.errors import DomainError, NotFound
from accounts.forms import MemberForm, OrganisationForm, ProfileForm, SignInForm, SignUpForm, TokenForm
from accounts.models import ApiToken, User
from accounts.permissions import OrganisationPermission
from accounts.selectors import access_organisation
from accounts.services import (
    member_add,
    member_remove,
    organisation_create,
    password_set,
    token_create,
    token_revoke,
    user_register,
)
from accounts.throttling import client_address, sign_in_blocked, sign_in_failed, sign_in_succeeded

BACKEND = "django.contrib.auth.backends.ModelBackend"


def _next(request: HttpRequest) -> str:
    """Where to go afterwards: only to a page of this site."""
    target = request.POST.get("next") or request.GET.get("next") or ""
    hosts = {request.get_host()}
    # Without the slash, `redirect` would take the word for the name of a view.
    own = target.startswith("/") and url_has_allowed_host_and_scheme(target, hosts, request.is_secure())
    return target if own else "home"


@require_http_methods(["GET", "POST"])
def sign_up(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        messages.warning(request, f"You are signed in as {request.user.get_username()}. Sign out to create an account.")
        return redirect("home")
    form = SignUpForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            user = user_register(**form.cleaned_data)
        except DomainError as error:
            form.add_error(None, f"{error.detail} {error.remedy}")
        else:
            login(request, user, backend=BACKEND)
            messages.success(request, f"Welcome, {user.username}.")
            return redirect(_next(request))
    return render(request, "accounts/sign_up.html", {"form": form, "next": request.GET.get("next", "")})


@require_http_methods(["GET", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    form = SignInForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        user = _authenticated(request, form)
        if user is not None:
            login(request, user, backend=BACKEND)
            return redirect(_next(request))
    status = 403 if form.errors else 200
    return render(request, "accounts/sign_in.html", {"form": form, "next": request.GET.get("next", "")}, status=status)


def _authenticated(request: HttpRequest, form: SignInForm) -> User | None:
    name, address = form.cleaned_data["login"].strip().lower(), client_address(request)
    if sign_in_blocked(login=name, address=address):
        form.add_error(None, "Too many attempts failed. Wait a quarter of an hour and try again.")
        return None
    username = name
    if "@" in name:
        found = User.objects.filter(email=name).first()
        username = found.username if found else name
    user = authenticate(request, username=username, password=form.cleaned_data["password"])
    if not isinstance(user, User):
        sign_in_failed(login=name, address=address)
        form.add_error(None, "Name and password do not fit together.")
        return None
    sign_in_succeeded(login=name, address=address)
    return user


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return redirect("home")


@login_required
@require_http_methods(["GET", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    assert isinstance(request.user, User)
    form = ProfileForm(request.POST or None, initial={"display_name": request.user.display_name})
    if request.method == "POST" and form.is_valid():
        User.objects.filter(pk=request.user.pk).update(display_name=form.cleaned_data["display_name"])
        messages.success(request, "Saved.")
        return redirect("account")
    memberships = request.user.memberships.select_related("organisation__namespace")
    context = {"form": form, "memberships": memberships, "tokens": _live_tokens(request.user)}
    return render(request, "accounts/account.html", context)


def _live_tokens(user: User) -> list[ApiToken]:
    return list(user.api_tokens.filter(revoked_at=None))


@login_required
@require_http_methods(["GET", "POST"])
def password_change(request: HttpRequest) -> HttpResponse:
    assert isinstance(request.user, User)
    form = PasswordChangeForm(request.user, request.POST or None)
    if request.method == "POST" and form.is_valid():
        password_set(user=request.user, password=form.cleaned_data["new_password1"])
        update_session_auth_hash(request, request.user)
        messages.success(request, "Your password is changed; other devices are signed out.")
        return redirect("account")
    return render(request, "accounts/password_change.html", {"form": form})


@login_required
@require_http_methods(["GET", "POST"])
def tokens(request: HttpRequest) -> HttpResponse:
    assert isinstance(request.user, User)
    form = TokenForm(request.POST or None)
    context: dict[str, object] = {"form": form}
    if request.method == "POST" and form.is_valid():
        days = form.cleaned_data["days"]
        lifetime = timedelta(days=int(days)) if days else None
        token, secret = token_create(
            user=request.user, name=form.cleaned_data["name"], scopes=form.cleaned_data["scopes"], lifetime=lifetime
        )
        context |= {"token": token, "secret": secret, "form": TokenForm()}
    response = render(request, "accounts/tokens.html", {**context, "tokens": _live_tokens(request.user)})
    response["Cache-Control"] = "no-store"
    return response


@login_required
@require_POST
def token_end(request: HttpRequest, pk: int) -> HttpResponse:
    assert isinstance(request.user, User)
    token = request.user.api_tokens.filter(pk=pk).first()
    if token is None:
        raise NotFound("There is no such token of yours.")
    token_revoke(actor=request.user, token=token)
    messages.success(request, f"The token “{token.name}” no longer works.")
    return redirect("tokens")


@login_required
@require_http_methods(["GET", "POST"])
def organisation_new(request: HttpRequest) -> HttpResponse:
    assert isinstance(request.user, User)
    form = OrganisationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        created = organisation_create(actor=request.user, **form.cleaned_data)
        return redirect("organisation", slug=created.namespace.slug)
    return render(request, "accounts/organisation_new.html", {"form": form})


@login_required
@require_http_methods(["GET", "POST"])
def organisation(request: HttpRequest, slug: str) -> HttpResponse:
    assert isinstance(request.user, User)
    found = access_organisation(actor=request.user, slug=slug, permission=OrganisationPermission.READ)
    form = MemberForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        user, role = form.cleaned_data["username"], form.cleaned_data["role"]
        member_add(actor=request.user, organisation=found, user=user, role=role)
        messages.success(request, f"{user.username} is {role} of {found}.")
        return redirect("organisation", slug=slug)
    members = found.memberships.select_related("user").order_by("created_at")
    mine = next(member.role for member in members if member.user_id == request.user.pk)
    context = {"organisation": found, "members": members, "form": form, "may_administer": mine == "owner"}
    return render(request, "accounts/organisation.html", context)


@login_required
@require_POST
def member_end(request: HttpRequest, slug: str, username: str) -> HttpResponse:
    assert isinstance(request.user, User)
    found = access_organisation(actor=request.user, slug=slug, permission=OrganisationPermission.READ)
    member = User.objects.filter(username=username, memberships__organisation=found).first()
    if member is None:
        raise NotFound(f"{username} is not a member of {slug}.")
    member_remove(actor=request.user, organisation=found, user=member)
    messages.success(request, f"{username} is no longer a member.")
    return redirect(
        "account" if member.pk == request.user.pk else "organisation", *([] if member.pk == request.user.pk else [slug])
    )
