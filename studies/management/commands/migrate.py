"""`manage.py migrate` lays the database's guards, so that one missing must not keep it from running."""

from django.core.management.commands import migrate


class Command(migrate.Command):
    """Checks everything but the database, which is about to be brought in order."""

    def check(self, *args, databases=None, **kwargs) -> None:
        super().check(*args, **kwargs)
