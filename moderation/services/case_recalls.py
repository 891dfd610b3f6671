"""Recalls that a moderator sends with a decision, and takes back with the next: told to whoever downloaded it."""

from accounts.models import User
from governance.models import DecisionRecord
from moderation.errors import DecisionRefused
from moderation.models import Case
from moderation.models.recall import Recall
from moderation.selectors.case_recalls import HELD, REMOVED, holders, kind_of, recall_answer_needed
from moderation.selectors.verdicts import INTERIM, RESTRICTING, Verdict
from moderation.services.recall import Held, recall_write
from moderation.services.recall_lifting import recalls_lift
from registry.models import Version


def check_recall(*, case: Case, version: Version, verdict: Verdict, recall: bool | None, what_to_do: str) -> None:
    """Raises DecisionRefused where it was not said whether to recall, or a recall does not say what to do."""
    recall = True if verdict is Verdict.TELL else recall
    if verdict not in RESTRICTING and verdict is not Verdict.TELL:
        return
    if recall is None and recall_answer_needed(case=case, version=version):
        raise DecisionRefused(
            f"{version} has been downloaded, and nothing says whether those who hold it are told.",
            remedy="Say on the page of the case whether it is recalled from them, and what they must do.",
        )
    if recall and not what_to_do.strip():
        raise DecisionRefused("A recall has to say what those who downloaded it must do.")


def case_recall(
    *, case: Case, version: Version, state_before: str, verdict: Verdict, record: DecisionRecord,
    actor: User, public_reasoning: str, what_to_do: str,
) -> Recall | None:  # fmt: skip
    """Tell everybody who holds a receipt, in the transaction of the decision. None: nobody does, or they know it."""
    if not holders(version):
        return None
    held = verdict in INTERIM
    what = "A moderator holds it back while a question about it is answered." if held else "A moderator removed it."
    return recall_write(
        versions=[Held(version, state_before, record)],
        cause=HELD if held else REMOVED,
        reason_code=f"case-{kind_of(case)}",
        public_text=f"{what} {public_reasoning}",
        what_to_do=what_to_do.strip(),
        actor=actor,
    )


def case_recalls_lift(*, version: Version, actor: User, public_reasoning: str, private_notes: str) -> list[Recall]:
    """It is online again: what moderators recalled is lifted, and whoever was told is told so."""
    return recalls_lift(
        version=version,
        causes=(HELD, REMOVED),
        actor=actor,
        public_reasoning=public_reasoning,
        private_notes=private_notes,
    )
