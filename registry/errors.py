"""What the registry refuses, each with its code and what to do."""

from accounts.errors import DomainError


class RegistryError(DomainError):
    """Base of the errors of the registry."""


class TransitionRefused(RegistryError):
    code = "state-conflict"
    status = 409
    title = "The version is in another state"
    remedy = "Reload the page: somebody else, or a check, has moved it on."


class NameTaken(RegistryError):
    code = "name-taken"
    status = 409
    title = "That name is taken"
    remedy = "Choose another name, or upload a new version of the adapter that has it."


class QuotaExceeded(RegistryError):
    code = "quota-exceeded"
    status = 413
    title = "No room left in the quota"
    remedy = "Delete unfinished uploads or withdraw versions, or ask the administrator for a larger quota."


class UploadRefused(RegistryError):
    code = "upload-refused"
    status = 400
    title = "The upload cannot be taken"


class UploadConflict(RegistryError):
    code = "upload-conflict"
    status = 409
    title = "The upload is at another offset"
    remedy = "Ask for the offset with a HEAD request and go on from there."


class ChecksumMismatch(RegistryError):
    code = "checksum-mismatch"
    status = 460  # the tus checksum extension's own number
    title = "The piece arrived damaged"
    remedy = "Send the same piece again."


class DeclarationIncomplete(RegistryError):
    code = "declaration-incomplete"
    status = 422
    title = "The declaration is not complete"
    remedy = "Fill in what `errors` names."


class NotAvailable(RegistryError):
    code = "not-available"
    status = 410
    title = "This version is not available"
    remedy = "Look at the adapter's page for another version, or for why this one is gone."


class AcceptanceNeeded(RegistryError):
    code = "acceptance-needed"
    status = 403
    title = "The terms have not been accepted"
    remedy = "Read the terms named in `terms` and send their digest as `accepted_terms`."


class RatingRefused(RegistryError):
    code = "rating-refused"
    status = 403
    title = "The rating cannot be taken"
    remedy = "Download it first; who made an adapter cannot rate it."


class LinkExpired(RegistryError):
    code = "link-expired"
    status = 403
    title = "This download link has run out"
    remedy = "Go back to the adapter's download page and ask for a new link."
