"""App configuration of governance."""

from django.apps import AppConfig


class GovernanceConfig(AppConfig):
    name = "governance"

    def ready(self) -> None:
        from governance import receivers  # noqa: F401  (registers the handlers)
        from governance.models import DecisionRecord
        from governance.seals import seal_table

        seal_table(DecisionRecord, complete=True)
