"""Prepared texts to begin with: laid down once, and moderators' own from then on."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from moderation.starter_texts import STARTER_TEXTS


def lay_down(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """A title that moderators use already stays theirs."""
    macros = apps.get_model("moderation", "Macro")
    for text in STARTER_TEXTS:
        macros.objects.get_or_create(title=text.title, defaults=text._asdict())


class Migration(migrations.Migration):
    dependencies = [("moderation", "0005_lookback_triggers")]

    operations = [migrations.RunPython(lay_down, migrations.RunPython.noop)]
