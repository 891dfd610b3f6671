"""The prepared texts that a new installation starts with. Laid down once; moderators change and remove them."""

from typing import NamedTuple


class StarterText(NamedTuple):
    """One prepared text: for which kind of case and which decision, and its words."""

    title: str
    kind: str
    verdict: str
    public_reasoning: str
    private_notes: str = ""


STARTER_TEXTS: tuple[StarterText, ...] = (
    StarterText(
        "Publication: published",
        "publication",
        "approve",
        "We looked at what the checks had found and at your answers. Nothing stands against the publication.",
        "Say which finding was wrong, and why: the figures about the checks rest on it.",
    ),
    StarterText(
        "Publication: a real person, consent asked for",
        "publication",
        "ask",
        "The pictures seem to show a real person. Please ask that person for their consent on the version's page, "
        "under “Consents”, or tell us that the person is fictional and how they came about.",
    ),
    StarterText(
        "Publication: where the training pictures come from",
        "publication",
        "ask",
        "Please tell us where the training pictures come from and under which licence they are, so that we can decide.",
    ),
    StarterText(
        "Publication: a registered work is in it",
        "publication",
        "refuse",
        "A picture matches a work whose author has objected to its use. Leave that work out, train again, and upload "
        "the result as a new version; or send us the author's permission.",
    ),
    StarterText(
        "Publication: the work of somebody else",
        "publication",
        "refuse",
        "The weights are nearly those of an adapter that somebody else published here before. If you have their "
        "permission, or made both, tell us how to see that.",
    ),
    StarterText(
        "Rights: taken down after a complete notice",
        "rights",
        "take-down",
        "We received a complete notice that this infringes the rights of the notifier. If that is a mistake, you can "
        "answer with a counter-notice; the notifier then has ten business days to go to court.",
    ),
    StarterText(
        "Rights: the notice does not show an infringement",
        "rights",
        "dismiss",
        "The notice does not let us see whose work is used, or where. Please name the work and the place in which it "
        "is found, and report it again.",
    ),
    StarterText(
        "Likeness: no consent",
        "likeness",
        "take-down",
        "It shows a real person, and no consent of that person covers its publication. It can come back when the "
        "person has consented.",
        "How was the person told apart from others who look alike?",
    ),
    StarterText(
        "Likeness: a consent covers it",
        "likeness",
        "dismiss",
        "The person that it shows has consented to its publication, and we made sure that it was they who answered.",
    ),
    StarterText(
        "Intimate imagery: removed",
        "intimate",
        "take-down",
        "It makes, or shows, intimate pictures of a real person without their consent. That is not allowed here in any "
        "case. Identical and nearly identical copies are blocked.",
        "Check that the pictures are among the blocked ones.",
    ),
    StarterText(
        "Minors: removed and reported",
        "minors",
        "take-down",
        "It makes, or shows, sexual content with minors. That is forbidden, and nothing allows it.",
        "Which authority was told, when, and under which reference?",
    ),
    StarterText(
        "Licence: its base model does not allow it",
        "licence",
        "take-down",
        "The licence of the base model, or of the training data, does not allow this publication. The decision names "
        "the clause. You can publish a version that was made from something that allows it.",
    ),
    StarterText(
        "Illegal content: removed",
        "illegal",
        "take-down",
        "Its content breaks the law that is named in the statement of reasons.",
    ),
    StarterText(
        "Spam: removed",
        "spam",
        "take-down",
        "It advertises something, repeats what is here already, or is not what its description says.",
    ),
    StarterText(
        "Quality: no rule is broken",
        "quality",
        "dismiss",
        "We found no breach of the rules. Whether it is good is for ratings and comments to say.",
    ),
    StarterText(
        "Held back while we look",
        "",
        "quarantine",
        "A question has to be answered before others can go on downloading it. We hold it back until then, and tell "
        "you what was decided.",
    ),
    StarterText(
        "Appeal: the decision stands",
        "appeal",
        "dismiss",
        "Somebody who did not take the first decision looked at everything again, and comes to the same result.",
        "What was said in the appeal, and why it does not change the result.",
    ),
    StarterText(
        "Appeal: the decision was wrong",
        "appeal",
        "approve",
        "Somebody who did not take the first decision looked at everything again. It was wrong, and we are sorry.",
        "What was overlooked, so that it is not overlooked again.",
    ),
)
