"""What the registry refuses, each with its code and what to do."""

from accounts.errors import DomainError


class RegistryError(DomainError):
    """Base of the errors of the registry."""


class TransitionRefused(RegistryError):
    code = "state-conflict"
    status = 409
    title = "The version is in another state"
    remedy = "Reload the page: somebody else, or a check, has moved it on."


class ConflictOfInterest(RegistryError):
    code = "conflict-of-interest"
    status = 403
    title = "You cannot decide about your own upload"
    remedy = "Leave it in the queue for another moderator."


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


class PictureNotTaken(RegistryError):
    code = "picture-not-taken"
    status = 400
    title = "The picture cannot be taken"
    remedy = "Send it as JPEG, PNG or WebP, with at most 15 MiB and 40 million pixels."


class StorageFull(RegistryError):
    code = "storage-full"
    status = 507
    title = "The server has no room left"
    remedy = "Tell the administrator; nothing that you sent so far is lost."


class UploadConflict(RegistryError):
    code = "upload-conflict"
    status = 409
    title = "The upload is at another offset"
    remedy = "Ask for the offset with a HEAD request and go on from there."


class UploadStalled(RegistryError):
    code = "upload-stalled"
    status = 408
    title = "The upload hardly moved, so the connection was closed"
    remedy = "Nothing that arrived is lost: ask for the offset with a HEAD request and go on from there."


class TooManyTransfers(RegistryError):
    code = "too-many-transfers"
    status = 503
    title = "As many uploads as the server takes at once are under way"
    remedy = "Wait a few seconds and go on; clients that speak tus do so by themselves."


class UnsupportedProtocol(RegistryError):
    code = "tus-version"
    status = 412
    title = "Another version of tus is spoken here"
    remedy = "Use a client that speaks tus 1.0.0, and send Tus-Resumable: 1.0.0."


class UnsupportedPiece(RegistryError):
    code = "unsupported-media-type"
    status = 415
    title = "A piece is sent as application/offset+octet-stream"
    remedy = "Set that Content-Type."


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


class PassRefused(RegistryError):
    code = "pass-refused"
    status = 400
    title = "The token cannot be given this standing use"
    remedy = "Create a token with the scope “download”, and choose one of the uses that the gate asks about."


class PathRefused(RegistryError):
    code = "path-refused"
    status = 400
    title = "The path cannot be taken"
    remedy = "Rename the file."


class CommitRefused(RegistryError):
    code = "commit-refused"
    status = 400
    title = "The commit cannot be taken"


class CommitStale(RegistryError):
    code = "commit-stale"
    status = 412
    title = "The branch has moved on"
    remedy = "Read the newest revision of the branch, and commit on top of it."


class ReferenceTaken(RegistryError):
    code = "reference-taken"
    status = 409
    title = "The reference exists already"
    remedy = "Choose another name, or delete it first."


class ObjectRefused(RegistryError):
    code = "object-refused"
    status = 400
    title = "The object cannot be taken"
    remedy = "Upload the file again."


class WebhookRefused(RegistryError):
    code = "webhook-refused"
    status = 422
    title = "The webhook cannot be taken"
    remedy = "Give an https address that the public internet reaches."


class RevisionMissing(RegistryError):
    code = "revision-not-found"
    status = 404
    title = "There is no such revision"
    remedy = "Name a branch, a tag or a revision of 40 hexadecimal digits that the repository has."


class AccessNotGranted(RegistryError):
    code = "access-not-granted"
    status = 403
    title = "Its owner grants access by hand"
    remedy = "Ask for access on the page named in `url`; its owner answers there."


class RequestRefused(RegistryError):
    code = "request-refused"
    status = 400
    title = "The request for access cannot be changed like that"


class DiscussionsOff(RegistryError):
    code = "discussions-off"
    status = 403
    title = "Discussions are switched off for this adapter"
    remedy = "Its owner has switched them off; what breaks a rule can be reported on its page."


class DiscussionRefused(RegistryError):
    code = "discussion-refused"
    status = 409
    title = "The discussion does not take that"


class TooManyComments(RegistryError):
    code = "too-many-comments"
    status = 429
    title = "Too many comments in a short time"
    remedy = "Wait an hour and try again."


class CommentNotTaken(RegistryError):
    code = "comment-not-taken"
    status = 422
    title = "The text cannot be taken"
    remedy = "Shorten it, or write something."
