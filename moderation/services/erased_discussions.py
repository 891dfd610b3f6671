"""What an erased person said in discussions: emptied, except where somebody has yet to decide about a report of it."""

from accounts.erasure import NOWHERE
from accounts.models import User
from moderation.models import CaseStatus, Report
from registry.models import DiscussionComment
from registry.services.discussion_comments import discussions_erase


def discussions_forget(*, user: User) -> int:
    """Empty the comments and titles of a person; how many rows. What an open case is about waits for its decision."""
    reported = Report.objects.filter(comment__author=user)
    undecided = reported.exclude(case__status=CaseStatus.DECIDED)
    return discussions_erase(user=user, keep=list(undecided.values_list("comment_id", flat=True)))


def discussions_finish() -> int:
    """Come back for what waited: comments of erased people whose cases are decided; how many rows."""
    waiting = DiscussionComment.objects.exclude(text="").filter(
        author__is_active=False, author__email__endswith=f"@{NOWHERE}"
    )
    people = User.objects.filter(pk__in=waiting.values("author"))
    return sum(discussions_forget(user=user) for user in people)
