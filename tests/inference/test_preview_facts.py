"""The numbers beside the previews: measured once a job is done, told to who may see them."""

import io

import numpy as np
import pytest
from django.test import Client
from PIL import Image

from accounts.models import User
from inference.models import PreviewFacts, PreviewJob
from inference.selectors.preview_facts import preview_report
from inference.services.preview_facts import preview_measure, previews_unmeasured
from inference.states import JobState
from moderation.matching.fingerprints import Fingerprint
from moderation.matching.fingerprints.fingerprint import LENGTH
from moderation.matching.fingerprints.sketch import VERSION
from moderation.models import WeightFingerprint
from registry.models import Version, VersionImage
from registry.models.adapters import Visibility
from registry.storage import store_bytes
from tests.factories.accounts import make_user
from tests.factories.registry import make_version
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db


def _picture(
    version: Version, place: tuple[int, int], shows: str, prompt: str, seed: int, strength: float, grey: int
) -> None:
    file = io.BytesIO()
    Image.new("RGB", (64, 64), (grey, grey, grey)).save(file, "PNG")
    key = f"images/{version.pk}/{place[0]}-{place[1]}.png"
    store_bytes(content=file.getvalue(), key=key)
    VersionImage.objects.create(
        version=version, row=place[0], column=place[1], shows=shows, prompt=prompt, seed=seed, strength=strength,
        steps=1, guidance=1, base_model="tinybase", width=64, height=64, storage_key=key, sha256="0" * 64,
    )  # fmt: skip


@pytest.fixture
def done(job: PreviewJob, version: Version) -> PreviewJob:
    """A finished job: black becomes grey, without the word as well but less, and both seeds come out alike."""
    for column, (strength, grey) in enumerate([(0.0, 0), (0.5, 60), (1.0, 120)]):
        _picture(version, (0, column), "strength", "zwx a lake", 1, strength, grey)
    for column, (strength, grey) in enumerate([(0.0, 0), (1.0, 60)]):
        _picture(version, (1, column), "plain", "a lake", 1, strength, grey)
    for column, (strength, grey) in enumerate([(0.0, 200), (1.0, 120)]):
        _picture(version, (2, column), "seeds", "zwx a lake", 2, strength, grey)
    PreviewJob.objects.filter(pk=job.pk).update(state=JobState.DONE, finished_at=job.created_at)
    job.refresh_from_db()
    return job


def test_finished_job_is_measured_and_told_in_words(done: PreviewJob, version: Version, ada: User) -> None:
    facts = preview_measure(job_id=str(done.pk))
    assert facts is not None
    assert [strength for strength, _ in facts.curve] == [0.5, 1.0]
    assert facts.change == facts.with_trigger > facts.without_trigger > 0  # type: ignore[operator]
    assert (facts.diversity, facts.reference) == (0, 1.0)
    report = preview_report(actor=ada, version=version)
    assert report is not None
    assert report.chart is not None
    share = facts.without_trigger / facts.with_trigger  # type: ignore[operator]
    assert [(fact.name, fact.value, fact.meaning.split(":")[0]) for fact in report.told] == [
        ("Change of the picture", f"ΔE {facts.change:.1f}", "Strong"),
        ("Without its trigger word", f"{share:.0%} of the change", "It acts in part without its word"),
        ("Variety", "0% of the base's", "Pictures from different seeds become alike."),
    ]


def test_measuring_again_gives_the_same_numbers_in_one_row(done: PreviewJob) -> None:
    first, second = preview_measure(job_id=str(done.pk)), preview_measure(job_id=str(done.pk))
    assert first is not None
    assert second is not None
    assert (first.curve, first.diversity) == (second.curve, second.diversity)
    assert PreviewFacts.objects.count() == 1


def test_unfinished_job_is_not_measured(job: PreviewJob) -> None:
    assert preview_measure(job_id=str(job.pk)) is None
    assert previews_unmeasured() == []


def test_sweep_finds_what_lost_its_message_and_only_the_newest(done: PreviewJob, version: Version) -> None:
    assert previews_unmeasured() == [str(done.pk)]
    later = PreviewJob.objects.create(version=version, state=JobState.DONE, finished_at=done.finished_at)
    assert previews_unmeasured() == [str(later.pk)]
    assert preview_measure(job_id=str(done.pk)) is None  # its pictures are the other job's by now
    assert preview_measure(job_id=str(later.pk)) is not None
    assert previews_unmeasured() == []


def _fingerprint(version: Version, first: float, second: float) -> None:
    vector = np.zeros(LENGTH, np.float32)
    vector[:2] = np.array([first, second]) / np.hypot(first, second)
    stored = Fingerprint(VERSION, vector, 1).to_bytes()
    WeightFingerprint.objects.create(version=version, method=VERSION, vector=stored, modules=1)


def test_likeness_tells_only_of_what_the_reader_may_see(done: PreviewJob, version: Version, ada: User) -> None:
    open_ = make_version(actor=make_user("ben"), content=lora_bytes(seed=2))
    hidden = make_version(actor=make_user("eve"), content=lora_bytes(seed=3), visibility=Visibility.PRIVATE)
    for one, angle in [(version, (1.0, 0.0)), (open_, (0.8, 0.6)), (hidden, (0.9, 0.436))]:
        _fingerprint(one, *angle)
    facts = preview_measure(job_id=str(done.pk))
    assert facts is not None
    assert [pk for pk, _ in facts.alike] == [hidden.pk, open_.pk]
    report = preview_report(actor=ada, version=version)
    assert report is not None
    assert [(one.version.pk, pytest.approx(one.likeness, abs=0.01)) for one in report.alike] == [(open_.pk, 0.8)]
    eve = preview_report(actor=hidden.created_by, version=version)
    assert eve is not None
    assert [one.version.pk for one in eve.alike] == [hidden.pk, open_.pk]


def test_page_shows_the_numbers_beside_the_pictures(
    done: PreviewJob, version: Version, client: Client, ada: User
) -> None:
    preview_measure(job_id=str(done.pk))
    client.force_login(ada)
    address = f"/{version.adapter.owner.slug}/{version.adapter.name}/v/{version.number}/previews"
    html = client.get(address).content.decode()
    assert "Measured on these pictures" in html
    assert "Without its trigger word: “a lake”" in html
    assert "Further seeds of “zwx a lake”" in html
    client.logout()
    assert "Measured" not in client.get(address).content.decode()  # nobody has looked at the pictures yet
