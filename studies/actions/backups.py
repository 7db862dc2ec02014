"""Back the database up into one file while people work, and restore it into a database without any table.

The file is a ZIP of `manifest.json` (what was backed up, the hash of every table's rows, the ends of the
audit chains), `database` (an SQLite file, or a dump of PostgreSQL in its custom format) and `media/` (photos).
Secrets live outside the database and are in no backup: AUDIT_KEY is needed to verify what is restored.
"""

import hashlib
import json
import logging
import os
import shutil
import sqlite3
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from studies.actions.anchors import write_anchor

FORMAT = 1
MANIFEST, DATABASE, MEDIA = "manifest.json", "database", "media/"
POSTGRESQL_PLACES = "/usr/lib/postgresql/*/bin"
POSTGRESQL_HINT = "sudo apt-get install postgresql-client"
LARGEST_MANIFEST_BYTES = 50_000_000
DAILY_BACKUP, LOOK_MINUTES = "daily backup", 10

logger = logging.getLogger(__name__)


class BackupRefused(Exception):
    """A backup or a restore that was not made; the message says why and what to do."""


@dataclass(frozen=True)
class Manifest:
    """What a backup holds: table -> [rows, SHA-256 over them], chain -> [length, last hash], file -> SHA-256."""

    format: int
    vendor: str
    made_at: str
    database_sha256: str
    migrations: list[str]
    tables: dict[str, list]
    chains: dict[str, list]
    media: dict[str, str]

    @property
    def rows(self) -> int:
        return sum(count for count, digest in self.tables.values())


def back_up(path: Path, at: datetime, *, is_drill: bool = False) -> Manifest:
    """Write a verified backup to `path`, whole or not at all; a drill counts as no backup.

    Raises BackupRefused and OSError.
    """
    if path.exists():
        raise BackupRefused(f"{path} is there already; a backup overwrites nothing.")
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=path.parent) as folder:
        copy = Path(folder) / DATABASE
        facts = _copy_sqlite(copy) if connection.vendor == "sqlite" else _dump_postgresql(copy)
        media = _media_files()  # after the database: a file is there before the row that names it
        facts["media"] = {name: file_sha256(place) for name, place in media.items()}
        manifest = Manifest(FORMAT, connection.vendor, at.isoformat(), file_sha256(copy), **facts)
        packed = Path(folder) / "packed"
        with zipfile.ZipFile(packed, "x", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.writestr(MANIFEST, json.dumps(asdict(manifest), indent=1))
            archive.write(copy, DATABASE)
            for name, place in media.items():
                archive.write(place, MEDIA + name)
        with opened(packed):  # read back what was written before it gets its name
            pass
        packed.chmod(0o600)
        with open(packed, "rb") as file:
            os.fsync(file.fileno())
        os.replace(packed, path)
    if not is_drill:
        write_anchor("backup", at)
        _note_backup(path, at)
    return manifest


def back_up_daily(now: datetime) -> Path | None:
    """The day's backup in BACKUP_FOLDER, made unless it is there; those older than BACKUP_KEEP_DAYS go.

    None where nothing was to do. Raises BackupRefused and OSError.
    """
    if not settings.BACKUP_FOLDER:
        return None
    folder = Path(settings.BACKUP_FOLDER)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"pdx-{now.astimezone(UTC):%Y-%m-%d}.zip"
    if path.exists():
        return None
    back_up(path, now)
    for old in folder.glob("pdx-????-??-??.zip"):
        if now.timestamp() - old.stat().st_mtime > settings.BACKUP_KEEP_DAYS * 86_400:
            old.unlink()
    return path


def schedule_backups(now: datetime) -> None:
    """From now on the queue looks every LOOK_MINUTES whether the day's backup is to be made, as a job of a worker."""
    from django_q.models import Schedule

    with transaction.atomic():
        Schedule.objects.filter(name=DAILY_BACKUP).delete()
        Schedule.objects.create(name=DAILY_BACKUP, func="studies.actions.backups.back_up_if_due",
                                schedule_type=Schedule.MINUTES, minutes=LOOK_MINUTES, next_run=now)  # fmt: skip


def back_up_if_due() -> None:
    """What the queue calls. A failure is logged, shows on `/healthz`, and is tried again at the next look."""
    try:
        back_up_daily(timezone.now())
    except (BackupRefused, DatabaseError, OSError) as error:
        logger.error("no backup was made: %s", error)


def restore(path: Path) -> Manifest:
    """Put a backup into the configured database, which must hold no table. Raises BackupRefused."""
    with opened(path) as (manifest, copy):
        if manifest.vendor != connection.vendor:
            raise BackupRefused(f"The backup is of {manifest.vendor}, the database is {connection.vendor}.")
        if connection.vendor == "postgresql":
            _create_postgresql_database()
        if tables := connection.introspection.table_names():
            raise BackupRefused(
                f"The database holds {len(tables)} tables; a backup is restored into an empty one only."
            )
        (_fill_sqlite if connection.vendor == "sqlite" else _fill_postgresql)(copy)
        _fill_media(copy.parent / MEDIA, manifest.media)
        found = _restored_hashes(manifest)
    if found != manifest.tables:
        differing = sorted(name for name in found if found[name] != manifest.tables[name])
        raise BackupRefused(f"Restored, but not what was backed up: {', '.join(differing)}.")
    return manifest


@contextmanager
def opened(path: Path) -> Iterator[tuple[Manifest, Path]]:
    """A backup's manifest and its database, unpacked for a while and checked against its hash."""
    try:
        with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory(prefix="restore-") as folder:
            if archive.getinfo(MANIFEST).file_size > LARGEST_MANIFEST_BYTES:
                raise BackupRefused(f"{path} is damaged: its manifest is larger than any we write.")
            manifest = Manifest(**json.loads(archive.read(MANIFEST)))
            if outside := [
                name for name in manifest.media if ".." in Path(name).parts or name.startswith("/")
            ]:
                raise BackupRefused(f"{path} is damaged: it names a file outside its folder, {outside[0]}.")
            for name in (DATABASE, *(MEDIA + name for name in manifest.media)):
                archive.extract(name, folder)
            copy = Path(folder) / DATABASE
            wanted = {copy: manifest.database_sha256}
            wanted |= {Path(folder) / MEDIA / name: digest for name, digest in manifest.media.items()}
            if damaged := [place.name for place, digest in wanted.items() if file_sha256(place) != digest]:
                raise BackupRefused(
                    f"{path} is damaged: not what its manifest says: {', '.join(damaged[:5])}."
                )
            yield manifest, copy
    # RuntimeError: an encrypted entry, one packed in a way unknown here, a manifest nested without end.
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise BackupRefused(f"{path} is no backup of this program, or damaged: {error}") from error


def table_hashes(cursor: Any, tables: Sequence[str]) -> dict[str, list]:
    """Table -> [number of rows, SHA-256 over its rows in the order of their first column]."""
    found = {}
    for table in sorted(tables):
        digest, count = hashlib.sha256(), 0
        cursor.execute(f'SELECT * FROM "{table}" ORDER BY 1')
        while rows := cursor.fetchmany(2000):
            count += len(rows)
            for row in rows:
                digest.update(repr([_plain(value) for value in row]).encode() + b"\n")
        found[table] = [count, digest.hexdigest()]
    return found


def last_backup() -> dict[str, str] | None:
    """`path` and `at` of the last backup made from here, None before the first."""
    note = _note_path()
    return json.loads(note.read_text()) if note.exists() else None


def file_sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def postgresql_program(name: str) -> str:
    """The newest of the PostgreSQL programs of this name on the machine. Raises BackupRefused."""
    places = [str(place) for place in sorted(Path("/").glob(POSTGRESQL_PLACES.lstrip("/")), reverse=True)]
    found = shutil.which(name, path=os.pathsep.join(places)) or shutil.which(name)
    if found is None:
        raise BackupRefused(f"{name} is not on this machine: {POSTGRESQL_HINT}")
    return found


def _media_files() -> dict[str, Path]:
    root = Path(settings.MEDIA_ROOT)
    return {str(place.relative_to(root)): place for place in sorted(root.rglob("*")) if place.is_file()}


def _fill_media(source: Path, media: dict[str, str]) -> None:
    """Put every file where it was; one that is there already with another content is never overwritten."""
    for name, digest in media.items():
        target = Path(settings.MEDIA_ROOT) / name
        if target.exists() and file_sha256(target) != digest:
            raise BackupRefused(f"{target} is there with another content; restore into an empty data folder.")
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copyfile(source / name, target)


def _copy_sqlite(copy: Path) -> dict[str, Any]:
    """One consistent copy through SQLite's backup API: writers go on, and what they write comes too late."""
    connection.ensure_connection()
    place = Path(connection.settings_dict["NAME"]).resolve().as_uri()
    with (
        closing(sqlite3.connect(f"{place}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
        target.execute("PRAGMA journal_mode=DELETE")  # one file, nothing in a log beside it
        return _checked(target)


def _restored_hashes(manifest: Manifest) -> dict[str, list]:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            return table_hashes(cursor, manifest.tables)
    with closing(sqlite3.connect(connection.settings_dict["NAME"])) as database:  # values as they are stored
        return table_hashes(database.cursor(), manifest.tables)


def _checked(database: sqlite3.Connection) -> dict[str, Any]:
    cursor = database.cursor()
    wrong = [row[0] for row in cursor.execute("PRAGMA integrity_check") if row[0] != "ok"]
    wrong += [f"{row[0]} row {row[1]} points nowhere" for row in cursor.execute("PRAGMA foreign_key_check")]
    if wrong:
        raise BackupRefused(f"The database is damaged: {'; '.join(wrong[:5])}")
    names = cursor.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    return _facts(cursor, [row[0] for row in names.fetchall()])


def _fill_sqlite(copy: Path) -> None:
    connection.ensure_connection()
    with closing(sqlite3.connect(copy)) as source:
        source.backup(connection.connection)
    connection.close()  # the next connection begins with the write-ahead log switched on again


def _dump_postgresql(copy: Path) -> dict[str, Any]:
    """A dump and its hashes of one and the same snapshot."""
    program = postgresql_program("pg_dump")
    connection.ensure_connection()
    mine = connection.copy()
    try:
        with mine.cursor() as cursor:
            cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursor.execute("SELECT pg_export_snapshot()")
            snapshot = cursor.fetchone()[0]
            _run(program, "--format=custom", "--no-owner", "--no-privileges", f"--snapshot={snapshot}",
                 f"--file={copy}")  # fmt: skip
            return _facts(cursor, mine.introspection.table_names(cursor))
    finally:
        mine.close()


def _create_postgresql_database() -> None:
    name = connection.settings_dict["NAME"]
    with connection._nodb_cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        if cursor.fetchone() is None:
            cursor.execute(f"CREATE DATABASE {connection.ops.quote_name(name)}")


def _fill_postgresql(copy: Path) -> None:
    program = postgresql_program("pg_restore")
    _run(program, "--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction", str(copy))


def _run(program: str, *arguments: str) -> None:
    """Run a PostgreSQL program on the configured database; the password goes by the environment."""
    known = connection.get_connection_params()
    name = known.get("dbname") or connection.settings_dict["NAME"]
    told = {"--host": known.get("host"), "--port": known.get("port"), "--username": known.get("user")}
    options = [f"{option}={value}" for option, value in told.items() if value]
    options += [f"--dbname={name}"]
    environment = {**os.environ, **({"PGPASSWORD": known["password"]} if known.get("password") else {})}
    run = subprocess.run([program, *options, *arguments], capture_output=True, text=True, env=environment,
                         check=False)  # fmt: skip
    if run.returncode:
        raise BackupRefused(f"{Path(program).name} failed: {run.stderr.strip()[-500:]}")


def _facts(cursor: Any, tables: Sequence[str]) -> dict[str, Any]:
    facts: dict[str, Any] = {"tables": table_hashes(cursor, tables), "migrations": [], "chains": {}}
    if "django_migrations" in tables:
        cursor.execute("SELECT app, name FROM django_migrations ORDER BY id")
        facts["migrations"] = [f"{app}.{name}" for app, name in cursor.fetchall()]
    if "studies_audithead" in tables:
        cursor.execute("SELECT chain, count, head FROM studies_audithead ORDER BY chain")
        facts["chains"] = {chain: [count, head] for chain, count, head in cursor.fetchall()}
    return facts


def _plain(value: Any) -> Any:
    """One spelling for a value whichever way a driver gives it."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True)
    if isinstance(value, memoryview):
        return bytes(value)
    return value if isinstance(value, int | float | str | bytes | type(None)) else str(value)


def _note_path() -> Path:
    return Path(settings.DATA_DIR) / "last_backup.json"


def _note_backup(path: Path, at: datetime) -> None:
    _note_path().write_text(json.dumps({"path": str(path.resolve()), "at": at.isoformat()}))
