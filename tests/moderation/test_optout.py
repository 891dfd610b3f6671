"""Registering, confirming and withdrawing: what counts, from when on, and for whom."""

from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from governance.models import AuditEntry
from moderation.errors import OptOutLinkInvalid, RegistrationRefused
from moderation.models import (
    OptOutClaim,
    OptOutEntry,
    OptOutHolder,
    OptOutPicture,
    OptOutRegistration,
)
from moderation.selectors.optout import domains_found, names_found
from moderation.services.optout import (
    CONFIRM_WITHIN,
    Submission,
    claims_withdraw,
    holder_by_secret,
    holder_link_ask,
    optout_confirm,
    optout_register,
    registrations_expire,
)
from moderation.services.optout_mail import holder_mails_send, holders_to_mail
from tests.factories.accounts import make_user
from tests.factories.optout import (
    addresses,
    csv_of,
    make_import,
    make_picture,
    names,
    picture_bytes,
    register_as,
    register_by_mail,
    secret_in,
    submission,
    the_entry,
)

pytestmark = pytest.mark.django_db
TEXT = "A portrait in the style of gr3g rutk0wski, oil on canvas"


def _found() -> list[str]:
    return [hit.name for hit in names_found(TEXT)]


def test_account_counts_at_once_and_is_not_verified() -> None:
    ada = make_user("ada")
    register_as(ada, *names("Greg Rutkowski"))
    [hit] = names_found(TEXT)
    assert (hit.name, hit.found, hit.verified, hit.holders) == ("Greg Rutkowski", "gr3g rutk0wski", False, (ada.pk,))
    assert hit.entry_id == str(the_entry("Greg Rutkowski").public_id)


def test_mailbox_counts_when_its_link_was_followed() -> None:
    secret = register_by_mail(*names("Greg Rutkowski"), confirm=False)
    assert the_entry("Greg Rutkowski").state == "pending"
    assert _found() == []
    manage = optout_confirm(secret=secret)
    assert _found() == ["Greg Rutkowski"]
    assert holder_by_secret(secret=manage) == OptOutHolder.objects.get()


def test_confirmation_may_be_followed_twice_and_changes_nothing_more() -> None:
    secret = register_by_mail(*names("Greg Rutkowski"), confirm=False)
    first = optout_confirm(secret=secret)
    confirmed_at = OptOutRegistration.objects.get().confirmed_at
    second = optout_confirm(secret=secret)
    assert OptOutRegistration.objects.get().confirmed_at == confirmed_at
    assert holder_by_secret(secret=second)
    with pytest.raises(OptOutLinkInvalid):
        holder_by_secret(secret=first)  # the newest link alone works
    assert AuditEntry.objects.filter(action="optout.confirmed").count() == 1


def test_confirmation_does_not_revive_what_was_withdrawn() -> None:
    secret = register_by_mail(*names("Greg Rutkowski"), confirm=False)
    optout_confirm(secret=secret)
    claims_withdraw(holder=OptOutHolder.objects.get(), entry=the_entry("Greg Rutkowski"))
    optout_confirm(secret=secret)
    assert _found() == []


@pytest.mark.parametrize("secret", ["", "x", "a" * 43])
def test_unknown_links_open_nothing(secret: str) -> None:
    register_as(make_user(), *names("Greg Rutkowski"))  # a holder without a link, whose digest is empty
    with pytest.raises(OptOutLinkInvalid):
        optout_confirm(secret=secret)
    with pytest.raises(OptOutLinkInvalid):
        holder_by_secret(secret=secret)


def test_links_run_out() -> None:
    secret = register_by_mail(*names("Greg Rutkowski"), confirm=False)
    manage = optout_confirm(secret=secret)
    past = timezone.now() - timedelta(seconds=1)
    OptOutRegistration.objects.update(expires_at=past)
    OptOutHolder.objects.update(link_expires_at=past)
    with pytest.raises(OptOutLinkInvalid):
        optout_confirm(secret=secret)
    with pytest.raises(OptOutLinkInvalid):
        holder_by_secret(secret=manage)


def test_one_mailbox_is_one_holder_and_confirms_each_registration() -> None:
    register_by_mail(*names("Greg Rutkowski"), email="Ada@Example.org")
    register_by_mail(*addresses("example.com"), email="ada@example.org", confirm=False)
    holder = OptOutHolder.objects.get()
    assert holder.registrations.count() == 2
    assert domains_found("example.com") == ()  # anybody could have typed that address
    assert b"ada@example.org" not in bytes(holder.email_sealed or b"")
    assert "ada" not in (holder.email_digest or "")


def test_database_keeps_no_secret_of_a_link() -> None:
    confirmation = register_by_mail(*names("Greg Rutkowski"), confirm=False)
    manage = optout_confirm(secret=confirmation)
    for row in (*OptOutHolder.objects.values(), *OptOutRegistration.objects.values()):
        assert confirmation not in map(str, row.values())
        assert manage not in map(str, row.values())


def test_same_thing_twice_is_one_entry_with_two_claims() -> None:
    register_as(make_user("ada"), *names("Greg Rutkowski"), *addresses("https://www.example.com/"))
    register_by_mail(*names("GREG  RUTKOWSKI", "Greg Rutkowskí"), *addresses("example.com"), email="ben@example.org")
    assert OptOutEntry.objects.count() == 2
    assert sorted(OptOutClaim.objects.values_list("entry__text", flat=True)) == [
        "Greg Rutkowski", "Greg Rutkowski", "example.com", "example.com",
    ]  # fmt: skip


def test_withdrawn_by_one_it_counts_for_the_other() -> None:
    ada, ben = make_user("ada"), make_user("ben")
    register_as(ada, *names("Greg Rutkowski"))
    register_as(ben, *names("Greg Rutkowski"))
    entry = the_entry("Greg Rutkowski")
    assert [hit.holders for hit in names_found(TEXT)] == [()]
    assert claims_withdraw(holder=OptOutHolder.objects.get(user=ada), entry=entry, actor=ada) == 1
    assert [hit.holders for hit in names_found(TEXT)] == [(ben.pk,)]
    assert claims_withdraw(holder=OptOutHolder.objects.get(user=ben), entry=entry, actor=ben) == 1
    assert _found() == []
    assert claims_withdraw(holder=OptOutHolder.objects.get(user=ben), entry=entry, actor=ben) == 0
    entry.refresh_from_db()
    assert entry.state == "withdrawn"
    register_as(ben, *names("Greg Rutkowski"))
    assert _found() == ["Greg Rutkowski"]


@pytest.mark.parametrize("first", ["account", "mailbox", "list"])
def test_nobody_excuses_themselves_by_claiming_what_is_anothers(first: str) -> None:
    eve = make_user("eve")
    if first == "account":
        register_as(make_user("ada"), *names("Greg Rutkowski"))
    elif first == "mailbox":
        register_by_mail(*names("Greg Rutkowski"))
    else:
        make_import(csv_of("name,Greg Rutkowski"))
    register_as(eve, *names("Greg Rutkowski"))
    assert [hit.holders for hit in names_found(TEXT)] == [()]


def test_unconfirmed_claim_of_another_takes_nobodys_excuse() -> None:
    ada = make_user("ada")
    register_as(ada, *names("Greg Rutkowski"))
    register_by_mail(*names("Greg Rutkowski"), confirm=False)
    assert [hit.holders for hit in names_found(TEXT)] == [(ada.pk,)]


def test_unconfirmed_expires_with_all_that_came_of_it_alone() -> None:
    picture = {"Shore": picture_bytes(make_picture())}
    register_as(make_user("ben"), *names("Greg Rutkowski"))
    register_by_mail(*names("Greg Rutkowski", "Zdzislaw Beksinski"), pictures=picture, confirm=False)
    assert registrations_expire() == 0
    assert registrations_expire(now=timezone.now() + CONFIRM_WITHIN + timedelta(minutes=1)) == 1
    assert [entry.text for entry in OptOutEntry.objects.all()] == ["Greg Rutkowski"]
    assert OptOutHolder.objects.get().user is not None
    assert not OptOutPicture.objects.exists()
    assert _found() == ["Greg Rutkowski"]


def test_mail_carries_the_link_and_goes_out_once() -> None:
    made = optout_register(submission=submission(*names("Greg Rutkowski")), email="ada@example.org")
    assert holders_to_mail() == [made.holder_id]
    assert holder_mails_send(holder_id=made.holder_id) == 1
    assert holder_mails_send(holder_id=made.holder_id) == 0
    assert holders_to_mail() == []
    [sent] = mail.outbox
    assert sent.to == ["ada@example.org"]
    assert "within 7 days" in sent.body
    assert optout_confirm(secret=secret_in(str(sent.body)))


def test_mail_that_fails_is_sent_again(settings: object) -> None:
    made = optout_register(submission=submission(*names("Greg Rutkowski")), email="ada@example.org")
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"  # type: ignore[attr-defined]
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9  # type: ignore[attr-defined]
    with pytest.raises(OSError):  # nothing listens there
        holder_mails_send(holder_id=made.holder_id)
    assert holders_to_mail() == [made.holder_id]


def test_manage_link_is_sent_to_who_has_confirmed_entries_alone() -> None:
    register_by_mail(*names("Greg Rutkowski"))
    register_by_mail(*names("Zdzislaw Beksinski"), email="eve@example.org", confirm=False)
    mail.outbox.clear()
    for email in ("ADA@example.org ", "eve@example.org", "nobody@example.org"):
        holder_link_ask(email=email)
    for holder_id in holders_to_mail():
        holder_mails_send(holder_id=holder_id)
    [sent] = mail.outbox
    assert sent.to == ["ada@example.org"]
    assert holder_by_secret(secret=secret_in(str(sent.body)))


def test_blocked_mailbox_gets_no_mail_and_nothing_counts() -> None:
    register_by_mail(*names("Greg Rutkowski"))
    OptOutHolder.objects.update(blocked_at=timezone.now())
    made = optout_register(submission=submission(*names("Zdzislaw Beksinski")), email="ada@example.org")
    assert holder_mails_send(holder_id=made.holder_id) == 0
    assert holders_to_mail() == []


def test_blocked_account_is_told() -> None:
    ada = make_user("ada")
    register_as(ada, *names("Greg Rutkowski"))
    OptOutHolder.objects.update(blocked_at=timezone.now())
    with pytest.raises(RegistrationRefused, match="blocked"):
        register_as(ada, *names("Zdzislaw Beksinski"))


def test_nothing_and_too_much_are_refused() -> None:
    with pytest.raises(RegistrationRefused, match="nothing"):
        Submission()
    with pytest.raises(RegistrationRefused, match="too many"):
        Submission(tuple(names("Greg Rutkowski") * 501))


def test_single_word_is_looked_for_only_when_verified() -> None:
    register_as(make_user(), *names("Banksy"))
    assert names_found("a wall by Banksy") == ()
    OptOutEntry.objects.update(ruling="verified")
    from moderation.services.optout_entries import entries_settle

    assert entries_settle(OptOutEntry.objects.values_list("pk", flat=True)) == 1
    assert [hit.name for hit in names_found("a wall by Banksy")] == ["Banksy"]


def test_registration_is_on_the_audit_log_without_personal_data() -> None:
    register_by_mail(*names("Greg Rutkowski"), *addresses("example.com"))
    entries = AuditEntry.objects.filter(action__startswith="optout.")
    assert [entry.action for entry in entries] == ["optout.registered", "optout.confirmed"]
    written = " ".join(str((entry.subject_id, entry.data, entry.actor)) for entry in entries)
    for personal in ("Rutkowski", "example", "ada", "Ada"):
        assert personal not in written


def test_names_are_held_in_memory_only_until_they_change() -> None:
    ada = make_user("ada")
    register_as(ada, *names("Greg Rutkowski"))
    assert _found() == ["Greg Rutkowski"]
    claims_withdraw(holder=OptOutHolder.objects.get(), entry=the_entry("Greg Rutkowski"), actor=ada)
    assert _found() == []
    register_as(ada, *names("Zdzislaw Beksinski"))
    assert [hit.name for hit in names_found("zdzisław beksiński")] == ["Zdzislaw Beksinski"]
