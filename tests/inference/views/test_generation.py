"""The pages of "Try it": filled in, checked while typing, refused with reasons, followed, used again."""

import io
import json
from typing import Any

import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from PIL import Image

from accounts.models import User
from inference.generation_plan import AxisKind, axis_of
from inference.models import GallerySettings, Generation, GenerationPicture
from inference.picture_facts import facts_of
from inference.picture_texts import TRAINED, XMP_KEY, text_chunks
from inference.services.galleries import galleries_erase, galleries_forget, picture_to_gallery
from inference.services.generation import generation_ask
from moderation.selectors.personal_data import USER_PARTS
from registry.models import SamplePicture, SampleState, Version
from registry.services.samples import Sample, sample_remove, samples_add, samples_settle
from registry.storage import store_bytes
from tests.factories.accounts import make_user
from tests.factories.generation import spec
from tests.factories.optout import make_picture, picture_bytes
from tests.factories.registry import catalogue, make_version
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db
FORM = {
    "base_model": "tinybase", "purpose": "personal", "count": "1", "width": "64", "height": "64", "steps": "4",
    "guidance": "2.5", "sampler": "", "seed": "7",
}  # fmt: skip


@pytest.fixture
def ada(client: Client) -> User:
    catalogue()
    ada = make_user("ada")
    client.force_login(ada)
    return ada


def _style(owner: User, **declared: Any) -> Any:
    return make_version(actor=owner, content=lora_bytes(seed=5), declared={"trigger_words": ("inky",), **declared})


def _done(generation: Generation) -> GenerationPicture:
    key = default_storage.save("generated/one.png", ContentFile(picture_bytes(make_picture(3))))
    generation.pictures.update(state="done", storage_key=key, finished_at=timezone.now())
    Generation.objects.filter(pk=generation.pk).update(state="done", finished_at=timezone.now())
    return generation.pictures.get()


def test_request_goes_to_its_own_page(client: Client, ada: User) -> None:
    response = client.post("/try", {**FORM, "prompt": "a circle", "x_kind": "strength", "x_values": "0, 1"})
    assert response.status_code == 422
    assert "There is no adapter number 1" in response.content.decode()
    _style(ada)
    sent = {**FORM, "prompt": "a <lora:style:1>", "x_kind": "strength", "x_values": "0, 1"}
    response = client.post("/try", sent)
    made = Generation.objects.get()
    assert response["Location"] == f"/try/{made.pk}"
    page = client.get(response["Location"]).content.decode()
    assert "strength 0" in page
    assert 'hx-trigger="every 1s"' in page


def test_what_was_made_lately_is_listed_without_the_one_that_is_shown(client: Client, ada: User) -> None:
    """Its tile would stand at "queued" while the result beside it is done."""
    _style(ada)
    for prompt in ("a circle <lora:style:1>", "a square <lora:style:1>"):
        client.post("/try", {**FORM, "prompt": prompt})
    circle, square = Generation.objects.order_by("created_at")
    listed = client.get(f"/try/{square.pk}").context["recent"]
    assert [row["generation"] for row in listed] == [circle]
    assert [row["generation"] for row in client.get("/try").context["recent"]] == [square, circle]


def test_check_shows_adapters_words_and_what_is_wrong(client: Client, ada: User) -> None:
    _style(ada)
    prompt = "a <lora:ada/style:0.5> <lora:ada/none:1> <lora:x y>"
    shown = client.post("/try/check", {**FORM, "prompt": prompt}).content.decode()
    assert 'data-insert="inky"' in shown
    assert "There is no adapter ada/none that you may see." in shown
    assert "names no adapter" in shown
    assert "500 today" in shown
    fine = client.post("/try/check", {**FORM, "seed": "", "prompt": "a <lora:ada/style:0.5>"}).content.decode()
    assert "1 picture " in fine
    assert "notice" not in fine


def test_refusal_of_the_law_shows_the_decision(client: Client, ada: User) -> None:
    _style(make_user("bert"), licence_id="cc-by-nc-4.0", commercial_use=())
    sent = {**FORM, "prompt": "a <lora:bert/style>", "purpose": "commercial-outputs"}
    response = client.post("/try", sent)
    assert response.status_code == 422
    assert "decision--deny" in response.content.decode()
    assert "not allowed" in client.post("/try/check", sent).content.decode()


def test_settings_of_a_picture_and_of_a_whole_fill_the_form(client: Client, ada: User) -> None:
    _style(ada)
    made = generation_ask(actor=ada, spec=spec("a <lora:style:1>", x=axis_of(AxisKind.STRENGTH, "0-1 [3]")))
    whole = client.get(f"/try?from={made.pk}").context["form"].initial
    assert (whole["prompt"], whole["x_kind"], whole["x_values"]) == ("a <lora:style:1>", "strength", "0, 0.5, 1")
    picture = made.pictures.get(column=1)
    one = client.get(f"/try?picture={picture.pk}&steps=9").context["form"].initial
    assert (one["prompt"], one["seed"], one["steps"]) == ("a <lora:style:0.5>", 7, "9")
    adapter = client.get("/try?adapter=ada/style").context["form"].initial
    assert adapter["prompt"] == "inky <lora:ada/style:1>"


def test_another_persons_things_are_not_there(client: Client, ada: User) -> None:
    theirs = generation_ask(actor=make_user("bert"), spec=spec())
    picture = _done(theirs)
    for address in (f"/try?from={theirs.pk}", f"/try?picture={picture.pk}", f"/try/{theirs.pk}"):
        assert client.get(address).status_code == 404


def test_picture_is_served_when_it_is_done_and_never_before(client: Client, ada: User) -> None:
    made = generation_ask(actor=ada, spec=spec())
    picture = made.pictures.get()
    key = default_storage.save("generated/two.png", ContentFile(b"secret"))
    for state in ("running", "checking", "withheld", "failed"):
        GenerationPicture.objects.update(state=state, storage_key=key)
        assert client.get(f"/try/pictures/{picture.pk}.png").status_code == 404
    _done(made)
    response = client.get(f"/try/pictures/{picture.pk}.png?download")
    assert b"".join(response.streaming_content).startswith(b"\x89PNG")  # type: ignore[attr-defined]
    assert response["Cache-Control"].startswith("private")


def test_result_joins_the_gallery_of_its_adapter_once(client: Client, ada: User) -> None:
    version = _style(ada)
    made = generation_ask(actor=ada, spec=spec("a <lora:style:1>"))
    picture = _done(made)
    assert f"Add to {version}" in client.get(f"/try/{made.pk}").content.decode()
    client.post(f"/try/pictures/{picture.pk}/gallery", {"version": version.pk})
    sample = SamplePicture.objects.get()
    assert (sample.version, sample.state, sample.added_by) == (version, "waiting", ada)
    picture.refresh_from_db()
    assert picture.sample == sample
    other = make_version(actor=ada, name="other", content=lora_bytes(seed=6))
    assert client.post(f"/try/pictures/{picture.pk}/gallery", {"version": other.pk}).status_code == 409


def _drawn_with_a_secret(ada: User) -> tuple[Version, GenerationPicture]:
    """A picture of a public adapter and a private one, marked as the worker marks it."""
    version = _style(ada)
    make_version(actor=ada, name="secret-work", content=lora_bytes(seed=8), visibility="private")
    made = generation_ask(
        actor=ada, spec=spec("a boat, <lora:secret-work:0.4>, <lora:style:0.7> at sea", negative="fog")
    )
    picture = _done(made)
    drawn = io.BytesIO()
    make_picture(4, (256, 192)).save(drawn, "PNG", pnginfo=text_chunks(facts_of(picture)))
    store_bytes(content=drawn.getvalue(), key=picture.storage_key)
    return version, picture


def test_gallery_picture_says_that_it_is_generated_and_how(client: Client, ada: User) -> None:
    version, picture = _drawn_with_a_secret(ada)
    added = picture_to_gallery(picture=picture, version=version, actor=ada)
    with default_storage.open(added.storage_key, "rb") as file:
        content = file.read()
    with Image.open(io.BytesIO(content)) as shown:
        told = {key: value for key, value in shown.info.items() if isinstance(value, str)}
        assert np.array_equal(np.asarray(shown), np.asarray(make_picture(4, (256, 192)).convert("RGB")))
    assert f'Iptc4xmpExt:DigitalSourceType="{TRAINED}"' in told[XMP_KEY]
    prompt, negative, settings = told["parameters"].split("\n")
    assert (prompt, negative) == ("a boat, <lora:style:0.7> at sea", "Negative prompt: fog")
    assert {"Steps: 4", "CFG scale: 2.5", "Seed: 7", "Size: 64x64"} <= set(settings.split(", "))
    assert f"style: {version.files.get().autov3[:12]}" in settings
    assert b"secret" not in content, "who looks at the gallery may not see that adapter"


def test_gallery_picture_has_its_settings_in_the_civitai_api(client: Client, ada: User) -> None:
    version, picture = _drawn_with_a_secret(ada)
    added = picture_to_gallery(picture=picture, version=version, actor=ada)
    brought = samples_add(version=version, actor=ada, samples=[Sample("mine.png", picture_bytes(make_picture(6)))])[0]
    samples_settle(pictures=[added.pk, brought.pk], state=SampleState.SHOWN)
    items = Client().get("/api/v1/images").json()["items"]
    by_url = {item["url"].rpartition("/")[2]: item for item in items}
    assert by_url[f"{added.pk}.png"]["hasMeta"] is True
    assert by_url[f"{added.pk}.png"]["meta"] == {
        "prompt": "a boat, <lora:style:0.7> at sea", "negativePrompt": "fog", "seed": 7, "steps": 4, "sampler": None,
        "cfgScale": 2.5, "Size": "64x64", "Model": by_url[f"{added.pk}.png"]["baseModel"],
        "resources": [{"type": "lora", "name": "style", "weight": 0.7, "modelVersionId": version.pk}],
    }  # fmt: skip
    assert (by_url[f"{brought.pk}.png"]["meta"], by_url[f"{brought.pk}.png"]["hasMeta"]) == (None, False)


def test_settings_leave_with_their_picture_or_their_account(ada: User, django_capture_on_commit_callbacks: Any) -> None:
    version, picture = _drawn_with_a_secret(ada)
    added = picture_to_gallery(picture=picture, version=version, actor=ada)
    (kept,) = USER_PARTS["gallery_settings"](ada)
    assert kept["settings"]["prompt"] == "a boat, <lora:style:0.7> at sea"
    with django_capture_on_commit_callbacks(execute=True):
        assert galleries_erase(ada) == 1
    with default_storage.open(added.storage_key, "rb") as file:
        content = file.read()
    assert TRAINED.encode() in content, "that it is generated stays"
    assert b"a boat" not in content
    GallerySettings.objects.create(sample=added, settings=kept["settings"])
    galleries_forget()
    assert GallerySettings.objects.exists()
    sample_remove(sample=added, actor=ada)
    galleries_forget()
    assert not GallerySettings.objects.exists()


def test_gallery_is_for_its_adapters_people(client: Client, ada: User) -> None:
    version = _style(make_user("bert"))
    made = generation_ask(actor=ada, spec=spec("a <lora:bert/style:1>"))
    picture = _done(made)
    assert client.post(f"/try/pictures/{picture.pk}/gallery", {"version": version.pk}).status_code == 403
    assert picture_to_gallery(picture=picture, version=version, actor=version.created_by).version == version


def test_batch_file_is_taken_or_told_line_by_line(client: Client, ada: User) -> None:
    def send(content: str) -> Any:
        file = SimpleUploadedFile("set.csv", content.encode(), "text/csv")
        return client.post("/try/batch", {"file": file, "base_model": "tinybase", "purpose": "personal"})

    wrong = send("prompt,steps\na,4\nb,many\n")
    assert wrong.status_code == 422
    assert "Request 2: steps: “many” is no whole number." in wrong.content.decode()
    assert Generation.objects.count() == 0
    taken = send("prompt,steps\na,4\nb,5\n")
    assert taken.status_code == 302
    assert "0 of 2 pictures are finished" in client.get(taken["Location"]).content.decode()


def test_api_asks_follows_and_tells_what_is_wrong(client: Client, ada: User) -> None:
    def post(path: str, data: Any) -> Any:
        return client.post(f"/api/v1/{path}", json.dumps(data), content_type="application/json")

    _style(ada)
    axis = {"kind": "strength", "values": ["0", "1"], "adapter": 1}
    asked = {"prompt": "a <lora:style:1>", "base_model": "tinybase", "steps": 4, "x": axis}
    check = post("generations/check", asked).json()
    assert (check["is_clear"], check["pictures"], check["adapters"][0]["version"]) == (True, 2, "ada/style v1")
    made = post("generations", asked)
    assert made.status_code == 201
    followed = client.get(f"/api/v1/generations/{made.json()['id']}").json()
    assert [one["column_label"] for one in followed["pictures"]] == ["strength 0", "strength 1"]
    assert followed["decisions"].keys() == {"hosting", "purpose"}
    refused = post("generations", {**asked, "prompt": "a <lora:none:1>"}).json()
    assert refused["code"] == "generation-refused"
    assert refused["problems"][0]["adapter"] == "none"
    rows = post(
        "generation-batches", {"base_model": "tinybase", "requests": [{"prompt": "x"}, {"prompt": "y", "z": 1}]}
    )
    assert list(rows.json()["rows"]) == ["2"]
    options = client.get("/api/v1/generations/options").json()
    assert options["quota"]["waiting"] == 2
    assert options["base_models"][0]["slug"] == "tinybase"
