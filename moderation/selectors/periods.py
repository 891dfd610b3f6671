"""How long what is kept: the periods of the settings in words, for the privacy pages."""

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings

# What, the setting, and from when it counts.
PERIODS = (
    ("Accounts, and what they published", "", "until you delete the account"),
    ("File names of uploads", "RETENTION_UPLOADS", "after the upload was submitted"),
    ("API tokens that ended: their names and scopes", "RETENTION_TOKENS", "after their end"),
    ("Name and address of whoever sent a report or a counter-notice", "RETENTION_CONTACTS", "after the decision"),
    ("Texts, notes and evidence of cases", "RETENTION_CASES", "after the decision"),
    ("What was written about somebody who gave no consent", "RETENTION_CONSENTS", "after the time for the answer"),
    ("Evidence of a consent", "RETENTION_CONSENT_EVIDENCE", "after the consent ended"),
    ("Letters and mails that were sent or given up: what they said", "RETENTION_MAILS", "after that"),
    ("Messages to webhooks and their log", "RETENTION_WEBHOOKS", "after delivery"),
    ("Links in mails", "RETENTION_LINKS", "after they ran out"),
    ("Notes of checks, and pictures that were compared", "RETENTION_NOTES", "after the check"),
    ("Strikes", "RETENTION_STRIKES", "after they ended"),
    ("Copies of your data", "EXPORT_LIFETIME", "after they were made"),
    ("Network addresses, in counters of attempts", "", "for the hour that is counted, then deleted in the night"),
    ("Receipts, decisions and the audit log", "", "as long as the registry exists: others rely on them"),
)


@dataclass(frozen=True)
class Period:
    what: str
    how_long: str


def retention_periods() -> list[Period]:
    """Each kind of data with how long it is kept, as this installation is set."""
    return [Period(what, f"{_days(setting)} {since}".strip()) for what, setting, since in PERIODS]


def _days(setting: str) -> str:
    if not setting:
        return ""
    kept: timedelta = getattr(settings, setting)
    return f"{kept.days} day{'' if kept.days == 1 else 's'}"
