"""System checks: what must stand before anyone works with the data."""

from django.core.checks import Error, Tags, register
from django.db import connections

from studies import triggers


@register(Tags.database)
def guard_triggers_stand(app_configs=None, databases=None, **kwargs) -> list[Error]:
    """studies.E001: a database that holds our tables holds their triggers."""
    errors = []
    for alias in databases or ():
        connection = connections[alias]
        if "studies_auditevent" not in connection.introspection.table_names():
            continue  # not migrated yet
        for name in triggers.missing(connection):
            errors.append(
                Error(
                    f"the database trigger {name} is missing",
                    hint="It was removed, or its table was rebuilt: find out why, then run `manage.py migrate`.",
                    id="studies.E001",
                )
            )
    return errors
