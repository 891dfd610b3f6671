from django.db import migrations, models

KINDS = [
    ("opened", "opened"),
    ("added", "found again"),
    ("reported", "reported"),
    ("retracted", "report taken back"),
    ("claimed", "taken up"),
    ("released", "put back"),
    ("assigned", "assigned"),
    ("note", "note"),
    ("evidence", "evidence added"),
    ("viewed", "evidence viewed"),
    ("contact", "contact shown"),
    ("asked", "asked for information"),
    ("answered", "information given"),
    ("held", "quarantined"),
    ("told", "holders told"),
    ("escalated", "escalated"),
    ("decided", "decided"),
    ("appealed", "appealed"),
]


class Migration(migrations.Migration):
    dependencies = [("moderation", "0007_second_claims")]

    operations = [
        migrations.AlterField(model_name="caseevent", name="kind", field=models.CharField(choices=KINDS, max_length=10))
    ]
