"""The content security policy of every page, and that our own pages need nothing that it forbids."""

import re

import pytest
from django.test import Client

PAGES = ["/", "/sign-in", "/sign-up", "/may-i", "/licences", "/licences/mit", "/api/docs", "/nobody/nothing"]


def _policy(header: str) -> dict[str, str]:
    return dict(part.strip().split(" ", 1) for part in header.split(";"))


@pytest.mark.django_db
@pytest.mark.parametrize("path", PAGES)
def test_every_page_carries_the_policy_and_keeps_it(client: Client, path: str) -> None:
    response = client.get(path, headers={"accept": "text/html"})
    policy = _policy(response["Content-Security-Policy"])
    assert policy["default-src"] == policy["script-src"] == policy["base-uri"] == policy["form-action"] == "'self'"
    assert policy["object-src"] == policy["frame-ancestors"] == "'none'"
    page = response.content.decode()
    assert re.findall(r"<script(?![^>]*\bsrc=)[^>]*>", page) == []  # no script in the page itself
    assert re.findall(r"\son\w+=", page) == []
    assert re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="(?:https?:)?//', page) == []
    if "style-src 'self' 'unsafe-inline'" not in response["Content-Security-Policy"]:
        assert re.findall(r"<style|\sstyle=", page) == []


@pytest.mark.django_db
def test_answers_that_are_no_pages_carry_none(client: Client) -> None:
    for path in ("/healthz", "/api/v1/base-models"):
        assert "Content-Security-Policy" not in client.get(path)


@pytest.mark.django_db
def test_pages_cannot_be_framed_or_sniffed(client: Client) -> None:
    response = client.get("/")
    assert response["X-Frame-Options"] == "DENY"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Referrer-Policy"] == "same-origin"
