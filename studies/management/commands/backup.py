"""Write a verified backup of the database while people work."""

from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from studies.actions.backups import BackupRefused, back_up


class Command(BaseCommand):
    help = "Back the database up into one file, verified; AUDIT_KEY and other secrets are not in it."

    def add_arguments(self, parser) -> None:
        parser.add_argument("path", type=Path, help="the file to write; nothing is overwritten")

    def handle(self, *args, path: Path, **options) -> None:
        try:
            manifest = back_up(path, timezone.now())
        except (BackupRefused, OSError) as error:
            raise CommandError(str(error), returncode=1) from error
        self.stdout.write(f"{path}: {manifest.rows} rows of {len(manifest.tables)} tables, verified")
