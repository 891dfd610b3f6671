"""What moderators decide about entries and holders, and what is left when data is erased."""

import io

import pytest
from django.core import mail
from django.core.management import call_command
from django.test import Client
from PIL import Image

from accounts.errors import NotFound
from accounts.models import User
from governance.handles import handle_of
from governance.models import AuditEntry, DecisionRecord
from moderation.errors import RulingRefused
from moderation.models import (
    OptOutClaim,
    OptOutEntry,
    OptOutHolder,
    OptOutPicture,
    WorkFeatures,
    WorkHash,
)
from moderation.optout_things import keyed_digest
from moderation.selectors.optout import names_found, works_found
from moderation.services.optout import holder_by_secret, optout_register
from moderation.services.optout_mail import holder_mails_send, holders_to_mail
from moderation.services.optout_rulings import (
    Verdict,
    entry_erase,
    entry_rule,
    holder_block,
    holder_erase,
    last_ruling,
    thumbnail_view,
    verdicts_possible,
)
from registry.errors import ConflictOfInterest
from tests.factories.accounts import make_user
from tests.factories.optout import (
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
TEXT = "by greg rutkowski"
WHY = "They showed that it is theirs."


@pytest.fixture
def mo() -> User:
    return make_user("mo", is_moderator=True)


def _rule(mo: User, verdict: Verdict, text: str = "Greg Rutkowski", **given: str) -> DecisionRecord:
    return entry_rule(entry=the_entry(text), actor=mo, verdict=verdict, public_reasoning=WHY, **given)


def test_verified_entry_says_so_and_the_decision_is_on_record(mo: User) -> None:
    register_as(make_user(), *names("Greg Rutkowski"))
    record = _rule(mo, Verdict.VERIFY, private_notes="By phone.")
    assert [hit.verified for hit in names_found(TEXT)] == [True]
    assert (record.outcome, record.public_reasoning, record.private_notes) == ("allow", WHY, "By phone.")
    assert "Rutkowski" not in str((record.subject_label, record.reasons, record.request))  # it is kept for good
    assert last_ruling(the_entry("Greg Rutkowski")) == record


def test_verified_single_word_is_looked_for(mo: User) -> None:
    register_as(make_user(), *names("Banksy"))
    _rule(mo, Verdict.VERIFY, "Banksy")
    assert [hit.name for hit in names_found("a wall by banksy")] == ["Banksy"]


def test_rejected_entry_does_not_count_whoever_claims_it_again(mo: User) -> None:
    register_as(make_user("ada"), *names("Greg Rutkowski"))
    first = _rule(mo, Verdict.REJECT)
    register_as(make_user("ben"), *names("Greg Rutkowski"))
    make_import(csv_of("name,Greg Rutkowski"))
    assert names_found(TEXT) == ()
    second = _rule(mo, Verdict.VERIFY)
    assert second.override_of == first
    assert len(names_found(TEXT)) == 1


def test_withdrawn_by_a_moderator_a_list_still_counts(mo: User) -> None:
    register_as(make_user("ada"), *names("Greg Rutkowski"))
    make_import(csv_of("name,Greg Rutkowski"))
    _rule(mo, Verdict.WITHDRAW)
    assert [hit.holders for hit in names_found(TEXT)] == [()]
    assert sorted(OptOutClaim.objects.values_list("state", flat=True)) == ["active", "withdrawn"]


def test_what_nobody_confirmed_cannot_be_verified(mo: User) -> None:
    register_by_mail(*names("Greg Rutkowski"), confirm=False)
    assert verdicts_possible(the_entry("Greg Rutkowski")) == [Verdict.REJECT, Verdict.WITHDRAW]
    with pytest.raises(RulingRefused):
        _rule(mo, Verdict.VERIFY)
    assert not DecisionRecord.objects.exists()


def test_confirmation_after_a_rejection_counts_nothing(mo: User) -> None:
    from moderation.services.optout import optout_confirm

    secret = register_by_mail(*names("Greg Rutkowski"), confirm=False)
    _rule(mo, Verdict.REJECT)
    optout_confirm(secret=secret)
    assert names_found(TEXT) == ()


def test_moderator_decides_nothing_about_themselves(mo: User) -> None:
    register_as(mo, *names("Greg Rutkowski"))
    with pytest.raises(ConflictOfInterest):
        _rule(mo, Verdict.VERIFY)
    with pytest.raises(ConflictOfInterest):
        holder_block(holder=OptOutHolder.objects.get(), actor=mo, public_reasoning=WHY)


def test_decided_twice_is_decided_once(mo: User) -> None:
    register_as(make_user(), *names("Greg Rutkowski"))
    _rule(mo, Verdict.VERIFY)
    with pytest.raises(RulingRefused):
        _rule(mo, Verdict.VERIFY)
    _rule(mo, Verdict.REJECT)
    with pytest.raises(RulingRefused):
        _rule(mo, Verdict.REJECT)


def test_blocked_holder_claims_nothing_and_others_still_do(mo: User) -> None:
    ada, ben = make_user("ada"), make_user("ben")
    register_as(ada, *names("Greg Rutkowski", "Ada Lovelace"))
    register_as(ben, *names("Greg Rutkowski"))
    holder_block(holder=OptOutHolder.objects.get(user=ada), actor=mo, public_reasoning="None of it is theirs.")
    assert [hit.holders for hit in names_found(TEXT)] == [(ben.pk,)]
    assert names_found("ada lovelace") == ()
    with pytest.raises(RulingRefused):
        holder_block(holder=OptOutHolder.objects.get(user=ada), actor=mo, public_reasoning=WHY)


def test_picture_of_a_blocked_holder_does_not_count_when_it_is_ready(mo: User) -> None:
    content = picture_bytes(make_picture())
    made = optout_register(submission=submission(pictures={"Shore": content}), user=make_user("ada"))
    holder_block(holder=OptOutHolder.objects.get(), actor=mo, public_reasoning=WHY)
    from tests.factories.optout import prepare

    prepare(made)
    assert works_found(content) == ()


def test_looking_at_the_picture_is_on_the_audit_log(mo: User) -> None:
    register_as(make_user(), *names("Greg Rutkowski"), pictures={"Shore": picture_bytes(make_picture())})
    picture = Image.open(io.BytesIO(thumbnail_view(entry=the_entry("Shore"), actor=mo)))
    assert max(picture.size) == 320
    entry = AuditEntry.objects.get(action="optout.thumbnail-viewed")
    assert (entry.actor, entry.subject_id) == (handle_of(mo), str(the_entry("Shore").public_id))
    with pytest.raises(NotFound):
        thumbnail_view(entry=the_entry("Greg Rutkowski"), actor=mo)


def test_holder_is_told_by_mail_without_what_was_decided(mo: User) -> None:
    ada = make_user("ada")
    register_as(ada, *names("Greg Rutkowski"))
    register_by_mail(*names("Greg Rutkowski"), email="ben@example.org")
    register_by_mail(*names("Greg Rutkowski"), email="eve@example.org", confirm=False)
    mail.outbox.clear()
    _rule(mo, Verdict.VERIFY)
    for holder_id in holders_to_mail():
        holder_mails_send(holder_id=holder_id)
    assert sorted(one.to[0] for one in mail.outbox) == ["ada@example.org", "ben@example.org"]
    bodies = {one.to[0]: str(one.body) for one in mail.outbox}
    assert "/opt-out/mine" in bodies["ada@example.org"]
    assert holder_by_secret(secret=secret_in(bodies["ben@example.org"])).user is None
    assert not [body for body in bodies.values() if "Rutkowski" in body or WHY in body]
    assert holders_to_mail() == []


def test_blocked_holder_is_told_and_reads_why(mo: User, client: Client) -> None:
    register_by_mail(*names("Greg Rutkowski"))
    holder_block(holder=OptOutHolder.objects.get(), actor=mo, public_reasoning="None of it is theirs.")
    mail.outbox.clear()
    [holder_id] = holders_to_mail()
    assert holder_mails_send(holder_id=holder_id) == 1
    client.get(f"/opt-out/open/{secret_in(str(mail.outbox[0].body))}")
    assert "None of it is theirs." in client.get("/opt-out/mine").content.decode()


# Erasure


def test_erased_entry_is_empty_but_for_a_salted_tombstone(mo: User) -> None:
    register_as(make_user(), *names("Greg Rutkowski"), pictures={"Shore": picture_bytes(make_picture())})
    make_import(csv_of("name,Greg Rutkowski,,,,their-own-word"))
    (name,) = names("Greg Rutkowski")
    digest = the_entry("Greg Rutkowski").digest
    for text in ("Greg Rutkowski", "Shore"):
        entry_erase(entry=the_entry(text), actor=mo)
    assert not WorkHash.objects.exists()
    assert not WorkFeatures.objects.exists()
    for row in (*OptOutEntry.objects.values(), *OptOutClaim.objects.values(), *OptOutPicture.objects.values()):
        for told in ("Rutkowski", "rutko", "Shore", "their-own-word", str(digest)):
            assert told not in str(row)
    entry = OptOutEntry.objects.get(kind="name")
    assert (entry.state, names_found(TEXT)) == ("withdrawn", ())
    stands_for = [
        keyed_digest(str(keyed_digest(thing.key)), bytes(entry.erased_salt or b""))
        for thing in (name, *names("Ada Lovelace"))
    ]
    assert [entry.digest == digest for digest in stands_for] == [True, False]
    assert verdicts_possible(entry) == []
    assert entry_erase(entry=entry, actor=mo).erased_at == entry.erased_at


def test_two_tombstones_of_one_thing_have_nothing_in_common(mo: User) -> None:
    digests = set()
    for user in ("ada", "ben"):
        register_as(make_user(user), *names("Greg Rutkowski"))
        digests.add(entry_erase(entry=the_entry("Greg Rutkowski"), actor=mo).digest)
    assert len(digests) == 2


def test_erased_thing_can_be_registered_again(mo: User) -> None:
    register_as(make_user("ada"), *names("Greg Rutkowski"))
    entry_erase(entry=the_entry("Greg Rutkowski"), actor=mo)
    register_as(make_user("ben"), *names("Greg Rutkowski"))
    assert len(names_found(TEXT)) == 1


def test_erased_holder_leaves_nothing_but_what_others_claim() -> None:
    register_by_mail(*names("Greg Rutkowski", "Ada Lovelace"), email="ada@example.org", name="Ada L.")
    register_by_mail(pictures={"Shore": picture_bytes(make_picture())}, email="ada@example.org")
    register_as(make_user("ben"), *names("Greg Rutkowski"))
    holder = OptOutHolder.objects.get(user=None)
    before = holder.email_digest
    assert holder_erase(holder=holder) == 2
    holder.refresh_from_db()
    assert (holder.name, holder.email_sealed, holder.email_digest, holder.link_digest) == ("", None, None, "")
    assert {entry.text for entry in OptOutEntry.objects.all()} == {"Greg Rutkowski", ""}
    assert len(names_found(TEXT)) == 1
    assert not OptOutPicture.objects.exists()
    register_by_mail(*names("Mary Shelley"), email="ada@example.org")  # may come back, as somebody new
    assert OptOutHolder.objects.get(email_digest=before).pk != holder.pk


def test_chain_stays_verifiable_through_rulings_and_erasure(mo: User) -> None:
    register_as(make_user(), *names("Greg Rutkowski"))
    _rule(mo, Verdict.VERIFY)
    holder_erase(holder=OptOutHolder.objects.get())
    call_command("audit_verify", stdout=io.StringIO())
