"""A question, its decision on record, and the people around it."""

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import Organisation, User
from governance.models import DecisionRecord
from governance.policy import Component, Role, Use, UseRequest
from governance.services import decide_and_record

Recorder = Callable[..., DecisionRecord]


def use_request(use: Use = Use.PERSONAL, licence_id: str | None = "apache-2.0") -> UseRequest:
    return UseRequest(use, (Component(Role.BASE, "Tiny Base", licence_id),))


@pytest.fixture
def record(db: None) -> Recorder:
    """Puts a decision on record."""

    def make(actor: User | None, organisation: Organisation | None = None, **about: Any) -> DecisionRecord:
        request = use_request(**about)
        subject = ("registry.version", "7", "ada/rain v1")
        return decide_and_record(
            request=request, actor=actor, organisation=organisation, subject=subject, action=request.use.value
        )[1]

    return make
