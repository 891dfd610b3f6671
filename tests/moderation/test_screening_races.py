"""Changes under way while checks begin, on real connections stopped between two statements: nothing is missed."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.db import connections, transaction

from accounts.models import User
from moderation.checks import BY_NAME
from moderation.models import CheckState, PictureTrace, Round, ScreeningState, ScreeningWanted
from moderation.screening.subject import Subject
from moderation.services import screening as service
from moderation.services.lookbacks import lookback_begin
from moderation.services.looking import lookback_go_on
from moderation.services.queueing import screening_queue, screening_settle_wanted, versions_wanted
from moderation.services.screening import screening_run, version_screen_now
from moderation.tasks import sweep_screenings
from registry.models import Version
from registry.services.adapters import adapter_update
from registry.services.samples import Sample
from registry.states import VersionState
from tests.factories.accounts import make_user
from tests.factories.optout import make_picture, names, picture_bytes, register_as
from tests.factories.registry import make_screened

pytestmark = pytest.mark.django_db(transaction=True)
STYLE = "In the style of Greg Rutkowski"


@contextmanager
def _beside(action: Callable[[threading.Event, threading.Event], None]) -> Iterator[threading.Event]:
    """Run the action on a connection of its own; it says when it is half-way, and ends when it is let go."""
    half, go, failed = threading.Event(), threading.Event(), []

    def run() -> None:
        try:
            action(half, go)
        except Exception as error:  # noqa: BLE001 (raised below)
            failed.append(error)
        finally:
            half.set()
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert half.wait(30)
        yield go
    finally:
        go.set()
        thread.join(30)
    assert not thread.is_alive(), "they wait for each other"
    assert not failed, failed


def _codes(version: Version) -> set[str]:
    return {found["code"] for found in Version.objects.get(pk=version.pk).findings}


def _published(ada: User) -> Version:
    version = make_screened(actor=ada, samples=[Sample("a.png", picture_bytes(make_picture()))])
    assert version.state == VersionState.PUBLISHED
    return version


def test_edit_whose_transaction_is_open_while_checks_run_is_looked_at_afterwards() -> None:
    ada = make_user("ada")
    register_as(make_user("holder"), *names("Greg Rutkowski"))
    version = _published(ada)

    def edit(half: threading.Event, go: threading.Event) -> None:
        with transaction.atomic():
            adapter_update(actor=ada, adapter=version.adapter, title=STYLE)  # `updated_at` lies before the checks
            half.set()
            assert go.wait(30)

    with _beside(edit) as go:
        screening = screening_queue(version=version, round=Round.PICTURES)
        assert screening is not None
        leased = service._lease(str(screening.pk))  # reads the title that holds until the edit is committed
        assert leased is not None
        assert leased.version.adapter.title != STYLE
        assert versions_wanted() == []
        go.set()
    service.Screening.objects.filter(pk=screening.pk).update(lease_until=None, state=ScreeningState.RUNNING)
    sweep_screenings()
    assert ScreeningWanted.objects.count() == 1  # it runs, and may have read the old title
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service, "_lease", lambda pk: leased)
        screening_run(screening_id=str(screening.pk))
    assert _codes(version) == set()
    sweep_screenings()
    version_screen_now(version_id=version.pk)
    assert (_codes(version), ScreeningWanted.objects.count()) == ({"optout-name"}, 0)


def test_worker_that_begins_while_a_change_is_settled_reads_the_change() -> None:
    ada = make_user("ada")
    register_as(make_user("holder"), *names("Greg Rutkowski"))
    version = _published(ada)
    screening = screening_queue(version=version, round=Round.PICTURES)
    assert screening is not None
    adapter_update(actor=ada, adapter=version.adapter, title=STYLE)

    def settle(half: threading.Event, go: threading.Event) -> None:
        with transaction.atomic():
            assert screening_settle_wanted(version_id=version.pk) == []  # what waits will do
            half.set()
            go.wait(2)

    with _beside(settle) as go:
        threading.Timer(0.2, go.set).start()
        screening_run(screening_id=str(screening.pk))  # waits until the rows are gone, and reads what they stand for
    assert (_codes(version), ScreeningWanted.objects.count()) == ({"optout-name"}, 0)


def test_entry_that_is_committed_while_checks_run_is_found_by_them_or_by_the_look_back() -> None:
    ada, holder = make_user("ada"), make_user("holder")
    version = _published(ada)
    PictureTrace.objects.all().delete()  # as if its pictures had just come

    def register(half: threading.Event, go: threading.Event) -> None:
        with transaction.atomic():
            register_as(holder, pictures={"Shore": picture_bytes(make_picture())})
            half.set()
            assert go.wait(30)

    with _beside(register) as go:
        found = BY_NAME["works"].run(Subject(version, Round.PICTURES))
        assert found.state == CheckState.PASSED  # nobody sees the entry yet
        assert lookback_begin() is None
        go.set()
    lookback = lookback_begin()
    assert lookback is not None
    while lookback_go_on(lookback_id=lookback.pk):
        pass
    version_screen_now(version_id=version.pk)
    assert _codes(version) == {"optout-work"}


def test_two_sweeps_begin_one_look_back() -> None:
    make_screened(actor=make_user("ada"))
    register_as(make_user("holder"), *names("Greg Rutkowski"))
    begun: list[object] = []

    def begin(half: threading.Event, go: threading.Event) -> None:
        with transaction.atomic():
            begun.append(lookback_begin())
            half.set()
            assert go.wait(30)

    with _beside(begin) as go:
        go.set()
        begun.append(lookback_begin())
    assert len([one for one in begun if one is not None]) == 1
