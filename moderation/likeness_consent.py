"""The text that somebody consents to when they enrol a face, by edition: explicit consent, Article 9(2)(a) GDPR."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

STATEMENTS = Path(__file__).parent / "statements"
PREFIX = "likeness-"


@dataclass(frozen=True)
class LikenessConsent:
    """One edition of the text; its digest is kept with each consent."""

    edition: str
    text: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def reference(self) -> str:
        """What a template keeps about the consent that it rests on."""
        return f"enrolment {self.edition} {self.sha256[:16]}"


@lru_cache(maxsize=1)
def current_consent() -> LikenessConsent:
    """The newest edition; what somebody consented to before stays what they consented to."""
    newest = max(STATEMENTS.glob(f"{PREFIX}*.txt"))
    return LikenessConsent(newest.stem.removeprefix(PREFIX), newest.read_text(encoding="utf-8").strip())
