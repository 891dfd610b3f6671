"""Why an adapter has no fingerprint."""


class FingerprintError(ValueError):
    """No fingerprint can be made or read: what happened, why, and what to do."""
