"""What moderation refuses, each with its code and what to do."""

from accounts.errors import DomainError


class ModerationError(DomainError):
    """Base of the errors of moderation."""


class CaseClaimed(ModerationError):
    code = "case-claimed"
    status = 409
    title = "Somebody else works on this case"
    remedy = "Take another case from the queue, or wait until it is put back."


class CaseMoved(ModerationError):
    code = "case-moved"
    status = 409
    title = "The case has changed since you opened it"
    remedy = "Reload the case, read what is new, and decide again. Nothing was decided."


class CaseDecided(ModerationError):
    code = "case-decided"
    status = 409
    title = "The case is decided already"
    remedy = "Read the decision. Whoever is affected by it may appeal; somebody else then decides."


class DecidedBefore(ModerationError):
    code = "decided-before"
    status = 403
    title = "You took the decision that is appealed"
    remedy = "Leave the appeal in the queue for another moderator."


class DecisionRefused(ModerationError):
    code = "decision-refused"
    status = 409
    title = "This cannot be decided so"
    remedy = "Reload the case and choose among what it offers."


class NoAppeal(ModerationError):
    code = "no-appeal"
    status = 409
    title = "There is nothing to appeal"
    remedy = "A decision that restricts a version can be appealed once, within the time that its statement names."


class NoticeIncomplete(ModerationError):
    code = "notice-incomplete"
    status = 422
    title = "Something is missing in the notice"
    remedy = "Fill in what `errors` names and affirm every statement."


class EvidenceRefused(ModerationError):
    code = "evidence-refused"
    status = 422
    title = "A file could not be taken"
    remedy = "Send pictures, PDF or plain text, each within the size that the form names."


class TooManyRequests(ModerationError):
    """The same thing was asked for too often from one place, or for one address."""

    code = "too-many-requests"
    status = 429
    title = "Too many requests"
    remedy = "Wait as long as the message says, and try again."


class RegistrationRefused(ModerationError):
    """Something of a registration cannot be taken; `errors` names each line or picture."""

    code = "registration-refused"
    status = 422
    title = "The registration cannot be taken"
    remedy = "Correct what `errors` names and send it again."


class OptOutLinkInvalid(ModerationError):
    """The link of a mail that was used up, has run out, or was never sent: nobody learns which."""

    code = "opt-out-link-invalid"
    status = 404
    title = "This link does not work"
    remedy = "Links run out. Ask for a new one on the opt-out page, with the address that you registered with."


class RulingRefused(ModerationError):
    """A moderator's decision about an opt-out entry that its state does not allow."""

    code = "opt-out-ruling-refused"
    status = 409
    title = "That cannot be decided now"
    remedy = "Reload the page: somebody else has changed the entry."


class ListRefused(ModerationError):
    """A list that cannot be taken as it is. What was known from it before stays as it was."""

    code = "opt-out-list-refused"
    status = 422
    title = "The list cannot be taken"
    remedy = "Correct the file and import it again."


class FetchRefused(ModerationError):
    """An address that this server does not ask, or whose answer it does not take."""

    code = "fetch-refused"
    status = 502
    title = "The address could not be fetched"
    remedy = "Check the address in a browser, and that it is public."


class ConsentConflict(ModerationError):
    code = "consent-conflict"
    status = 409
    title = "The consent is in another state"
    remedy = "Reload the page: it was answered, ended or taken back meanwhile."


class ConsentBeyondRequest(ModerationError):
    code = "consent-beyond-request"
    status = 422
    title = "That is more than was asked"
    remedy = "Grant what was asked, or less."


class ConsentDoesNotCover(ModerationError):
    code = "consent-does-not-cover"
    status = 422
    title = "The consent does not cover this version"
    remedy = "Ask the same person for a consent that does."


class RecallStands(ModerationError):
    code = "recall-stands"
    status = 409
    title = "The recall cannot be lifted on this ground"
    remedy = "Wait until the person grants again, or name the ground that applies."


class EnrolmentRefused(ModerationError):
    """A picture or an enrolment that cannot be taken; the detail says why."""

    code = "enrolment-refused"
    status = 422
    title = "The enrolment cannot be taken"
    remedy = "Send one to five sharp photographs, each of which shows one face and nobody else's."


class NotEnrolled(ModerationError):
    code = "not-enrolled"
    status = 409
    title = "Nothing is enrolled here any more"
    remedy = "Enrol again if you want the face to be protected."


class IdentityLinkInvalid(ModerationError):
    """A personal link that was used, has run out, was replaced, or never was: nobody learns which."""

    code = "identity-link-invalid"
    status = 404
    title = "This link does not work"
    remedy = "Links work once, or run out. Ask the moderators for a new one."


class ScreeningRefused(ModerationError):
    code = "screening-refused"
    status = 409
    title = "The checks cannot be repeated now"


class ErasureBlocked(ModerationError):
    code = "erasure-blocked"
    status = 409
    title = "The account cannot be erased yet"
    remedy = "Settle what the message names, then ask again."


class ExportUnavailable(ModerationError):
    code = "export-unavailable"
    status = 404
    title = "There is no such export"
    remedy = "Exports are deleted after some days. Have a new one made."


class PrivacyLinkInvalid(ModerationError):
    """A link that was never sent, has run out, or was used up by an erasure: nobody learns which."""

    code = "privacy-link-invalid"
    status = 404
    title = "This link does not work"
    remedy = "Links run out. Ask for a new one on the privacy page."
