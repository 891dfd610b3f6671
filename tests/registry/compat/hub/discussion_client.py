"""What a program does in discussions with an unmodified huggingface_hub; run as a subprocess, it prints JSON.

It runs in the client's own virtual environment, so that it imports nothing of ours:
`python discussion_client.py STEP REPO`, with HF_ENDPOINT, HF_TOKEN and HF_HOME set.
"""

import json
import sys
import warnings
from collections.abc import Callable
from typing import Any

from huggingface_hub import HfApi
from huggingface_hub.community import DiscussionComment, DiscussionStatusChange, DiscussionTitleChange
from huggingface_hub.utils import HfHubHTTPError

api = HfApi()
ABSENT = "ab" * 16


def _said(call: Callable[[], Any]) -> list[Any]:
    """Status and message of the refusal; 200 where there is none."""
    try:
        call()
    except HfHubHTTPError as error:
        return [error.response.status_code, error.server_message or str(error)]
    return [200, ""]


def life(repo: str) -> Any:
    """Opened, commented, edited, renamed, closed with a last word, reopened; then read as a whole."""
    opened = api.create_discussion(repo, " Green circles ", description="Can it do *green* ones?")
    number = opened.num
    comment = api.comment_discussion(repo, number, "It can.")
    edited = api.edit_discussion_comment(repo, number, comment.id, "It can, from 0.6 on.")
    renamed = api.rename_discussion(repo, number, "Green circles, and squares")
    closed = api.change_discussion_status(repo, number, "closed", comment="Thanks.")
    api.change_discussion_status(repo, number, "open")
    whole = api.get_discussion_details(repo, number)
    first = opened.events[0]
    assert isinstance(first, DiscussionComment)
    assert isinstance(comment, DiscussionComment)
    assert isinstance(renamed, DiscussionTitleChange)
    assert isinstance(closed, DiscussionStatusChange)
    return {
        "opened": [opened.title, opened.status, opened.repo_id, opened.repo_type, opened.is_pull_request],
        "url": whole.url.removeprefix(api.endpoint),
        "author": [opened.author, first.author, comment.author],
        "first": [first.content, first.rendered.strip(), first.edited, first.hidden],
        "edited": [edited.content, edited.edited, edited.id == comment.id, edited.last_edited_by],
        "later": edited.last_edited_at > comment.created_at,
        "renamed": [renamed.old_title, renamed.new_title],
        "closed": closed.new_status,
        "events": [event.type for event in whole.events],
        "title": whole.title,
        "status": whole.status,
        "of a pull request": [whole.diff, whole.target_branch, whole.conflicting_files, whole.git_reference],
    }


def listing(repo: str) -> Any:
    """More than a page of them, so that the client turns pages; one of them closed."""
    me = api.whoami()["name"]
    numbers = [api.create_discussion(repo, f"Question {count}").num for count in range(52)]
    api.change_discussion_status(repo, numbers[-1], "closed")

    def mine(**wanted: Any) -> list[int]:
        return [found.num for found in api.get_repo_discussions(repo, author=me, **wanted)]

    return {
        "whole": mine() == numbers[::-1],
        "open": mine(discussion_status="open") == numbers[-2::-1],
        "closed": mine(discussion_status="closed") == numbers[-1:],
        "discussions": len(mine(discussion_type="discussion", discussion_status="all")),
        "pull requests": mine(discussion_type="pull_request"),
        "nobody's": list(api.get_repo_discussions(repo, author="nobody-of-that-name")),
    }


def refusals(repo: str) -> Any:
    """What is not offered or not there, in words."""
    number = api.create_discussion(repo, "Refusals").num
    owner = repo.split("/")[0]
    return {
        "pull": _said(lambda: api.create_pull_request(repo, "A change")),
        "merge": _said(lambda: api.merge_pull_request(repo, number)),
        "space": _said(lambda: list(api.get_repo_discussions(f"{owner}/none", repo_type="space"))),
        "absent": _said(lambda: api.get_discussion_details(repo, 99_999)),
        "no comment": _said(lambda: api.edit_discussion_comment(repo, number, ABSENT, "Words")),
        "nowhere": _said(lambda: list(api.get_repo_discussions(f"{owner}/absent"))),
        "short": _said(lambda: api.create_discussion(repo, "ab")),
        "again": _said(lambda: api.change_discussion_status(repo, number, "open")),
        "hide": _said(lambda: hidden(f"{repo}#{number}")),
    }


def hidden(place: str) -> Any:
    """A comment hidden, and read afterwards."""
    repo, _, number = place.partition("#")
    first = api.get_discussion_details(repo, int(number)).events[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        answer = api.hide_discussion_comment(repo, int(number), first.id)
    read = api.get_discussion_details(repo, int(number)).events[0]
    assert isinstance(read, DiscussionComment)
    return {"answer": answer.hidden, "read": [read.hidden, read.content]}


STEPS = {step.__name__: step for step in (life, listing, refusals, hidden)}

if __name__ == "__main__":
    step, name = sys.argv[1:]
    print(json.dumps(STEPS[step](name)))
