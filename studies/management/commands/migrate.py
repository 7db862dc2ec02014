"""`manage.py migrate` lays the database's guards, so that one missing must not keep it from running."""

from django.core.management.commands import migrate
from django.db import connections

from studies import triggers


class Command(migrate.Command):
    """Checks everything but the database, which is about to be brought in order; keeps its guards if that fails."""

    def check(self, *args, databases=None, **kwargs) -> None:
        super().check(*args, **kwargs)

    def handle(self, *args, **options) -> None:
        with triggers.kept_where_it_fails(connections[options["database"]]):
            super().handle(*args, **options)
