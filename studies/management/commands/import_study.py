"""Bring a file of measurements into the database as one or more historical studies."""

from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from studies.actions.import_study import import_studies
from studies.imports import ImportRefused
from studies.management.files import listing, megabytes, read_file
from studies.models import User


class Command(BaseCommand):
    help = "Import a file of tumor measurements: each study of the file, or all pooled as --study CODE."

    def add_arguments(self, parser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--study", metavar="CODE", help="read every study of the file as one of this code"
        )
        parser.add_argument("--control", metavar="ARM", help="the control, where the file does not mark one")
        parser.add_argument("--director", metavar="USER", help="who directs the study and may see it at once")
        parser.add_argument("--max-mb", type=megabytes, default=settings.IMPORT_LIMIT_MB)

    def handle(self, *args, file: Path, study, control, director, max_mb, **options) -> None:
        try:
            table = read_file(file, max_mb)
            imported = import_studies(
                table, at=timezone.now(), code=study, control=control, director=_user(director)
            )
        except ImportRefused as refused:
            raise CommandError(listing(file, refused.errors), returncode=2) from None
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror or error}", returncode=2) from None
        told = [*table.assumptions, *(line for result in imported for line in result.assumptions)]
        for assumption in dict.fromkeys(told):
            self.stdout.write(assumption)
        for result in imported:
            what = "imported" if result.is_new else "already on record, nothing added"
            self.stdout.write(f"{result.code}: {result.rows} rows of {result.mice} mice, {what}")


def _user(name: str | None) -> User | None:
    if name is None:
        return None
    user = User.objects.filter(username=name, is_active=True).first()
    if user is None:
        raise CommandError(f"there is no active user {name}", returncode=2)
    return user
