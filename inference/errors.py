"""What the inference app refuses."""

from accounts.errors import DomainError


class InferenceError(DomainError):
    """Base of the errors of inference."""


class JobConflict(InferenceError):
    code = "job-conflict"
    status = 409
    title = "The job is in another state"
    remedy = "Reload the page to see how the job stands."


class MakingRefused(InferenceError):
    code = "cannot-be-made"
    status = 422
    title = "It cannot be made so"
    remedy = "Correct what `errors` names."


class GenerationRefused(InferenceError):
    """What is asked for cannot be made; `errors` has the sentences by field, `problems` what, why and remedy."""

    code = "generation-refused"
    status = 422
    title = "This cannot be generated"
    remedy = "Change what is named, and try again."


class PromptRefused(InferenceError):
    code = "prompt-refused"
    status = 422
    title = "The prompt is not taken"
    remedy = "Change the words that are named."


class GenerationQuota(InferenceError):
    code = "generation-quota"
    status = 429
    title = "No more pictures can be asked for now"
    remedy = "Wait until some of yours are done, or ask the administrator for more."


class GalleryRefused(InferenceError):
    code = "gallery-refused"
    status = 409
    title = "The picture cannot be added to the gallery"
