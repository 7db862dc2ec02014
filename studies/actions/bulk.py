"""Insert many rows of one table at the speed of the database: executemany on SQLite, COPY on PostgreSQL.

For rows that are already checked and carry no default of Django's: every column named is given. The
database's own constraints and triggers hold as ever.
"""

from collections.abc import Iterable, Sequence

from django.db import connections, models


def bulk_insert(model: type[models.Model], columns: Sequence[str], rows: Iterable[Sequence]) -> None:
    """Insert `rows` (values in the order of `columns`, database types) inside the caller's transaction."""
    connection = connections["default"]
    table = connection.ops.quote_name(model._meta.db_table)
    names = ", ".join(connection.ops.quote_name(column) for column in columns)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            places = ", ".join(["%s"] * len(columns))
            cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({places})", rows)
