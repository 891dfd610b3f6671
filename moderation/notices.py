"""What each kind of report asks for: fields, and the statements that its sender affirms, in their editions.

Sources: 17 U.S.C. 512(c)(3)(A) for rights infringement and 512(g)(3) for the counter-notice; TAKE IT DOWN Act, section
3(a)(1)(B), for intimate imagery; Regulation (EU) 2022/2065 (DSA), Article 16(2), for all others, whose point (c) lets
reports about the sexual abuse of children be sent without a name.
"""

from dataclasses import dataclass

EDITION = "2026-11"

ACCURATE = "accurate"
GOOD_FAITH = "good-faith"
AUTHORISED = "authorised-under-penalty-of-perjury"
NOT_CONSENTED = "published-without-consent"
DEPICTED = "depicted-or-authorised"
MISTAKEN = "removed-by-mistake-under-penalty-of-perjury"
JURISDICTION = "jurisdiction-and-service"

STATEMENTS: dict[str, str] = {
    ACCURATE: "What I state here is, to the best of my knowledge, accurate and complete.",
    GOOD_FAITH: (
        "I have a good-faith belief that the use described here is not authorised by the rights holder, its agent, or "
        "the law."
    ),
    AUTHORISED: (
        "The information in this notice is accurate and, under penalty of perjury, I am the owner of the exclusive "
        "right that is infringed, or authorised to act on the owner's behalf."
    ),
    NOT_CONSENTED: (
        "I have a good-faith belief that the intimate depiction described here is published without the consent of the "
        "person it shows."
    ),
    DEPICTED: "I am the person who is shown, or authorised to act on that person's behalf.",
    MISTAKEN: (
        "I swear, under penalty of perjury, that I have a good-faith belief that the material was removed or disabled "
        "as a result of mistake or misidentification."
    ),
    JURISDICTION: (
        "I consent to the jurisdiction of the Federal District Court for the judicial district in which my address is "
        "located or, if my address is outside the United States, of any judicial district in which the registry may be "
        "found, and I will accept service of process from the person who sent the notice or an agent of that person."
    ),
}

CONTACT = ("name", "email")
POSTAL = ("address", "phone")
SIGNATURE = ("signature",)


@dataclass(frozen=True)
class NoticeRule:
    """A kind of report: what it is for, the fields it needs beyond the text, and what its sender affirms."""

    label: str
    about: str
    work_label: str = ""  # what `work` asks for; empty: it is not asked
    required: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()


NOTICES: dict[str, NoticeRule] = {
    "intimate": NoticeRule(
        label="Intimate imagery without consent",
        about="It makes or shows nude or sexual pictures of a person who did not agree, real or generated. Decided "
        "within 48 hours, and copies are kept from coming back.",
        work_label="Who is shown, and where exactly",
        required=("work", *CONTACT, *SIGNATURE),
        statements=(NOT_CONSENTED, DEPICTED, ACCURATE),
    ),
    "minors": NoticeRule(
        label="Sexual content involving minors",
        about="It makes or shows sexual content with children or with people who look like children. You need not say "
        "who you are. Do not attach such pictures: say where they are.",
    ),
    "likeness": NoticeRule(
        label="My face or likeness",
        about="It imitates a real person, and that person did not agree.",
        work_label="Who is imitated",
        required=("work", *CONTACT),
        statements=(DEPICTED, ACCURATE),
    ),
    "rights": NoticeRule(
        label="Infringement of my copyright or other right",
        about="A sworn notice about works of yours, or of those you act for. The uploader learns of it and may answer "
        "with a counter-notice, which is sent to you with their name and address, as yours is to them.",
        work_label="The works that are infringed, or a list of them",
        required=("work", *CONTACT, *POSTAL, *SIGNATURE),
        statements=(GOOD_FAITH, AUTHORISED, ACCURATE),
    ),
    "licence": NoticeRule(
        label="A licence is not kept",
        about="Its licence, or that of what it was made from, does not allow this.",
        work_label="Which licence, and which clause",
        required=("work", *CONTACT),
        statements=(ACCURATE,),
    ),
    "illegal": NoticeRule(
        label="Other illegal content",
        about="It breaks a law in another way.",
        work_label="Which law, and in which country",
        required=("work", *CONTACT),
        statements=(ACCURATE,),
    ),
    "spam": NoticeRule(label="Spam", about="Advertising, a flood of copies, or a file that is not what it says."),
    "quality": NoticeRule(
        label="It does not work", about="Broken, mislabelled, or for another base model than it says."
    ),
}

COUNTER_NOTICE = NoticeRule(
    label="Counter-notice",
    about="You swear that the removal was a mistake. It goes to whoever sent the notice, with your name and address. "
    "What was removed is put back ten to fourteen business days later, unless they go to court.",
    required=(*CONTACT, *POSTAL, *SIGNATURE),
    statements=(MISTAKEN, JURISDICTION),
)


def statements_of(rule: NoticeRule) -> list[tuple[str, str]]:
    """Code and wording of each statement that is affirmed."""
    return [(code, STATEMENTS[code]) for code in rule.statements]
