"""The people and the things that the matrix walks over, set up once for all of its tests."""

import itertools
import uuid
from dataclasses import dataclass, field

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone

from accounts.models import Namespace, User
from governance.policy import Use
from inference.models import Generation, GenerationBatch, Making, MakingJob, PreviewJob
from registry.models import (
    BaseModel,
    Discussion,
    DiscussionComment,
    Receipt,
    SamplePicture,
    SampleState,
    Upload,
    Version,
    VersionImage,
)
from registry.models.adapters import Visibility
from registry.services.delivery import gate_accept, gate_ask
from registry.services.review import version_release
from registry.services.states import version_transition
from registry.states import VersionState
from tests.factories.accounts import make_organisation, make_token, make_user
from tests.factories.datasets import bring, draft, photo
from tests.factories.registry import catalogue, inspect_and_screen, make_submitted, make_upload
from tests.factories.training import make_run
from tests.safetensors_bytes import lora_bytes
from training.services.datasets import dataset_create
from training.states import RunState

PNG = b"\x89PNG\r\n\x1a\n and the rest of a picture"
SITUATIONS = (
    "draft scanning waiting in-review published refused quarantined withdrawn taken-down withdrawn-early "
    "taken-down-early quarantined-early"
).split()
# Those that the screening held, so that a case was opened about them.
HELD_AT_FIRST = {"in-review", "refused", "taken-down-early", "quarantined-early"}
# "waiting": for its own maintainer; "-early": it never was published.
ORGANISATION_ROLES = "anonymous stranger reader member maintainer owner moderator".split()
PERSONAL_ROLES = "anonymous stranger personal-owner moderator".split()
EVERYBODY = [*ORGANISATION_ROLES, "uploader", "personal-owner"]
EVERY_CASE = [
    (space, visibility, situation)
    for space, visibility, situation in itertools.product(("studio", "pat"), Visibility.values, SITUATIONS)
    if (space, situation) != ("pat", "waiting")  # a person is their own maintainer
]
# What the fast tests walk over: every role, and the states that a receipt outlives. The whole product takes minutes.
SOME_CASES = [
    ("studio", "private", "published"),
    ("studio", "public", "quarantined"),
    ("studio", "public", "taken-down"),
]


@dataclass(frozen=True)
class Case:
    """One adapter with one version, and everything that hangs on it."""

    space: str  # "studio", an organisation, or "pat", a person
    visibility: str
    situation: str
    version: Version
    image: VersionImage
    sample: SamplePicture
    job: PreviewJob
    receipt: Receipt | None
    comment: DiscussionComment  # the uploader's, which opens discussion 1

    def __str__(self) -> str:
        return f"{self.space}/{self.visibility}/{self.situation}"

    @property
    def roles(self) -> list[str]:
        """A member who uploaded a private adapter sees it, other members do not."""
        own = ["uploader"] if self.visibility == Visibility.PRIVATE else []
        return [*ORGANISATION_ROLES, *own] if self.space == "studio" else PERSONAL_ROLES


@dataclass
class House:
    """Everything the matrix asks for."""

    people: dict[str, User] = field(default_factory=dict)
    clients: dict[str, Client] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)  # one finished upload of each person
    cases: list[Case] = field(default_factory=list)
    token_id: int = 0  # an API token of the organisation's owner
    dataset_picture: uuid.UUID | None = None  # of a dataset of the organisation, made by its uploader
    generation_id: uuid.UUID | None = None  # what the uploader drew, with its picture and its batch
    generated_id: uuid.UUID | None = None
    generation_batch_id: uuid.UUID | None = None
    run_id: uuid.UUID | None = None  # a training run of the organisation, made by its uploader


def build() -> House:
    house = House(people=_people())
    house.clients = {"anonymous": Client()}
    for role, person in house.people.items():
        house.clients[role] = Client()
        house.clients[role].force_login(person)
        house.uploads[role] = make_upload(actor=person, content=lora_bytes(seed=900))
    house.token_id = make_token(house.people["owner"])[0].pk
    house.run_id = _run(house)
    _drew(house)
    house.dataset_picture = _dataset(house)
    house.cases = [_case(house, *key) for key in SOME_CASES]
    return house


def rest(house: House) -> list[Case]:
    """The cases that the fast tests leave out."""
    return [_case(house, *key) for key in EVERY_CASE if key not in SOME_CASES]


def _people() -> dict[str, User]:
    people = {role: make_user(role) for role in EVERYBODY if role not in {"anonymous", "personal-owner", "moderator"}}
    people["personal-owner"] = make_user("pat")
    people["moderator"] = make_user("mona", is_moderator=True)
    members = {role: people[role] for role in ("reader", "member", "maintainer")}
    studio = make_organisation(people["owner"], "studio", members)
    studio.memberships.create(user=people["uploader"], role="member")
    return people


def _dataset(house: House) -> uuid.UUID:
    made = dataset_create(
        actor=house.people["uploader"], owner=Namespace.objects.get(slug="studio"), draft=draft("matrix-set")
    )
    bring(made, {"a.png": photo(1)})
    return made.pictures.get().public_id


def _drew(house: House) -> None:
    """A finished picture in a batch, as the uploader's own."""
    catalogue()
    batch = GenerationBatch.objects.create(user=house.people["uploader"], name="set.csv")
    made = Generation.objects.create(
        user=batch.user, batch=batch, base_model=BaseModel.objects.get(slug="tinybase"), purpose="personal",
        prompt="a circle", settings={"width": 64, "height": 64, "steps": 4, "guidance": 2.5, "seed": 1},
        state="done", pictures_total=1, finished_at=timezone.now(),
    )  # fmt: skip
    key = default_storage.save(f"generated/{uuid.uuid4()}.png", ContentFile(PNG))
    picture = made.pictures.create(
        prompt="a circle", text="a circle", seed=1, steps=4, guidance=2.5, width=64, height=64, state="done",
        storage_key=key, finished_at=timezone.now(),
    )  # fmt: skip
    house.generation_id, house.generated_id, house.generation_batch_id = made.pk, picture.pk, batch.pk


def _run(house: House) -> uuid.UUID:
    studio = Namespace.objects.get(slug="studio")
    return make_run(owner=house.people["uploader"], namespace=studio, state=RunState.QUEUED).public_id


def _case(house: House, space: str, visibility: str, situation: str) -> Case:
    seed = 1 + EVERY_CASE.index((space, visibility, situation))  # other tensors for each: none is a copy
    version = _submitted(house, space, visibility, situation, seed)
    receipt = _brought_into(version, situation, house)
    pictures = _picture(version), _sample(version)
    return Case(space, visibility, situation, version, *pictures, _job(version), receipt, _comment(version))


def _submitted(house: House, space: str, visibility: str, situation: str, seed: int) -> Version:
    held = situation in HELD_AT_FIRST
    version = make_submitted(
        actor=house.people["uploader" if space == "studio" else "personal-owner"],
        namespace=Namespace.objects.get(slug=space),
        name=f"{visibility}-{situation}",
        title=f"Title of {visibility} {situation}",
        description="Words of the description.",
        content=lora_bytes(seed=seed),
        visibility=visibility,
        declared={"depicts_real_person": held, "trigger_words": ("wordtrigger",)},
    )
    if situation not in {"draft", "scanning", "withdrawn-early"}:
        inspect_and_screen(version_id=version.pk)
    return Version.objects.select_related("adapter__owner", "created_by", "base_model").get(pk=version.pk)


PATHS = {
    "draft": VersionState.DRAFT,
    "refused": VersionState.REFUSED,
    "quarantined": VersionState.QUARANTINED,
    "withdrawn": VersionState.WITHDRAWN,
    "taken-down": VersionState.TAKEN_DOWN,
}


def _brought_into(version: Version, situation: str, house: House) -> Receipt | None:
    """Lets the version out where it once was, has it downloaded, and moves it to its state."""
    receipt = None
    if situation in {"published", "quarantined", "withdrawn", "taken-down"}:
        if version.state == VersionState.IN_REVIEW:
            version = version_release(version=version, actor=house.people["maintainer"])
        asked = {"actor": version.created_by, "organisation": None, "version": version, "use": Use.PERSONAL}
        receipt = gate_accept(**asked, accepted_terms=gate_ask(**asked).terms.digest)
    if (wanted := PATHS.get(situation.removesuffix("-early"))) is not None:
        detail = {"code": "matrix", "what": "Moved by the matrix."}
        version_transition(version=version, to=wanted, actor=None, detail=detail)
    return receipt


def _picture(version: Version) -> VersionImage:
    key = default_storage.save(f"images/{uuid.uuid4()}.png", ContentFile(PNG))
    return VersionImage.objects.create(
        version=version, row=0, column=0, prompt="a circle", seed=1, steps=1, guidance=1, strength=1,
        base_model="tinybase", width=64, height=64, storage_key=key, sha256="0" * 64, screened_at=timezone.now(),
    )  # fmt: skip


def _sample(version: Version) -> SamplePicture:
    key = default_storage.save(f"samples/{uuid.uuid4()}.png", ContentFile(PNG))
    return SamplePicture.objects.create(
        version=version, state=SampleState.SHOWN, storage_key=key, sha256="1" * 64, width=64, height=64,
        added_by=version.created_by,
    )  # fmt: skip


def _comment(version: Version) -> DiscussionComment:
    """As it stands where something was published, or was not yet: written down, for its service asks for the state."""
    talk = Discussion.objects.create(
        adapter=version.adapter, number=1, title="Words of a title", author=version.created_by, comment_count=1
    )
    return talk.comments.create(position=1, author=version.created_by, text="Words of a comment.", html="Words.")


def _job(version: Version) -> PreviewJob:
    """Its previews, and how it was made."""
    MakingJob.objects.create(
        kind=Making.COMPARE, version=version, created_by=version.created_by, base_model=version.base_model,
        finished_at=timezone.now(), state="done",
    )  # fmt: skip
    return PreviewJob.objects.create(version=version, pictures_total=4)


def everybody_in(cases: list[Case]) -> list[tuple[Case, str]]:
    """Each case with each role that stands towards it."""
    return [(case, role) for case in cases for role in case.roles]
