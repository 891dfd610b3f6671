"""What somebody with the database's own rights could do, and the check that must notice it."""

import io

from django.core.management import call_command
from django.db import connection


def tamper(table: str, *statements: str) -> None:
    """Lift the table's triggers, write, and put them back."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table with checks outstanding cannot be altered
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
        for statement in statements:
            cursor.execute(statement)
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER ALL")


def verify(**options: object) -> str:
    out = io.StringIO()
    call_command("audit_verify", stdout=out, **options)
    return out.getvalue()
