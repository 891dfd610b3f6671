"""Asking for pictures: the gate, the words, the quotas; what is refused says why and leaves nothing behind."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from governance.errors import GovernanceRefused
from governance.models import AuditEntry, DecisionRecord
from inference.errors import GenerationQuota, GenerationRefused, PromptRefused
from inference.generation_plan import RANDOM, AxisKind, axis_of
from inference.generation_states import GenerationState, PictureState
from inference.models import Generation, GenerationBatch, GenerationPicture
from inference.selectors.generation_check import generation_check
from inference.services.generation import generation_ask, generations_ask
from inference.services.generation_leasing import (
    MAX_ATTEMPTS,
    lease_give_back,
    picture_end,
    pictures_take,
    pictures_wait,
    progress_report,
)
from inference.services.generation_results import generation_cancel, generation_delete, generations_forget
from moderation.models import ErasedVia
from moderation.selectors.personal_data import USER_PARTS
from moderation.services.data_erasure import Choices, user_erase
from registry.models import BaseModel
from registry.models.adapters import Visibility
from registry.services.holding import version_quarantine
from tests.factories.accounts import make_organisation, make_user
from tests.factories.generation import spec
from tests.factories.optout import names, register_as
from tests.factories.registry import catalogue, make_submitted, make_version
from tests.inference.messages import taken
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(db: None) -> User:
    catalogue()
    return make_user("ada")


def _version(owner: User, name: str = "style", *, seed: int = 1, **given: Any) -> Any:
    return make_version(actor=owner, name=name, content=lora_bytes(seed=seed), **given)


def test_request_becomes_rows_with_both_decisions_on_record(ada: User, django_capture_on_commit_callbacks: Any) -> None:
    version = _version(ada)
    bert = make_user("bert")
    with django_capture_on_commit_callbacks(execute=True):
        made = generation_ask(actor=bert, spec=spec("a <lora:ada/style:0.5:0.75>", seed=RANDOM, count=2))
    assert (made.state, made.pictures_total, made.prompt) == ("queued", 2, "a <lora:ada/style:0.5:0.75>")
    assert [one.version for one in made.adapters.all()] == [version]
    first, second = made.pictures.all()
    assert (first.text, first.weights) == ("a", [[0, 0.5, 0.75]])
    assert second.seed == (first.seed + 1) % 2**32
    assert made.hosting_decision is not None
    assert made.purpose_decision is not None
    assert (made.hosting_decision.action, made.purpose_decision.action) == ("hosted-service", "personal")
    assert {made.hosting_decision.outcome, made.purpose_decision.outcome} == {"allow"}
    assert made.purpose_decision.actor == bert
    assert ("inference.tasks.draw_generations", []) in taken("gpu")


def test_name_alone_is_ones_own_or_the_only_one(ada: User) -> None:
    bert = make_user("bert")
    mine, other = _version(ada, seed=1), _version(bert, seed=2)
    assert generation_ask(actor=ada, spec=spec("x <lora:style>")).adapters.get().version == mine
    assert generation_ask(actor=bert, spec=spec("x <lora:style>")).adapters.get().version == other
    with pytest.raises(GenerationRefused, match="several adapters") as caught:
        generation_ask(actor=make_user("cy"), spec=spec("x <lora:style>"))
    assert "ada/style, bert/style" in caught.value.remedy


def test_name_alone_is_ones_own_however_many_others_have_it(ada: User) -> None:
    for number, name in enumerate(("a1", "a2", "a3", "a4", "a5", "a6", "a7")):
        _version(make_user(name), seed=10 + number)
    zoe = make_user("zoe")
    mine = _version(zoe, seed=30)
    assert generation_ask(actor=zoe, spec=spec("x <lora:style>")).adapters.get().version == mine


@pytest.mark.parametrize("address", ["ada/style", "ada/style/v/1", "ada/nothing", "style"])
def test_adapter_that_may_not_be_seen_is_as_absent(ada: User, address: str) -> None:
    _version(ada, visibility=Visibility.PRIVATE)
    with pytest.raises(GenerationRefused) as caught:
        generation_ask(actor=make_user("bert"), spec=spec(f"x <lora:{address}:1>"))
    assert caught.value.detail.startswith("There is no ")
    assert Generation.objects.count() == DecisionRecord.objects.filter(action="hosted-service").count() == 0


def test_draft_is_for_its_own_people(ada: User) -> None:
    studio = make_organisation(ada, "studio")
    version = make_submitted(actor=ada, namespace=studio.namespace, content=lora_bytes(seed=3))
    with pytest.raises(GenerationRefused, match="cannot be used now"):
        generation_ask(actor=ada, spec=spec("x <lora:studio/style/v/1:1>"))
    assert version.state == "scanning"


def test_withheld_version_and_another_family_are_explained(ada: User) -> None:
    version = _version(ada)
    told = {"what": "Held back.", "why": "A rights holder objects.", "remedy": "Wait for the decision."}
    version_quarantine(version=version, actor=None, code="rights", **told)
    with pytest.raises(GenerationRefused) as caught:
        generation_ask(actor=ada, spec=spec("x <lora:ada/style/v/1:1>"))
    problem = caught.value.data["problems"][0]
    assert problem["adapter"] == "ada/style/v/1"
    assert "cannot be used now" in problem["what"]
    assert problem["why"]
    assert problem["remedy"]


def test_use_that_the_licence_forbids_is_refused_on_record(ada: User) -> None:
    _version(ada, declared={"licence_id": "cc-by-nc-4.0", "commercial_use": ()})
    bert = make_user("bert")
    assert generation_ask(actor=bert, spec=spec("x <lora:ada/style>")).pictures_total == 1
    with pytest.raises(GovernanceRefused) as caught:
        generation_ask(actor=bert, spec=spec("x <lora:ada/style>", purpose="commercial-outputs"))
    assert caught.value.record.outcome == "deny"
    assert DecisionRecord.objects.filter(pk=caught.value.record.pk, actor=bert).exists()
    assert Generation.objects.count() == 1


def test_adapter_that_the_licence_forbids_is_told_while_somebody_types(ada: User) -> None:
    """Before anything is sent, with the licence's reason; nothing is on record by that."""
    _version(ada, declared={"licence_id": "cc-by-nc-4.0", "commercial_use": ()})
    bert, base = make_user("bert"), BaseModel.objects.get(slug="tinybase")
    asked = spec("x <lora:ada/style>")
    assert generation_check(actor=bert, spec=asked, base=base).is_clear
    records = DecisionRecord.objects.count()
    found = generation_check(actor=bert, spec=replace(asked, purpose="commercial-outputs"), base=base)
    assert not found.is_clear
    (answer,) = found.answers
    assert (answer.is_allowed, answer.decision and answer.decision.outcome) == (False, "deny")
    assert answer.problem["what"] == "ada/style v1: It may not be used for this purpose."
    assert answer.problem["remedy"] == "Choose another purpose, or take another adapter."
    assert DecisionRecord.objects.count() == records


def test_paid_house_needs_the_creators_tick(ada: User, settings: Any) -> None:
    _version(ada, declared={"commercial_use": ("image",)})
    settings.GENERATION_IS_PAID = True
    with pytest.raises(GovernanceRefused) as caught:
        generation_ask(actor=make_user("bert"), spec=spec("x <lora:ada/style>"))
    assert caught.value.decision.reasons[0].code == "flag-commercial-rent"


def test_prompt_with_youth_and_sexual_terms_is_refused_on_record(ada: User) -> None:
    with pytest.raises(PromptRefused) as caught:
        generation_ask(actor=ada, spec=spec("nude teen girl"))
    assert caught.value.data["codes"] == ["youth-sexual"]
    entry = AuditEntry.objects.get(action="generation.prompt-refused")
    assert entry.data == {"codes": ["youth-sexual"]}
    assert Generation.objects.count() == 0


def test_youth_terms_alone_make_the_checks_stricter(ada: User) -> None:
    assert generation_ask(actor=ada, spec=spec("a child with a kite")).watchful
    assert not generation_ask(actor=ada, spec=spec("a kite", negative="child")).watchful


def test_word_of_an_axis_is_checked_as_the_prompt_is(ada: User) -> None:
    axis = axis_of(AxisKind.WORDS, "woman, teen girl")
    with pytest.raises(PromptRefused):
        generation_ask(actor=ada, spec=spec("nude woman", x=axis))


def test_registered_name_is_refused_with_what_to_do(ada: User) -> None:
    register_as(make_user("greta"), *names("Greta Rutowskaja"))
    with pytest.raises(PromptRefused, match="Greta Rutowskaja") as caught:
        generation_ask(actor=ada, spec=spec("a castle by Greta Rutowskaja"))
    assert caught.value.data["codes"] == ["optout-name"]
    assert generation_ask(actor=ada, spec=spec("a castle", negative="Greta Rutowskaja")).pictures_total == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": "x <lora:a b>"}, "prompt"),
        ({"base_model": "sdxl-1.0"}, "base_model"),
        ({"purpose": "publish"}, "purpose"),
        ({"steps": 1000}, "steps"),
        ({"sampler": "magic"}, "sampler"),
    ],
)
def test_what_cannot_be_made_is_named_at_its_field(ada: User, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(GenerationRefused) as caught:
        generation_ask(actor=ada, spec=replace(spec(), **changes))
    assert list(caught.value.data["errors"]) == [field]


def test_quotas_hold_and_say_what_is_left(ada: User, settings: Any) -> None:
    settings.GENERATION_WAITING_PER_USER, settings.GENERATION_PICTURES_A_DAY = 3, 4
    made = generation_ask(actor=ada, spec=spec(count=2))
    with pytest.raises(GenerationQuota, match="2 of yours are waiting"):
        generation_ask(actor=ada, spec=spec(count=2))
    generation_cancel(generation=made)
    generation_ask(actor=ada, spec=spec(count=2))
    GenerationPicture.objects.update(state=PictureState.CANCELLED)
    with pytest.raises(GenerationQuota, match="last 24 hours"):
        generation_ask(actor=ada, spec=spec())
    assert generation_ask(actor=make_user("bert"), spec=spec()).pictures_total == 1


def test_batch_is_taken_whole_or_not_at_all(ada: User) -> None:
    _version(ada)
    with pytest.raises(GenerationRefused) as caught:
        generations_ask(actor=ada, specs=[spec(), spec("x <lora:ada/none>"), spec(steps=0)])
    assert sorted(caught.value.data["rows"]) == [2, 3]
    assert GenerationBatch.objects.count() == Generation.objects.count() == 0
    before = DecisionRecord.objects.count()
    batch = generations_ask(actor=ada, specs=[spec(), spec("x <lora:ada/style>"), spec("y")], name="set.csv")
    assert [one.prompt for one in batch.generations.order_by("created_at")][1] == "x <lora:ada/style>"
    assert DecisionRecord.objects.count() - before == 4, "requests that are alike share their decisions"


def test_fair_turns_between_people(ada: User, settings: Any) -> None:
    settings.GENERATION_TOGETHER = 1
    many = generation_ask(actor=ada, spec=spec(count=3))
    one = generation_ask(actor=make_user("bert"), spec=spec())
    first = pictures_take(worker="a")
    assert first is not None
    assert first.pictures[0].generation == many
    GenerationPicture.objects.filter(pk=first.pictures[0].pk).update(
        state="done", storage_key="x", seconds=30, finished_at=timezone.now(), lease_token=None, lease_until=None
    )
    second = pictures_take(worker="a")
    assert second is not None
    assert second.pictures[0].generation == one, "who had less goes first, although others asked earlier"


def test_lease_is_one_workers_until_it_ends(ada: User) -> None:
    generation_ask(actor=ada, spec=spec())
    lease = pictures_take(worker="dead")
    assert lease is not None
    assert pictures_take(worker="other") is None
    GenerationPicture.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert pictures_wait()
    again = pictures_take(worker="other")
    assert again is not None
    assert again.pictures[0].attempts == 2
    pk = str(lease.pictures[0].pk)
    assert progress_report(token=lease.token, pictures=[pk], step=1, steps=4) == {pk}, "the first one hears of it"
    assert not picture_end(token=lease.token, pk=pk, state=PictureState.FAILED)


def test_picture_that_breaks_off_again_and_again_ends_explained(ada: User) -> None:
    made = generation_ask(actor=ada, spec=spec())
    for _ in range(MAX_ATTEMPTS):
        lease = pictures_take(worker="breaks")
        assert lease is not None
        lease_give_back(token=lease.token)
    made.refresh_from_db()
    picture = made.pictures.get()
    assert (made.state, picture.state) == (GenerationState.FAILED, PictureState.FAILED)
    assert picture.problem.keys() == {"what", "why", "remedy"}


def test_picture_that_waited_too_long_is_given_up(ada: User) -> None:
    made = generation_ask(actor=ada, spec=spec())
    GenerationPicture.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert pictures_take(worker="late") is None
    made.refresh_from_db()
    assert made.state == GenerationState.FAILED
    assert "given up" in made.pictures.get().problem["what"]


def test_cancel_ends_what_waits_and_tells_who_draws(ada: User) -> None:
    made = generation_ask(actor=ada, spec=spec(count=5))
    lease = pictures_take(worker="a")
    assert lease is not None
    generation_cancel(generation=made)
    assert sorted(made.pictures.values_list("state", flat=True)) == ["cancelled", *["running"] * 4]
    ids = [str(one.pk) for one in lease.pictures]
    assert progress_report(token=lease.token, pictures=ids, step=1, steps=4) == set(ids)
    GenerationPicture.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert pictures_take(worker="b") is None, "what was cancelled is not drawn after a crash"
    made.refresh_from_db()
    assert made.state == GenerationState.CANCELLED


def test_prompts_and_pictures_are_forgotten_in_time(ada: User) -> None:
    old, new = generation_ask(actor=ada, spec=spec("old")), generation_ask(actor=ada, spec=spec("new"))
    Generation.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=31))
    assert generations_forget() == 1
    assert list(Generation.objects.all()) == [new]
    generation_cancel(generation=new)
    generation_delete(generation=new)
    assert GenerationPicture.objects.count() == 0
    assert DecisionRecord.objects.filter(action="personal").count() == 2, "decisions stay"


def test_account_takes_prompts_and_pictures_along(ada: User) -> None:
    generations_ask(actor=ada, specs=[spec("mine"), spec("too")])
    other = generation_ask(actor=make_user("bert"), spec=spec("bert's"))
    kept = USER_PARTS["generations"](ada)
    assert [(row["prompt"], len(row["pictures"])) for row in kept] == [("mine", 1), ("too", 1)]
    user_erase(user=ada, choices=Choices(), via=ErasedVia.ACCOUNT)
    assert list(Generation.objects.all()) == [other]
    assert GenerationBatch.objects.count() == 0
