"""What an installation needs to work: each looked at by itself, so that one failing hides no other."""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Count

from studies import triggers
from studies.actions.anchors import anchors_are_gone
from studies.actions.backups import last_backup
from studies.actions.jobs import living_workers
from studies.actions.letters import late_letters
from studies.models import AuditEvent, Job
from studies.terms import JobState

LEAST_FREE_MB = 200
LONGEST_WITHOUT_BACKUP = timedelta(days=2)
LONGEST_IN_QUEUE = timedelta(minutes=10)
CLOCK_TOLERANCE = timedelta(minutes=5)


@dataclass(frozen=True)
class Condition:
    """One thing looked at: whether it is well, and what was seen."""

    name: str
    is_well: bool
    says: str


def health(now: datetime | None = None) -> list[Condition]:
    now = now or datetime.now(UTC)
    looks: dict[str, Callable[[], tuple[bool, str]]] = {
        "database": _database,
        "migrations": _migrations,
        "triggers": _triggers,
        "anchors": _anchors,
        "disk": _disk,
        "queue": lambda: _queue(now),
        "mail": lambda: _mail(now),
        "clock": lambda: _clock(now),
        "last_backup": lambda: _backup(now),
    }
    return [_look(name, look) for name, look in looks.items()]


def metrics(now: datetime | None = None) -> dict[str, float]:
    """Figures of operation for a monitor that keeps them, by name; none of them is of a study."""
    now = now or datetime.now(UTC)
    found = {f'pdx_well{{what="{one.name}"}}': float(one.is_well) for one in health(now)}
    found["pdx_disk_free_bytes"] = float(shutil.disk_usage(settings.DATA_DIR).free)
    if note := last_backup():
        found["pdx_last_backup_age_seconds"] = (now - datetime.fromisoformat(note["at"])).total_seconds()
    with suppress(DatabaseError):
        found["pdx_audit_events_total"] = float(AuditEvent.objects.count())
        by_state = dict(Job.objects.values_list("state").annotate(count=Count("pk")))
        found |= {f'pdx_jobs{{state="{state}"}}': float(by_state.get(state, 0)) for state in JobState}
        found["pdx_queue_oldest_seconds"] = _oldest(now).total_seconds()
        found["pdx_workers_alive"] = float(len(living_workers(now)))
    return found


def _look(name: str, look: Callable[[], tuple[bool, str]]) -> Condition:
    try:
        return Condition(name, *look())
    except (DatabaseError, OSError, ValueError) as error:
        return Condition(name, False, type(error).__name__)


def _database() -> tuple[bool, str]:
    """Written to and rolled back: a database that only reads is not well."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT 1")
            place = Path(connection.settings_dict["NAME"])
            return os.access(place, os.W_OK), f"{connection.vendor}, answers"
        cursor.execute("SHOW transaction_read_only")
        return cursor.fetchone()[0] == "off", f"{connection.vendor}, answers"


def _migrations() -> tuple[bool, str]:
    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return not waiting, f"{len(waiting)} waiting"


def _triggers() -> tuple[bool, str]:
    missing = triggers.missing(connection)
    return not missing, f"{len(missing)} missing"


def _disk() -> tuple[bool, str]:
    free_mb = shutil.disk_usage(settings.DATA_DIR).free // 1_000_000
    return free_mb >= LEAST_FREE_MB, f"{free_mb} MB free"


def _queue(now: datetime) -> tuple[bool, str]:
    age = _oldest(now)
    return age <= LONGEST_IN_QUEUE, f"{int(age.total_seconds())} s the oldest job"


def _oldest(now: datetime) -> timedelta:
    waiting = Job.objects.filter(state=JobState.WAITING).order_by("asked_at")
    first = waiting.values_list("asked_at", flat=True).first()
    return now - first if first else timedelta()


def _mail(now: datetime) -> tuple[bool, str]:
    n = late_letters(now).count()
    return not n, f"{n} not sent"


def _clock(now: datetime) -> tuple[bool, str]:
    """The record never knew a later time than now: a clock set back would date readings wrong."""
    last = AuditEvent.objects.order_by("-id").values_list("happened_at", flat=True).first()
    ahead = last - now if last and last > now else timedelta()
    return ahead <= CLOCK_TOLERANCE, f"{int(ahead.total_seconds())} s behind the record"


def _anchors() -> tuple[bool, str]:
    are_gone = anchors_are_gone()
    return not are_gone, "gone" if are_gone else "not gone"


def _backup(now: datetime) -> tuple[bool, str]:
    """Wanted where there is something to lose; a new installation is well without one."""
    note = last_backup()
    if note is None:
        return not AuditEvent.objects.exists() or not settings.BACKUP_EXPECTED, "never"
    at = datetime.fromisoformat(note["at"])
    return now - at <= LONGEST_WITHOUT_BACKUP or not settings.BACKUP_EXPECTED, at.isoformat(
        timespec="seconds"
    )
