"""App configuration of moderation."""

from django.apps import AppConfig


class ModerationConfig(AppConfig):
    name = "moderation"

    def ready(self) -> None:
        from governance.seals import seal_table
        from moderation import receivers  # noqa: F401  (registers the handlers)
        from moderation.models import DeletionProof
        from moderation.selectors.consents import consent_obstacle
        from registry.standing import ask_also

        seal_table(DeletionProof, complete=True)
        ask_also("consent", consent_obstacle)
