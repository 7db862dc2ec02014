"""Restore a backup into a database without any table."""

from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from studies.actions.backups import BackupRefused, restore


class Command(BaseCommand):
    help = "Restore a backup into the configured database, which must hold no table, and compare every row."
    requires_system_checks = ()

    def add_arguments(self, parser) -> None:
        parser.add_argument("path", type=Path, help="a file that `backup` wrote")

    def handle(self, *args, path: Path, **options) -> None:
        try:
            manifest = restore(path)
        except (BackupRefused, OSError) as error:
            raise CommandError(str(error), returncode=1) from error
        self.stdout.write(
            f"{path}: {manifest.rows} rows of {len(manifest.tables)} tables, as backed up at {manifest.made_at}. "
            "Next: migrate, then verify_audit."
        )
