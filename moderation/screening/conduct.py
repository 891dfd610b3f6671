"""The check of conduct: whether strikes against the uploader ask for a person to look."""

from governance.policy import Finding
from moderation.screening.results import Result, flagged, passed
from moderation.screening.subject import Subject
from moderation.selectors.strikes import strikes_in_force, uploads_need_review

STRIKES = "uploader-strikes"


def conduct(subject: Subject) -> Result:
    """With as many strikes in force as the setting says, every upload waits for a moderator until one ends."""
    user = subject.version.created_by
    if not uploads_need_review(user=user):
        return passed("No strikes against its uploader ask for a closer look.")
    strikes = strikes_in_force(user=user)
    last = max(strike.expires_at for strike in strikes)
    message = (
        f"{len(strikes)} strikes are in force against its uploader, so a moderator looks at every upload. The last of "
        f"them ends on {last:%d %B %Y}; nothing is to be done until then."
    )
    return flagged([Finding("conduct", STRIKES, message, {"strikes": len(strikes)})])
