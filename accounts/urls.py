"""Addresses of the account pages."""

from django.urls import path

from accounts import password_reset, views

urlpatterns = [
    path("sign-up", views.sign_up, name="sign_up"),
    path("sign-in", views.sign_in, name="sign_in"),
    path("sign-out", views.sign_out, name="sign_out"),
    path("account", views.account, name="account"),
    path("account/password", views.password_change, name="password_change"),
    path("account/password-reset", password_reset.RequestView.as_view(), name="password_reset"),
    path("account/password-reset/sent", password_reset.SentView.as_view(), name="password_reset_sent"),
    path("account/password-reset/<uidb64>/<token>", password_reset.ChooseView.as_view(), name="password_reset_choose"),
    path("account/tokens", views.tokens, name="tokens"),
    path("account/tokens/<int:pk>/revoke", views.token_end, name="token_revoke"),
    path("orgs/new", views.organisation_new, name="organisation_new"),
    path("orgs/<str:slug>", views.organisation, name="organisation"),
    path("orgs/<str:slug>/members/<str:username>/remove", views.member_end, name="member_remove"),
]
