"""Discussions for tests, made through the services."""

from accounts.models import User
from registry.models import Adapter, Discussion, DiscussionComment
from registry.services.discussions import discussion_comment, discussion_open


def make_discussion(
    adapter: Adapter, author: User, title: str = "Green circles", text: str = "Can it do *green* ones?"
) -> Discussion:
    return discussion_open(actor=author, adapter=adapter, title=title, text=text)


def say(discussion: Discussion, author: User, text: str = "It can.") -> DiscussionComment:
    return discussion_comment(actor=author, discussion=discussion, text=text)
