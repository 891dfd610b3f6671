"""The closed vocabularies of the policy engine: uses, outcomes, grants, roles, kinds of duty and of limit."""

from __future__ import annotations

from enum import StrEnum


class Use(StrEnum):
    """What somebody wants to do; the first seven are what people ask for, the rest is what the house does."""

    PERSONAL = "personal"
    RESEARCH = "research"
    COMMERCIAL_OUTPUTS = "commercial-outputs"
    HOSTED_SERVICE = "hosted-service"
    REDISTRIBUTION = "redistribution"
    MERGING = "merging"
    SELLING_WEIGHTS = "selling-weights"
    PUBLISH = "publish"
    PREVIEW = "preview"
    TRAINING = "training"


ASKED_USES: tuple[Use, ...] = (
    Use.PERSONAL,
    Use.RESEARCH,
    Use.COMMERCIAL_OUTPUTS,
    Use.HOSTED_SERVICE,
    Use.REDISTRIBUTION,
    Use.MERGING,
    Use.SELLING_WEIGHTS,
)

# Every licence states a claim for each of these. Publishing is judged by the claim on redistribution
# unless the licence has a claim of its own for it.
CLAIMED_USES: tuple[Use, ...] = (*ASKED_USES, Use.PREVIEW, Use.TRAINING)


class Outcome(StrEnum):
    """The answer; DENY beats REVIEW beats ALLOW."""

    ALLOW = "allow"
    REVIEW = "review"
    DENY = "deny"


SEVERITY: dict[Outcome, int] = {Outcome.ALLOW: 0, Outcome.REVIEW: 1, Outcome.DENY: 2}


class Grant(StrEnum):
    """What a licence says about one use."""

    YES = "yes"
    NO = "no"
    CONDITIONAL = "conditional"
    UNSTATED = "unstated"


class Status(StrEnum):
    """How well a claim is known. Only the first two may decide anything but REVIEW."""

    TEXT = "text"  # read in the licence text
    TEXT_KNOWN = "text-known"  # certain from the official deed and the SPDX list
    SECOND_HAND = "second-hand"  # a section quoted by somebody else
    UNVERIFIED = "unverified"  # general knowledge, no text at hand


VERIFIED: frozenset[Status] = frozenset({Status.TEXT, Status.TEXT_KNOWN})


class Role(StrEnum):
    """What a component is in the thing being judged."""

    BASE = "base"
    PARENT = "parent"
    ADAPTER = "adapter"
    TRAINING_DATA = "training-data"


class ConditionKind(StrEnum):
    """Limits that are checked against stated facts."""

    REVENUE_CAP = "revenue-cap"
    USER_CAP = "user-cap"
    TERRITORY = "territory"
    REGISTRATION = "registration"
    PAYMENT_BAN = "payment-ban"
    END_USER_BAN = "end-user-ban"
    HOST_BAN = "host-ban"
    CONTENT_FILTER = "content-filter"
    AI_DISCLOSURE = "ai-disclosure"
    NO_COMPETITOR_TRAINING = "no-competitor-training"
    NO_BIOMETRIC_PROCESSING = "no-biometric-processing"


class ObligationKind(StrEnum):
    """Duties that travel with the files."""

    RESTRICTION_PASS_ON = "restriction-pass-on"  # noqa: S105 (no password)
    USE_RESTRICTIONS = "use-restrictions"
    SHARE_ALIKE = "share-alike"
    NOTICE = "notice"
    ATTRIBUTION = "attribution"
    POWERED_BY = "powered-by"
    STATE_CHANGES = "state-changes"
    LICENCE_COPY = "licence-copy"
    CONTENT_FILTER = "content-filter"
    AI_DISCLOSURE = "ai-disclosure"
    NO_COMPETITOR_TRAINING = "no-competitor-training"
    NO_BIOMETRIC_PROCESSING = "no-biometric-processing"
    REGISTRATION = "registration"
    SOURCE_OFFER = "source-offer"
    PAYMENT_BAN = "payment-ban"
    HOST_BAN = "host-ban"
    TERRITORY = "territory"
    NO_ENDORSEMENT = "no-endorsement"
    LATEST_VERSION = "latest-version"


class ConsentScope(StrEnum):
    """What a person's consent allows."""

    TRAINING = "training"
    PREVIEW = "preview"
    PUBLICATION = "publication"
    COMMERCIAL = "commercial-use"


class DownstreamRule(StrEnum):
    """Under which licence something made from the licensed work may be given on."""

    SAME = "same"  # share-alike: this licence or a compatible one
    PASS_ON = "pass-on"  # noqa: S105 (no password); own terms, but the restrictions stay binding and are handed on
    OWN_TERMS = "own-terms"  # own terms; notices stay
    UNSETTLED = "unsettled"  # share-alike whose reach to trained weights nobody has settled
    NONE = "none"  # nothing may be given on


class CommercialFlag(StrEnum):
    """The commercial uses a creator ticks; ``rent-civit`` names Civitai's own generator and no other."""

    IMAGE = "image"
    RENT_CIVIT = "rent-civit"
    RENT = "rent"
    SELL = "sell"
