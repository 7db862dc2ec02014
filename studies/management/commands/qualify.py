"""Check an installation and what it must do, and write the record of it."""

import hashlib
import json
import platform
import tempfile
from io import StringIO
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.utils import timezone

from studies.actions.backups import back_up, file_sha256, opened
from studies.actions.coverage import broken_links
from studies.actions.health import health


class Command(BaseCommand):
    help = (
        "Run the installation and operation checks and write their record as JSON; exit 1 where one failed."
    )

    def add_arguments(self, parser) -> None:
        parser.add_argument(
            "--out", type=Path, help="the file to write the record into; by default one of the data folder"
        )

    def handle(self, *args, out: Path | None, **options) -> None:
        out = out or Path(settings.DATA_DIR) / f"qualification-{timezone.now():%Y%m%dT%H%M%SZ}.json"
        checks = {one.name: (one.is_well, one.says) for one in health()}
        for name, check in (("deployment", _deployment), ("audit", _audit), ("backup", _backup)):
            checks[name] = check()
        record = {
            "at": timezone.now().isoformat(timespec="seconds"),
            "passed": all(passed for passed, _ in checks.values()),
            "program": {
                "python": platform.python_version(),
                "django": django.get_version(),
                "database": f"{connection.vendor} {_version()}",
                "requirements_sha256": file_sha256(settings.BASE_DIR / "requirements.txt"),
                "code_sha256": _code_sha256(settings.BASE_DIR),
            },
            "checks": {name: {"passed": passed, "says": says} for name, (passed, says) in checks.items()},
        }
        out.write_text(json.dumps(record, indent=1) + "\n")
        for name, (passed, says) in checks.items():
            self.stdout.write(f"{'passed' if passed else 'FAILED'}  {name}: {says}")
        self.stdout.write(f"the record is in {out}")
        if not record["passed"]:
            raise CommandError(f"not qualified; the record is in {out}", returncode=1)


def _deployment() -> tuple[bool, str]:
    said = StringIO()
    try:
        call_command(
            "check", "--deploy", "--database=default", "--fail-level=WARNING", stdout=said, stderr=said
        )
    except CommandError as error:
        return False, "; ".join(line for line in str(error).splitlines() if line.startswith("?:"))
    return True, "manage.py check --deploy found nothing"


def _audit() -> tuple[bool, str]:
    broken = broken_links()
    return not broken, broken[0].reason if broken else "every chain and every row holds"


def _backup() -> tuple[bool, str]:
    with tempfile.TemporaryDirectory(prefix="qualify-") as folder:
        path = Path(folder) / "qualify.zip"
        made = back_up(path, timezone.now(), is_drill=True)
        with opened(path) as (manifest, _):
            return manifest == made, f"{made.rows} rows backed up and read back"


def _version() -> str:
    with connection.cursor() as cursor:
        query = "SELECT sqlite_version()" if connection.vendor == "sqlite" else "SHOW server_version"
        cursor.execute(query)
        return str(cursor.fetchone()[0])


def _code_sha256(root: Path) -> str:
    """Over every file of the program: two installations of one version agree."""
    digest = hashlib.sha256()
    for folder in ("pdx_tracker", "studies", "templates"):
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                digest.update(f"{path.relative_to(root)} {file_sha256(path)}\n".encode())
    return digest.hexdigest()
