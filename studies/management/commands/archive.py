"""Write the archive of a closed study, or verify one."""

from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from studies.actions.archives import ArchiveRefused, broken_archive, write_archive
from studies.models import Study


class Command(BaseCommand):
    help = "Write the archive of a closed study: archive CODE PATH. Verify one: archive --verify PATH."

    def add_arguments(self, parser) -> None:
        parser.add_argument("study", nargs="?", help="the study's code")
        parser.add_argument("path", nargs="?", type=Path, help="the file to write; nothing is overwritten")
        parser.add_argument("--verify", type=Path, metavar="PATH", help="verify this archive instead")

    def handle(self, *args, study: str | None, path: Path | None, verify: Path | None, **options) -> None:
        try:
            if verify:
                self._verify(verify)
            elif study and path:
                self._write(study, path)
            else:
                raise CommandError("say which study and where to, or --verify PATH")
        except (ArchiveRefused, OSError) as error:
            raise CommandError(str(error), returncode=1) from error

    def _write(self, code: str, path: Path) -> None:
        study = Study.objects.filter(code=code).first()
        if study is None:
            raise ArchiveRefused(f"There is no study {code}.")
        manifest = write_archive(study, path, timezone.now())
        rows, files = sum(manifest["tables"].values()), len(manifest["files"])
        self.stdout.write(f"{path}: {rows} rows of {len(manifest['tables'])} tables, {files} files, verified")

    def _verify(self, path: Path) -> None:
        if wrong := broken_archive(path):
            raise CommandError("\n".join(wrong), returncode=1)
        self.stdout.write(f"{path}: intact")
