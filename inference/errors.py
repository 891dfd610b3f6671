"""What the inference app refuses."""

from accounts.errors import DomainError


class InferenceError(DomainError):
    """Base of the errors of inference."""


class JobConflict(InferenceError):
    code = "job-conflict"
    status = 409
    title = "The job is in another state"
    remedy = "Reload the page to see how the job stands."
