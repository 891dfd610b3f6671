"""What the protocol's reading half answers, row by row of its contract."""

import hashlib
from typing import Any

import pytest

from accounts.models import User
from governance.policy import Use
from registry.models import Adapter, Receipt, Revision, Version
from registry.services.adapters import adapter_update
from registry.services.delivery import gate_accept, gate_ask
from registry.services.standing_pass import pass_give
from registry.services.versions import version_withdraw
from tests.factories.accounts import make_organisation, make_token, make_user
from tests.factories.registry import make_submitted, make_version
from tests.registry.compat.hub.calls import Hub
from tests.safetensors_bytes import lora_bytes

pytestmark = pytest.mark.django_db
FILE = "/ada/style/resolve/main/style.safetensors"


@pytest.fixture
def ada(db: None) -> User:
    return make_user("ada")


@pytest.fixture
def bob(db: None) -> User:
    return make_user("bob")


@pytest.fixture
def version(ada: User) -> Version:
    return make_version(actor=ada, tags=["shapes"], declared={"trigger_words": ("a zeb drawing",)})


def _body(response: Any) -> bytes:
    return b"".join(response) if response.streaming else response.content


def _accept(user: User, version: Version) -> Receipt:
    answer = gate_ask(actor=user, organisation=None, version=version, use=Use.PERSONAL)
    return gate_accept(
        actor=user, organisation=None, version=version, use=Use.PERSONAL, accepted_terms=answer.terms.digest
    )


def test_whoami_names_the_owner_of_the_token_and_their_organisations(ada: User) -> None:
    make_organisation(ada, "studio")
    found = Hub(ada).call("GET", "/api/whoami-v2").json()
    assert (found["name"], found["type"], found["email"]) == ("ada", "user", "ada@example.org")
    assert [row["name"] for row in found["orgs"]] == ["studio"]
    assert found["auth"]["accessToken"]["role"] == "write"
    assert Hub(ada, ["read"]).call("GET", "/api/whoami-v2").json()["auth"]["accessToken"]["role"] == "read"


def test_bad_token_is_told_in_the_words_that_clients_compare(db: None) -> None:
    hub = Hub(None)
    for value in ("Bearer reg_wrong", "Basic abc", "Bearer"):
        answer = hub.call("GET", "/api/whoami-v2", Authorization=value)
        assert answer.status_code == 401
        assert answer["X-Error-Message"] == "Invalid credentials in Authorization header"
        assert "X-Error-Code" not in answer
    assert hub.call("GET", "/api/whoami-v2").status_code == 401


def test_info_tells_the_facts_with_files_and_their_hashes(version: Version) -> None:
    answer = Hub(None).call("GET", "/api/models/ada/style?blobs=true&securityStatus=true")
    found = answer.json()
    assert answer["X-Request-Id"]
    assert found["id"] == "ada/style"
    assert found["sha"] == version.revision.sha  # type: ignore[union-attr]
    assert (found["private"], found["gated"], found["disabled"]) == (False, "auto", False)
    assert {"license:apache-2.0", "base_model:tinybase", "base_model:adapter:tinybase", "lora", "shapes"} <= set(
        found["tags"]
    )
    assert found["cardData"]["instance_prompt"] == "a zeb drawing"
    assert found["lastModified"].endswith("Z")
    card, weights = found["siblings"]
    assert card["rfilename"] == "README.md"
    assert "lfs" not in card
    file = version.files.get()
    assert weights["lfs"]["sha256"] == file.sha256
    assert weights["size"] == file.size
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{file.sha256}\nsize {file.size}\n".encode()
    assert weights["lfs"]["pointerSize"] == len(pointer)
    assert weights["blobId"] == hashlib.sha1(b"blob %d\0" % len(pointer) + pointer).hexdigest()


def test_info_keeps_to_what_expand_names(version: Version) -> None:
    found = Hub(None).call("GET", "/api/models/ada/style?expand=downloads&expand=gated").json()
    assert set(found) == {"_id", "id", "modelId", "downloads", "gated"}


def test_absent_and_private_are_one_answer(ada: User, bob: User) -> None:
    make_version(actor=ada, visibility="private")
    for caller, status in ((None, 401), (bob, 404)):
        hub = Hub(caller)
        said = set()
        for name in ("style", "absent"):
            answer = hub.call("GET", f"/api/models/ada/{name}")
            assert answer.status_code == status
            assert answer["X-Error-Code"] == "RepoNotFound"
            said.add(answer.content.replace(name.encode(), b"name"))
        assert len(said) == 1


@pytest.mark.parametrize(
    "path",
    [
        "/api/models/ada/style",
        "/api/models/ada/style/revision/main",
        "/api/models/ada/style/tree/main",
        "/api/models/ada/style/refs",
        "/api/models/ada/style/commits/main",
        "/api/models/ada/style/auth-check",
        "/ada/style/resolve/main/style.safetensors",
        "/ada/style/resolve/main/README.md",
    ],
)
def test_what_is_not_published_is_there_for_its_owner_alone(ada: User, bob: User, path: str) -> None:
    make_submitted(actor=ada)
    assert Hub(bob).call("GET", path)["X-Error-Code"] == "RepoNotFound"
    assert Hub(None).call("GET", path).status_code == 401
    assert Hub(ada).call("GET", "/api/models/ada/style").status_code == 200


def test_new_version_that_is_not_published_changes_nothing_for_others(ada: User, bob: User, version: Version) -> None:
    before = Hub(bob).call("GET", "/api/models/ada/style").content
    draft = make_version(
        actor=ada, content=lora_bytes(seed=2), filename="other.safetensors", declared={"licence_id": "cc-by-nc-4.0"}
    )
    Version.objects.filter(pk=draft.pk).update(state="in-review")
    Adapter.objects.update(latest=version)
    draft.refresh_from_db()
    sha = draft.revision.sha  # type: ignore[union-attr]
    assert Hub(ada).call("GET", "/api/models/ada/style").json()["sha"] == sha
    assert Hub(bob).call("GET", "/api/models/ada/style").content == before
    for path in (f"/api/models/ada/style/revision/{sha}", f"/ada/style/resolve/{sha}/other.safetensors"):
        assert Hub(bob).call("GET", path)["X-Error-Code"] == "RevisionNotFound"
    assert Hub(bob).call("GET", "/ada/style/resolve/main/other.safetensors")["X-Error-Code"] == "EntryNotFound"
    assert [row["id"] for row in Hub(bob).call("GET", "/api/models/ada/style/commits/main").json()] != [sha]


def test_head_says_what_a_file_is_once_its_terms_are_accepted(bob: User, version: Version) -> None:
    _accept(bob, version)
    answer = Hub(bob).call("HEAD", FILE)
    file = version.files.get()
    assert answer.status_code == 200
    assert answer["ETag"] == f'"{file.sha256}"'
    assert answer["Content-Length"] == str(file.size)
    assert answer["X-Repo-Commit"] == version.revision.sha  # type: ignore[union-attr]
    assert "X-Xet-Hash" not in answer


def test_get_resumes_where_a_connection_was_cut(bob: User, version: Version) -> None:
    _accept(bob, version)
    whole = _body(Hub(bob).call("GET", FILE))
    assert hashlib.sha256(whole).hexdigest() == version.files.get().sha256
    rest = Hub(bob).call("GET", FILE, Range="bytes=100-")
    assert rest.status_code == 206
    assert rest["Content-Range"] == f"bytes 100-{len(whole) - 1}/{len(whole)}"
    assert _body(rest) == whole[100:]


def test_gate_refuses_with_the_address_of_its_page(bob: User, version: Version) -> None:
    page = "/ada/style/v/1/download"
    for caller, status in ((None, 401), (bob, 403)):
        for method in ("HEAD", "GET"):
            answer = Hub(caller).call(method, FILE)
            assert answer.status_code == status
            assert answer["X-Error-Code"] == "GatedRepo"
            assert answer["X-HF-Warning"].startswith("licence; http")
            assert answer["X-HF-Warning"].endswith(page)
    assert Hub(bob).call("GET", "/api/models/ada/style/auth-check").status_code == 403
    assert not Receipt.objects.exists()


def test_texts_stand_before_the_gate(version: Version) -> None:
    answer = Hub(None).call("GET", "/ada/style/resolve/main/README.md")
    assert answer.status_code == 200
    assert b"license: apache-2.0" in _body(answer)
    part = Hub(None).call("GET", "/ada/style/resolve/main/README.md", Range="bytes=4-11")
    assert part.status_code == 206
    assert _body(part) == _body(Hub(None).call("GET", "/ada/style/resolve/main/README.md"))[4:12]


def test_token_with_a_standing_use_passes_and_leaves_one_receipt(bob: User, version: Version) -> None:
    token, secret = make_token(bob)
    pass_give(actor=bob, token=token, use=Use.PERSONAL)
    hub = Hub(None)
    hub.headers = {"Authorization": f"Bearer {secret}"}
    assert hub.call("HEAD", FILE).status_code == 200
    assert not Receipt.objects.exists()  # looking ahead is no download
    for _ in range(2):
        assert _body(hub.call("GET", FILE))
    receipt = Receipt.objects.get()
    assert receipt.first_delivered_at is not None
    assert receipt.acceptance.user == bob


def test_token_with_a_use_that_the_rules_refuse_is_told_why(bob: User, ada: User) -> None:
    make_version(actor=ada, declared={"licence_id": "cc-by-nc-4.0", "commercial_use": ()})
    token, secret = make_token(bob)
    pass_give(actor=bob, token=token, use=Use.SELLING_WEIGHTS)
    hub = Hub(None)
    hub.headers = {"Authorization": f"Bearer {secret}"}
    for method in ("HEAD", "GET"):
        answer = hub.call(method, FILE)
        assert (answer.status_code, answer["X-Error-Code"]) == (403, "GatedRepo")
        assert len(answer["X-Error-Message"]) > 20
        assert answer["X-HF-Warning"].endswith("/ada/style/v/1/download")
    assert not Receipt.objects.exists()


def test_token_without_the_scope_does_not_pass(bob: User, version: Version) -> None:
    _accept(bob, version)
    answer = Hub(bob, ["read"]).call("GET", FILE)
    assert answer.status_code == 403
    assert "download" in answer["X-Error-Message"]
    assert Hub(bob, ["download"]).call("GET", "/api/models/ada/style").status_code == 403  # read is missing


def test_withdrawn_file_leaves_its_notice(bob: User, ada: User, version: Version) -> None:
    _accept(bob, version)
    version_withdraw(version=version, actor=ada, reason="A better one follows.")
    answer = Hub(bob).call("GET", FILE)
    assert (answer.status_code, answer["X-Error-Code"]) == (404, "RevisionNotFound")
    assert "A better one follows." in answer["X-Error-Message"]
    info = Hub(bob).call("GET", "/api/models/ada/style").json()
    assert (info["sha"], info["siblings"], info["disabled"]) == (None, [], True)


def test_owner_gets_no_file_past_the_gate_either(ada: User, version: Version) -> None:
    assert Hub(ada).call("GET", FILE)["X-Error-Code"] == "GatedRepo"


def test_revision_and_entry_are_told_apart(version: Version) -> None:
    hub = Hub(None)
    assert hub.call("GET", "/ada/style/resolve/nope/README.md")["X-Error-Code"] == "RevisionNotFound"
    absent = hub.call("GET", "/ada/style/resolve/main/nope.json")
    assert absent["X-Error-Code"] == "EntryNotFound"
    assert absent["X-Repo-Commit"] == version.revision.sha  # type: ignore[union-attr]
    assert hub.call("GET", "/api/models/ada/style/tree/main/nope")["X-Error-Code"] == "EntryNotFound"


def test_tree_paths_refs_and_commits(version: Version) -> None:
    hub, sha = Hub(None), version.revision.sha  # type: ignore[union-attr]
    tree = hub.call("GET", f"/api/models/ada/style/tree/{sha}?recursive=true&expand=true").json()
    assert [row["path"] for row in tree] == ["README.md", "style.safetensors"]
    assert tree[1]["lfs"]["oid"] == version.files.get().sha256
    assert tree[1]["lastCommit"]["id"] == sha
    assert "xetHash" not in tree[1]
    asked = hub.client.post(
        f"/api/models/ada/style/paths-info/{sha}", {"paths": ["style.safetensors", "nope"], "expand": "True"}
    )
    assert [row["path"] for row in asked.json()] == ["style.safetensors"]
    refs = hub.call("GET", "/api/models/ada/style/refs?include_prs=1").json()
    assert refs["branches"] == [{"name": "main", "ref": "refs/heads/main", "targetCommit": sha}]
    assert refs["pullRequests"] == []
    commits = hub.call("GET", "/api/models/ada/style/commits/main").json()
    assert [row["id"] for row in commits] == list(Revision.objects.filter(sha=sha).values_list("sha", flat=True))
    assert commits[0]["authors"][0]["user"] == "ada"


def test_encoded_slash_in_a_revision_is_read_from_the_raw_path(ada: User, version: Version) -> None:
    from registry.models import Ref

    Ref.objects.create(adapter=version.adapter, kind="branch", name="try/this", revision=version.revision)
    for raw in (
        "/api/models/ada/style/revision/try%2Fthis",
        "/api/models/ada/style/revision/refs%2Fheads%2Ftry%2Fthis",
    ):
        answer = Hub(ada).client.get("/api/models/ada/style/revision/try/this", RAW_URI=raw)
        assert answer.status_code == 200, answer.content


def test_what_is_not_offered_says_so(ada: User, version: Version) -> None:
    answer = Hub(None).call("GET", "/api/models/ada/style/treesize/main/x")
    assert answer.status_code == 501
    assert "does not offer" in answer["X-Error-Message"]
    assert Hub(None).call("GET", "/api/spaces").status_code == 501
    for elsewhere in ("/api/users/ada/overview", "/api/collections?owner=ada", "/api/models-tags-by-type"):
        assert "does not offer" in Hub(None).call("GET", elsewhere)["X-Error-Message"]
    assert Hub(ada).call("POST", "/api/collections", {}).status_code == 501
    assert Hub(None).call("GET", "/api/v1/nothing").status_code == 404
    assert Hub(None).call("GET", "/api/models/gpt2")["X-Error-Code"] == "RepoNotFound"
    assert Hub(None).call("GET", "/gpt2/resolve/main/config.json")["X-Error-Code"] == "RepoNotFound"
    assert Hub(None).call("GET", "/api/agent-harnesses").json() == {"standardEnvVars": [], "harnesses": {}}


def test_list_narrows_by_tags_owner_words_and_gate(ada: User, bob: User, version: Version) -> None:
    make_version(actor=bob, name="plain", content=lora_bytes(seed=3), declared={"licence_id": "cc-by-4.0"})
    make_version(actor=bob, name="hidden", content=lora_bytes(seed=4), visibility="private")
    hub = Hub(None)

    def found(query: str, caller: Hub = hub) -> list[str]:
        answer = caller.call("GET", f"/api/models?{query}")
        assert answer.status_code == 200, answer.content
        return sorted(row["id"] for row in answer.json())

    both = ["ada/style", "bob/plain"]
    assert found("") == both
    assert found("", Hub(bob)) == ["ada/style", "bob/hidden", "bob/plain"]
    assert found("filter=license:apache-2.0") == ["ada/style"]
    assert found("filter=lora&filter=base_model:adapter:tinybase&filter=diffusers&pipeline_tag=text-to-image") == both
    assert found("filter=base_model:merge:tinybase") == []
    assert found("filter=shapes&filter=lora") == ["ada/style"]
    assert found("filter=shapes&filter=license:cc-by-4.0") == []
    assert found("author=bob") == ["bob/plain"]
    assert found("search=ada/sty") == ["ada/style"]
    assert found("gated=true") == both
    assert found("gated=false") == []
    assert found("gated=manual") == []
    assert found("inference=warm") == found("num_parameters=min:1B") == found("apps=vllm") == []
    assert found("full=true&cardData=true") == both
    for wrong in ("sort=nonsense", "limit=0", "limit=x", "gated=perhaps", "cursor=abc", "direction=2"):
        assert hub.call("GET", f"/api/models?{wrong}").status_code == 400, wrong


@pytest.mark.parametrize("sort", ["lastModified", "createdAt", "downloads", "likes", "trendingScore"])
def test_list_pages_neither_repeat_nor_skip(ada: User, sort: str) -> None:
    for number in range(5):
        make_version(actor=ada, name=f"a{number}", content=lora_bytes(seed=10 + number))
    hub, seen, address = Hub(None), [], f"/api/models?sort={sort}&limit=2&full=true"
    while address:
        answer = hub.call("GET", address)
        rows = answer.json()
        assert len(rows) <= 2
        assert all("siblings" in row for row in rows)
        seen += [row["id"] for row in rows]
        link = answer.get("Link", "")
        address = "/" + link.split(">")[0].split("/", 3)[3] if link else ""
    assert sorted(seen) == [f"ada/a{number}" for number in range(5)]


def test_uploaded_card_is_what_card_data_says(ada: User, version: Version) -> None:
    from tests.registry.compat.hub.calls import card, small

    answer = Hub(ada).commit("ada/style", small("README.md", card() + b"\n%b\n" % b"more"))
    assert answer.status_code == 200, answer.content
    found = Hub(None).call("GET", "/api/models/ada/style").json()
    assert found["sha"] == answer.json()["commitOid"]
    assert found["cardData"]["tags"] == ["shapes"]
    assert b"Many shapes." in _body(Hub(None).call("GET", "/ada/style/resolve/main/README.md"))


def test_old_revision_keeps_its_files_for_whoever_may_see_them(ada: User, bob: User, version: Version) -> None:
    """Two versions under one file name: each revision resolves to its own bytes, through its own gate."""
    second = make_version(actor=ada, content=lora_bytes(seed=5))
    assert second.state == "published"
    _accept(bob, second)
    old, new = version.revision.sha, second.revision.sha  # type: ignore[union-attr]
    assert Hub(bob).call("HEAD", f"/ada/style/resolve/{new}/style.safetensors").status_code == 200
    refused = Hub(bob).call("HEAD", f"/ada/style/resolve/{old}/style.safetensors")
    assert refused["X-HF-Warning"].endswith("/ada/style/v/1/download")
    _accept(bob, version)
    got = _body(Hub(bob).call("GET", f"/ada/style/resolve/{old}/style.safetensors"))
    assert hashlib.sha256(got).hexdigest() == version.files.get().sha256


def test_description_change_is_no_secret_of_a_private_owner(ada: User, bob: User, version: Version) -> None:
    adapter_update(actor=ada, adapter=version.adapter, visibility="private")
    assert Hub(bob).call("GET", "/ada/style/resolve/main/README.md")["X-Error-Code"] == "RepoNotFound"
