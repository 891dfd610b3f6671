"""App configuration of moderation."""

from django.apps import AppConfig


class ModerationConfig(AppConfig):
    name = "moderation"

    def ready(self) -> None:
        from governance.seals import seal_table
        from moderation import receivers  # noqa: F401  (registers the handlers)
        from moderation.models import DeletionProof
        from moderation.selectors.consent_needs import consent_needs
        from moderation.selectors.consents import consent_obstacle
        from moderation.selectors.grave import grave_questions
        from registry.standing import ask_also, consents_known_by, questions_known_by

        seal_table(DeletionProof, complete=True)
        ask_also("consent", consent_obstacle)
        consents_known_by(consent_needs)
        questions_known_by(grave_questions)
