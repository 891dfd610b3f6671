"""The whole database as text, to look for what must not be in it."""

from django.db import connection


def tables_with(*words: str, but: frozenset[str] = frozenset()) -> dict[str, list[str]]:
    """The rows, by table, that contain one of these words: as text, or as bytes in hexadecimal."""
    wanted = [word.lower() for word in words]
    wanted += [word.encode().hex() for word in words]
    found = {}
    for table in connection.introspection.table_names():
        if table not in but:
            with connection.cursor() as cursor:
                cursor.execute(f'SELECT t::text FROM "{table}" AS t')
                rows = [row for (row,) in cursor.fetchall() if any(word in row.lower() for word in wanted)]
            if rows:
                found[table] = rows
    return found
