"""App configuration of the registry."""

from django.apps import AppConfig


class RegistryConfig(AppConfig):
    name = "registry"

    def ready(self) -> None:
        from governance.seals import seal_table
        from registry import receivers  # noqa: F401  (registers the handlers)
        from registry.compat.hub.adapters import AdapterKind
        from registry.compat.hub.adapters_writing import AdapterWritingKind
        from registry.compat.hub.kinds import register_kind
        from registry.compat.hub.writing import register_writing
        from registry.models import Acceptance, Receipt

        seal_table(Acceptance, complete=True)
        seal_table(Receipt, open_fields=["first_delivered_at"], complete=True)
        register_kind(AdapterKind())
        register_writing(AdapterWritingKind())
