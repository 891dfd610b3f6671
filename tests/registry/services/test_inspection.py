"""Inspection: one worker at a time, healed when it dies, refused with a reason, held when something does not fit."""

import io
import json
import pickle
import struct
import zipfile

import pytest

from accounts.models import User
from registry.models import Blob, Version
from registry.services.uploads import upload_path
from registry.states import VersionState
from tests.factories.accounts import make_organisation, make_user
from tests.factories.registry import inspect_and_screen, make_submitted, make_version, stored_file
from tests.safetensors_bytes import lora_bytes, safetensors_bytes

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return make_user("ada")


def _stored(version: Version) -> Version:
    return Version.objects.select_related("adapter__owner", "decision", "upload").get(pk=version.pk)


def _inspected(version: Version) -> Version:
    inspect_and_screen(version_id=version.pk)
    return _stored(version)


# What lies behind a sound file


def test_sound_file_is_stored_hashed_and_published_with_its_decision(ada: User) -> None:
    content = lora_bytes(metadata={"ss_network_module": "networks.lora", "ss_output_name": "x"})
    version = make_version(actor=ada, content=content)
    file = version.files.get()
    assert version.state == VersionState.PUBLISHED
    assert version.decision is not None
    assert (version.decision.action, version.decision.outcome) == ("publish", "allow")
    assert stored_file(version).read_bytes() == content
    assert file.size == len(content)
    assert file.sha256.startswith(file.autov2.lower())
    assert version.inspection is not None
    assert version.kind == version.inspection["kind"]
    assert version.family == "tinybase"
    assert set(version.permissions["uses"]) >= {"personal", "commercial-outputs", "selling-weights"}


@pytest.mark.django_db(transaction=True)
def test_uploaded_bytes_move_out_of_the_uploads(ada: User) -> None:
    version = make_submitted(actor=ada)
    path = upload_path(version.upload_id)  # type: ignore[arg-type]
    assert path.exists()
    assert _inspected(version).state == VersionState.PUBLISHED
    assert not path.exists()


def test_trigger_words_of_the_uploader_come_before_those_of_the_file(ada: User) -> None:
    said = make_version(actor=ada, name="said", declared={"trigger_words": ("mine",)})
    assert said.trigger_words == ["mine"]


# What is refused


def _archive() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("model.safetensors", lora_bytes())
    return content.getvalue()


def _checkpoint() -> bytes:
    name = "model.diffusion_model.input_blocks.{}.0.weight"
    names = [name.format(n) for n in range(40)] + ["first_stage_model.encoder.conv_in.weight"]
    return safetensors_bytes({each: ([4], bytes(16)) for each in names})


def _broken_header() -> bytes:
    head = json.dumps({"a": {"dtype": "F32", "shape": [9], "data_offsets": [0, 4]}}).encode()
    return struct.pack("<Q", len(head)) + head + bytes(4)


NOT_A_NUMBER = lora_bytes()[:-8] + struct.pack("<f", float("nan")) + lora_bytes()[-4:]  # in front of the alpha
REFUSED = {
    "pickle": (pickle.dumps({"state_dict": [1.0] * 50}), "model.ckpt"),
    "renamed pickle": (pickle.dumps({"state_dict": [1.0] * 50}), "model.safetensors"),
    "archive": (_archive(), "model.zip"),
    "checkpoint": (_checkpoint(), "model.safetensors"),
    "malformed": (_broken_header(), "model.safetensors"),
    "truncated": (lora_bytes()[:-10], "model.safetensors"),
    "text": (b"<!doctype html><title>404</title>" * 9, "model.safetensors"),
    "not a number": (NOT_A_NUMBER, "model.safetensors"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_unfit_file_is_refused_says_why_and_what_to_do_and_keeps_no_bytes(ada: User, case: str) -> None:
    content, filename = REFUSED[case]
    version = make_submitted(actor=ada, content=content, filename=filename)
    refused = _inspected(version)
    assert refused.state == VersionState.REFUSED
    assert all(refused.state_detail[part] for part in ("code", "what", "why", "remedy"))
    assert not Blob.objects.exists()
    assert not upload_path(version.upload_id).exists()  # type: ignore[arg-type]
    assert not refused.adapter.listed


def test_each_refusal_has_its_own_code(ada: User) -> None:
    codes = {}
    for number, (case, (content, filename)) in enumerate(REFUSED.items()):
        version = make_submitted(actor=ada, name=f"a{number}", content=content, filename=filename)
        codes[case] = _inspected(version).state_detail["code"]
    assert codes["pickle"] == codes["renamed pickle"]
    assert len(set(codes.values())) >= len(codes) - 2, codes


def test_licence_that_the_base_forbids_is_refused_on_record(ada: User) -> None:
    version = make_version(actor=ada, declared={"base_model": "flux-1-pro"})
    assert version.state == VersionState.REFUSED
    assert version.decision is not None
    assert version.decision.outcome == "deny"
    assert version.state_detail["code"] == version.decision.reasons[0]["code"]
    assert version.files.exists()  # what a person may yet let through is kept


# What waits for a person


def test_tensors_of_another_base_model_wait_for_a_person(ada: User) -> None:
    version = make_version(actor=ada, content=lora_bytes(width=768))  # SD 1.x, declared for tinybase
    assert version.state == VersionState.IN_REVIEW
    assert version.state_detail["code"] == "family-mismatch"
    assert "sd1" in version.state_detail["why"]
    assert version.decision is not None
    assert version.decision.outcome == "review"


def test_file_that_fits_no_known_base_waits_for_a_person(ada: User) -> None:
    shape = {"lora_down.weight": [4, 77], "lora_up.weight": [77, 4]}
    module = "base_model.model.model.layers.0.self_attn.q_proj"
    names = {"lora_down.weight": "lora_A.weight", "lora_up.weight": "lora_B.weight"}
    tensors = {f"{module}.{names[name]}": (size, b"\0" * 4 * size[0] * size[1]) for name, size in shape.items()}
    version = make_version(actor=ada, content=safetensors_bytes(tensors))
    assert version.state != VersionState.PUBLISHED
    assert version.state_detail["code"] in {"family-unknown", "foreign-model", "not-an-adapter"}


def test_real_person_waits_for_a_person(ada: User) -> None:
    version = make_version(actor=ada, declared={"depicts_real_person": True})
    assert version.state == VersionState.IN_REVIEW
    assert version.decision is not None
    assert version.decision.outcome == "review"


def test_contradiction_in_the_metadata_is_a_warning_that_the_uploader_sees(ada: User) -> None:
    metadata = {"ss_network_module": "networks.lora", "ss_network_dim": "64"}  # the tensors have rank 4
    version = make_version(actor=ada, content=lora_bytes(metadata=metadata))
    assert version.inspection is not None
    assert "64" in json.dumps(version.inspection["warnings"])


@pytest.mark.parametrize(("role", "state"), [("maintainer", "published"), ("member", "in-review")])
def test_member_uploads_and_a_maintainer_publishes(ada: User, role: str, state: str) -> None:
    bob = make_user("bob")
    studio = make_organisation(ada, "studio", {role: bob}).namespace
    version = make_version(actor=bob, namespace=studio)
    assert version.state == state
    if state == "in-review":
        assert version.state_detail["code"] == "needs-maintainer"
        assert version.decision is not None
        assert version.decision.outcome == "allow"
