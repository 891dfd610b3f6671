"""A new password by e-mail, for who forgot theirs: Django's own views, throttled, with one answer for every address."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.forms import PasswordResetForm, SetPasswordForm
from django.contrib.auth.views import PasswordResetConfirmView, PasswordResetDoneView, PasswordResetView
from django.http import HttpResponse
from django.urls import reverse_lazy

from accounts.models import User
from accounts.services import password_set
from accounts.throttling import client_address, sign_in_blocked, sign_in_failed, sign_in_succeeded


class RequestForm(PasswordResetForm):
    """The address to which the link goes."""

    email = forms.EmailField(
        max_length=254,
        label="E-mail address",
        help_text="The one that you signed up with.",
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )


class RequestView(PasswordResetView):
    """Sends the link where the address has an account, and says the same where it has none."""

    form_class = RequestForm
    template_name = "accounts/password_reset.html"
    email_template_name = "accounts/password_reset_email.txt"
    subject_template_name = "accounts/password_reset_subject.txt"
    success_url = reverse_lazy("password_reset_sent")
    # The address of the site, never the one that the request names: that would send people elsewhere.
    extra_email_context = {"site_url": settings.PUBLIC_URL, "site_title": settings.SITE_NAME}

    def form_valid(self, form: Any) -> HttpResponse:
        # A name of its own, so that who asks for mails does not keep the account's owner from signing in.
        counted = {
            "login": f"password-reset:{form.cleaned_data['email'].lower()}",
            "address": client_address(self.request),
        }
        if sign_in_blocked(**counted):
            form.add_error(None, "Too many attempts. Wait a quarter of an hour and try again.")
            return self.form_invalid(form)
        sign_in_failed(**counted)
        return super().form_valid(form)


class SentView(PasswordResetDoneView):
    """What happens next."""

    template_name = "accounts/password_reset_sent.html"
    extra_context = {"hours": settings.PASSWORD_RESET_TIMEOUT // 3600}


class ChooseForm(SetPasswordForm):  # type: ignore[type-arg]  # generic in the stubs only
    """The new password; it is set by the service, which tells the audit log."""

    def save(self, commit: bool = True) -> User:
        password_set(user=self.user, password=self.cleaned_data["new_password1"])
        return self.user


class ChooseView(PasswordResetConfirmView):
    """Behind the link of the e-mail: the new password, or that the link has run out."""

    form_class = ChooseForm
    template_name = "accounts/password_reset_choose.html"
    success_url = reverse_lazy("sign_in")

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        for login in (self.user.username, self.user.email):  # type: ignore[union-attr]
            sign_in_succeeded(login=login, address=client_address(self.request))
        messages.success(self.request, "Your password is changed. Sign in with it.")
        return response
