"""Forms of the account pages."""

from typing import Any

from django import forms
from django.contrib.auth.password_validation import validate_password

from accounts.models import SLUG_MESSAGE, User, validate_slug
from accounts.permissions import Role
from accounts.scopes import MEANINGS, Scope
from accounts.services import slug_available

LIFETIMES = [("30", "30 days"), ("90", "90 days"), ("365", "one year"), ("", "no end")]


class SignUpForm(forms.Form):
    username = forms.CharField(
        max_length=39,
        help_text=SLUG_MESSAGE + " It is part of your adapters' addresses.",
        widget=forms.TextInput(attrs={"autocomplete": "username"}),
    )
    email = forms.EmailField(label="E-mail address", widget=forms.EmailInput(attrs={"autocomplete": "email"}))
    password = forms.CharField(
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}), help_text="At least 8 characters."
    )

    def clean_username(self) -> str:
        slug = self.cleaned_data["username"].lower()
        validate_slug(slug)
        if not slug_available(slug):
            raise forms.ValidationError("That name is taken or reserved. Choose another.")
        return str(slug)

    def clean_email(self) -> str:
        email = self.cleaned_data["email"].strip().lower()
        if User.objects.filter(email=email).exists():
            raise forms.ValidationError("This address has an account already. Sign in instead.")
        return str(email)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if password := data.get("password"):
            candidate = User(username=data.get("username", ""), email=data.get("email", ""))
            try:
                validate_password(password, candidate)
            except forms.ValidationError as error:
                self.add_error("password", error)
        return data


class SignInForm(forms.Form):
    login = forms.CharField(
        max_length=254,
        label="Username or e-mail address",
        widget=forms.TextInput(attrs={"autocomplete": "username"}),
    )
    password = forms.CharField(widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}))


class ProfileForm(forms.Form):
    display_name = forms.CharField(max_length=80, required=False, help_text="Shown beside your adapters.")


class TokenForm(forms.Form):
    name = forms.CharField(max_length=80, help_text="What it is for.")
    scopes = forms.MultipleChoiceField(
        choices=[(scope.value, MEANINGS[scope]) for scope in Scope],
        widget=forms.CheckboxSelectMultiple,
        initial=["read", "download"],
    )
    days = forms.ChoiceField(choices=LIFETIMES, required=False, initial="90", label="Valid for")


class OrganisationForm(forms.Form):
    slug = forms.CharField(max_length=39, label="Name in addresses", help_text=SLUG_MESSAGE)
    display_name = forms.CharField(max_length=80)
    description = forms.CharField(widget=forms.Textarea(attrs={"rows": 3}), max_length=2000, required=False)

    def clean_slug(self) -> str:
        slug = self.cleaned_data["slug"].lower()
        validate_slug(slug)
        if not slug_available(slug):
            raise forms.ValidationError("That name is taken or reserved. Choose another.")
        return str(slug)


class MemberForm(forms.Form):
    username = forms.CharField(max_length=39)
    role = forms.ChoiceField(choices=[(role.value, role.value) for role in Role], initial=Role.MEMBER.value)

    def clean_username(self) -> User:
        user = User.objects.filter(username=self.cleaned_data["username"].lower()).first()
        if user is None:
            raise forms.ValidationError("Nobody has that username.")
        return user
