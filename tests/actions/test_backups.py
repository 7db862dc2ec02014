"""The restore drill: a backup taken while people write is restored elsewhere and holds what it held."""

import json
import os
import subprocess
import sys
import threading
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone
from django.utils.module_loading import import_string
from django_q.models import OrmQ, Schedule
from django_q.scheduler import scheduler

from studies.actions import backups
from studies.actions.acceptance import plant_acceptance
from studies.actions.audit import record_event, study_chain
from studies.models import AuditEvent, Measurement, Study

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 6, 10, 10, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def planted(transactional_db, settings, tmp_path):
    settings.DATA_DIR, settings.MEDIA_ROOT = tmp_path, tmp_path / "media"
    (tmp_path / "media" / "photos").mkdir(parents=True)
    (tmp_path / "media" / "photos" / "ulcer.jpg").write_bytes(b"a photo")
    plant_acceptance(3, now=NOW)


def elsewhere(tmp_path: Path, *command: str) -> subprocess.CompletedProcess:
    """A command on an empty database of its own, with the same AUDIT_KEY and other anchors."""
    url = f"sqlite:///{tmp_path / 'restored.sqlite3'}"
    if connection.vendor == "postgresql":
        known = connection.get_connection_params()
        url = f"postgres://{known['user']}@/restored_{os.getpid()}?host={known['host']}"
    environment = {**os.environ, "DATABASE_URL": url, "AUDIT_KEY": settings.AUDIT_KEY,
                   "PDX_DATA_DIR": str(tmp_path / "elsewhere"),
                   "DJANGO_SETTINGS_MODULE": "pdx_tracker.settings"}  # fmt: skip
    return subprocess.run([sys.executable, "manage.py", *command], env=environment, cwd=ROOT,
                          capture_output=True, text=True, check=False)  # fmt: skip


def write_until(stopped: threading.Event) -> None:
    study = Study.objects.get(code="ACC-OPEN")
    try:
        while not stopped.is_set():
            with transaction.atomic():
                Study.objects.filter(pk=study.pk).update(title=f"Title {AuditEvent.objects.count()}")
                record_event("changed", study, actor=None, at=NOW, chain=study_chain(study), study=study)
    finally:
        connection.close()


def test_a_backup_under_four_writers_restores_to_equal_rows_and_verifies(planted, tmp_path):
    stopped = threading.Event()
    writers = [threading.Thread(target=write_until, args=(stopped,)) for _ in range(4)]
    for writer in writers:
        writer.start()
    try:
        manifest = backups.back_up(tmp_path / "day.backup", NOW)
    finally:
        stopped.set()
        for writer in writers:
            writer.join()
    assert manifest.tables["studies_measurement"][0] == Measurement.objects.count() > 0
    restored = elsewhere(tmp_path, "restore", str(tmp_path / "day.backup"))
    assert restored.returncode == 0, restored.stderr
    assert (tmp_path / "elsewhere" / "media" / "photos" / "ulcer.jpg").read_bytes() == b"a photo"
    verified = elsewhere(tmp_path, "verify_audit", "--json")
    outcome = json.loads(verified.stdout)
    assert verified.returncode == 0 and outcome["intact"], outcome
    assert outcome["events"] == manifest.tables["studies_auditevent"][0]
    again = elsewhere(tmp_path, "restore", str(tmp_path / "day.backup"))
    assert again.returncode == 1 and "an empty one only" in again.stderr
    assert backups.last_backup()["at"] == NOW.isoformat()


def test_no_secret_is_in_a_backup_and_nothing_is_overwritten(planted, tmp_path):
    path = tmp_path / "day.backup"
    backups.back_up(path, NOW)
    with zipfile.ZipFile(path) as archive:
        everything = b"".join(archive.read(name) for name in archive.namelist())
    for secret in (settings.AUDIT_KEY, settings.SECRET_KEY):
        assert secret.encode() not in everything
    with pytest.raises(backups.BackupRefused, match="overwrites nothing"):
        backups.back_up(path, NOW)
    with pytest.raises(CommandError, match="overwrites nothing") as refused:
        call_command("backup", path)
    assert refused.value.returncode == 1
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".backup")] == []


def test_photos_come_back_where_they_were_and_never_over_another(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "media"
    source = tmp_path / "backup"
    (source / "photos").mkdir(parents=True)
    (source / "photos" / "a.jpg").write_bytes(b"a photo")
    told = {"photos/a.jpg": backups.file_sha256(source / "photos" / "a.jpg")}
    for _ in range(2):  # the same one may be there already
        backups._fill_media(source, told)
        assert (tmp_path / "media" / "photos" / "a.jpg").read_bytes() == b"a photo"
    (tmp_path / "media" / "photos" / "a.jpg").write_bytes(b"another")
    with pytest.raises(backups.BackupRefused, match="is there with another content"):
        backups._fill_media(source, told)
    assert (tmp_path / "media" / "photos" / "a.jpg").read_bytes() == b"another"


def test_a_damaged_or_foreign_file_is_no_backup(planted, tmp_path):
    path = tmp_path / "day.backup"
    backups.back_up(path, NOW)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    told = json.loads(parts["manifest.json"])
    outside = json.dumps(told | {"media": {"../../outside": "0" * 64}}).encode()
    refusals = {"database": (flipped(parts["database"]), "not what its manifest says: database"),
                "media/photos/ulcer.jpg": (b"another", "not what its manifest says: ulcer.jpg"),
                "manifest.json": (outside, "outside its folder")}  # fmt: skip
    for changed, (content, reason) in refusals.items():
        with zipfile.ZipFile(tmp_path / "changed", "w") as archive:
            for name, was in parts.items():
                archive.writestr(name, content if name == changed else was)
        with pytest.raises(backups.BackupRefused, match=reason):
            backups.restore(tmp_path / "changed")
    (tmp_path / "text").write_text("no backup")
    with pytest.raises(backups.BackupRefused, match="is no backup"):
        backups.restore(tmp_path / "text")


def flipped(content: bytes) -> bytes:
    """One bit of it changed, in the middle."""
    changed = bytearray(content)
    changed[len(changed) // 2] ^= 1
    return bytes(changed)


def test_a_day_has_one_backup_and_old_ones_go(planted, settings, tmp_path):
    settings.BACKUP_FOLDER = ""
    assert backups.back_up_daily(NOW) is None
    settings.BACKUP_FOLDER, settings.BACKUP_KEEP_DAYS = str(tmp_path / "daily"), 30
    (tmp_path / "daily").mkdir()
    for name, days in (("pdx-2026-05-01.zip", 40), ("pdx-2026-06-09.zip", 1), ("other.zip", 40)):
        (tmp_path / "daily" / name).write_text("old")
        at = NOW.timestamp() - days * 86_400
        os.utime(tmp_path / "daily" / name, (at, at))
    made = backups.back_up_daily(NOW)
    assert made.name == "pdx-2026-06-10.zip" and backups.back_up_daily(NOW) is None
    left = {path.name for path in (tmp_path / "daily").iterdir()}
    assert left == {"pdx-2026-06-10.zip", "pdx-2026-06-09.zip", "other.zip"}


def test_the_daily_backup_is_an_entry_of_the_queue(planted, settings, tmp_path, monkeypatch):
    settings.BACKUP_FOLDER = str(tmp_path / "daily")
    for _ in range(2):  # each worker that starts says so
        backups.schedule_backups(timezone.now() - timedelta(minutes=1))
    scheduler()
    (queued,) = OrmQ.objects.all()
    import_string(queued.func())()
    assert [path.name for path in (tmp_path / "daily").iterdir()] == [f"pdx-{datetime.now(UTC):%Y-%m-%d}.zip"]
    assert Schedule.objects.get().next_run > timezone.now()


def test_a_backup_that_fails_is_logged_and_tried_again(db, settings, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(backups.logger, "error", lambda words, *parts: said.append(words % parts))
    (tmp_path / "file").write_text("no folder")
    settings.BACKUP_FOLDER = str(tmp_path / "file" / "daily")
    backups.back_up_if_due()
    assert len(said) == 1 and "no backup was made" in said[0]
