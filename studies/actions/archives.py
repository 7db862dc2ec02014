"""Write the archive of a closed study: one ZIP of open formats that is read and verified without this program.

Every row of the study and of the registry it rests on, as CSV for people and as JSON for exact values; the
audit chains whole; the reports with their files; the photos; the schema in words; checksums, and a verifier
of Python's own library alone (archive_verifier.py). What leads into the installation (passwords, tokens,
keys) is not in it.
"""

import hashlib
import hmac
import json
import os
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.apps import apps
from django.conf import settings
from django.db import connection, transaction
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Field, Model

from studies import triggers
from studies.actions import archive_verifier
from studies.actions.audit import INSTALLATION, allocation_chain, record_event, study_chain
from studies.actions.row_seals import model_of
from studies.exports import long_csv
from studies.models import AuditEvent, AuditHead, ReportFile, Study
from studies.terms import StudyState

MODELS = (
    "SELECT pdx_model_id FROM studies_mouse WHERE study_id = {study}"
    " UNION SELECT pdx_model_id FROM studies_studypdxmodel WHERE study_id = {study}"
)
SAMPLES = f"SELECT sample_id FROM studies_pdxmodel WHERE id IN ({MODELS})"
AGENTS = (
    "SELECT agent_id FROM studies_armagent WHERE arm_id IN (SELECT id FROM studies_arm WHERE study_id = {study})"
    " UNION SELECT agent_id FROM studies_expectedsigndeclaration WHERE study_id = {study}"
)
# Tables beside those the lock closes (triggers.LOCKED_WITH_STUDY): which rows of each are the study's.
ARCHIVED = {
    "studies_study": "id = {study}",
    "studies_agent": f"id IN ({AGENTS})",
    "studies_agentlot": f"agent_id IN ({AGENTS})",
    "studies_armmask": "study_id = {study}",
    "studies_device": "1 = 1",
    "studies_genotypecall": f"pdx_model_id IN ({MODELS})",
    "studies_parkedrow": "session_id IN (SELECT id FROM studies_measurementsession WHERE study_id = {study})",
    "studies_passage": f"pdx_model_id IN ({MODELS})",
    "studies_patient": f"id IN (SELECT patient_id FROM studies_patientsample WHERE id IN ({SAMPLES}))",
    "studies_patientsample": f"id IN ({SAMPLES})",
    "studies_pdxmodel": f"id IN ({MODELS})",
    "studies_reportfile": "report_id IN (SELECT id FROM studies_storedreport WHERE study_id = {study})",
    "studies_reveal": "study_id = {study}",
    "studies_signature": "study_id = {study}",
    "studies_statusoverrule": f"pdx_model_id IN ({MODELS})",
    "studies_storedreport": "study_id = {study}",
    "studies_studymembership": "study_id = {study}",
    "studies_unlock": "study_id = {study}",
    "studies_unlockedreading": "unlock_id IN (SELECT id FROM studies_unlock WHERE study_id = {study})",
    "studies_user": "1 = 1",
}
NOT_ARCHIVED = {
    "studies_apitoken": "leads into the installation",
    "studies_auditevent": "stands in audit/events.jsonl",
    "studies_audithead": "stands in manifest.json",
    "studies_entrykey": "leads into the installation",
    "studies_job": "how far work was",
    "studies_jobworker": "how far work was",
    "studies_letter": "e-mails of alerts, which are here themselves",
    "studies_shift": "who held a tablet, of the installation",
    "studies_signingfailures": "of the installation",
    "studies_studytemplate": "a protocol without animals, of the installation",
    "studies_submittedsheet": "carried a request; what it held are readings",
    "studies_tablet": "of the installation",
    "studies_user_groups": "nobody is in a group",
    "studies_user_user_permissions": "nobody has any",
}
# Of a person their name alone; a report's content is a file.
COLUMNS = {"studies_user": ("id", "username", "full_name")}
LEFT_OUT = {"studies_reportfile": ("content",)}


class ArchiveRefused(Exception):
    """No archive was written or read; the message says why."""


def write_archive(study: Study, path: Path, at: datetime) -> dict[str, Any]:
    """Write the archive to `path`, verified, whole or not at all; returns its manifest.

    Raises ArchiveRefused for a study that is not archived, and where the file is there; OSError.
    """
    if study.state != StudyState.ARCHIVED:
        raise ArchiveRefused(
            f"{study.code} is {study.get_state_display()}; only a study closed as archived is written to one."
        )
    if path.exists():
        raise ArchiveRefused(f"{path} is there already; an archive overwrites nothing.")
    is_outermost = not connection.in_atomic_block
    with transaction.atomic():
        if connection.vendor == "postgresql" and is_outermost:  # one state of the record throughout
            connection.cursor().execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        files = _files(study)
        manifest = _manifest(study, files, at)
    files["manifest.json"] = _json(manifest)
    files["manifest.seal"] = _seal(files["manifest.json"]).encode()
    if wrong := archive_verifier.verify(files):
        raise ArchiveRefused(f"The record of {study.code} does not hold: {wrong[0]}.")
    digest = _write(path, files, at)
    with transaction.atomic():
        record_event("wrote an archive", study, actor=None, at=at, chain=INSTALLATION, new={
            "study": study.code, "file": path.name, "sha256": digest,
            "manifest_sha256": _sha256(files["manifest.json"]),
        })  # fmt: skip
    return manifest


def broken_archive(path: Path) -> list[str]:
    """What does not hold of an archive, its seal included where this installation wrote it. Raises ArchiveRefused."""
    try:
        files = archive_verifier.read(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise ArchiveRefused(f"{path} is no archive: {error}") from error
    wrong = archive_verifier.verify(files)
    seal = files.get("manifest.seal", b"").decode(errors="replace")
    if not hmac.compare_digest(_seal(files.get("manifest.json", b"")), seal):
        wrong.append("the manifest's seal does not fit this installation's AUDIT_KEY")
    return wrong


def tables_of(study: Study) -> dict[str, str]:
    """Table -> SQL that is true of the rows the study's archive holds."""
    locked = {
        table: f"{place.format(row=table)} = {study.pk}"
        for table, place in triggers.LOCKED_WITH_STUDY.items()
    }
    return dict(
        sorted((locked | {table: text.format(study=study.pk) for table, text in ARCHIVED.items()}).items())
    )


def _files(study: Study) -> dict[str, bytes]:
    files = {
        "README.txt": _readme(study).encode(),
        "verify.py": Path(archive_verifier.__file__).read_bytes(),
        "schema.json": _json({table: _schema(table) for table in tables_of(study)}),
        "audit/events.jsonl": b"".join(_json_line(event) for event in _events(study)),
    }
    for table, condition in tables_of(study).items():
        rows = list(_rows(table, condition))
        files[f"tables/{table}.json"] = _json(rows)
        columns = [field.attname for field in _fields(table)]
        files[f"tables/{table}.csv"] = long_csv(columns, [_as_text(row) for row in rows])
    for file in ReportFile.objects.filter(report__study=study).iterator():
        files[f"reports/{file.report_id}/{file.name}"] = bytes(file.content)
    for (name,) in study.mice.filter(photos__isnull=False).values_list("photos__file_name"):
        photo = Path(settings.MEDIA_ROOT) / "photos" / name
        if photo.exists():
            files[f"photos/{name}"] = photo.read_bytes()
    return files


def _manifest(study: Study, files: dict[str, bytes], at: datetime) -> dict[str, Any]:
    chains = (study_chain(study), allocation_chain(study))
    ends = AuditHead.objects.filter(chain__in=chains).values_list("chain", "count", "head")
    return {
        "format": archive_verifier.FORMAT,
        "study": study.code,
        "title": study.title,
        "written_at": at.astimezone(UTC).isoformat(timespec="seconds"),
        "migrations": _migrations(),
        "chains": {chain: [count, head] for chain, count, head in ends},
        "tables": {table: len(json.loads(files[f"tables/{table}.json"])) for table in tables_of(study)},
        "files": {name: _sha256(content) for name, content in sorted(files.items())},
    }


def _rows(table: str, condition: str) -> Iterator[dict[str, Any]]:
    fields = _fields(table)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id FROM {table} WHERE {condition} ORDER BY id")
        keys = [key for (key,) in cursor.fetchall()]
    names = [field.attname for field in fields]
    for start in range(0, len(keys), 500):
        rows = model_of(table)._base_manager.filter(pk__in=keys[start : start + 500]).order_by("pk")
        for row in rows.values_list(*names):
            yield dict(zip(names, map(_plain, row), strict=True))


def _fields(table: str) -> list[Field]:
    fields = model_of(table)._meta.concrete_fields
    wanted = COLUMNS.get(table, [field.attname for field in fields])
    return [
        field for field in fields
        if field.attname in wanted and field.attname not in LEFT_OUT.get(table, ())
    ]  # fmt: skip


def _schema(table: str) -> dict[str, Any]:
    """What each column means, in words."""
    model: type[Model] = model_of(table)
    return {
        "name": str(model._meta.verbose_name_plural),
        "about": (model.__doc__ or "").strip(),
        "columns": {field.attname: _column(field) for field in _fields(table)},
    }


def _column(field: Field) -> dict[str, Any]:
    told = {
        "name": str(field.verbose_name),
        "type": field.get_internal_type(),
        "may_be_null": field.null,
        "about": str(field.help_text),
        "choices": {str(value): str(words) for value, words in field.flatchoices},
        "refers_to": field.related_model._meta.db_table if field.related_model else "",
    }
    return {name: value for name, value in told.items() if value not in ("", {})}


def _events(study: Study) -> Iterator[dict[str, Any]]:
    events = AuditEvent.objects.filter(chain__in=[study_chain(study), allocation_chain(study)])
    for event in events.order_by("chain", "sequence").iterator(chunk_size=2000):
        yield {
            "chain": event.chain, "sequence": event.sequence, "study": event.study_id,
            "happened_at": _plain(event.happened_at), "actor": event.actor_id, "actor_name": event.actor_name,
            "actor_role": event.actor_role, "action": event.action, "object_type": event.object_type,
            "object_id": event.object_id, "old": event.old, "new": event.new, "reason": event.reason,
            "rows": event.rows, "previous_hash": event.previous_hash, "hash": event.hash,
        }  # fmt: skip


def _write(path: Path, files: dict[str, bytes], at: datetime) -> str:
    """Written beside its place and given its name once it is on the disk; returns its SHA-256."""
    with tempfile.TemporaryDirectory(prefix=".archive-", dir=path.parent) as folder:
        packed = Path(folder) / "packed"
        with zipfile.ZipFile(packed, "x", zipfile.ZIP_DEFLATED) as archive:
            for name, content in sorted(files.items()):
                stamp = at.astimezone(UTC).timetuple()[:6]
                archive.writestr(zipfile.ZipInfo(name, stamp), content, zipfile.ZIP_DEFLATED)
        if archive_verifier.read(packed) != files:
            raise ArchiveRefused("What was written does not read back; the disk may be failing.")
        packed.chmod(0o600)
        with open(packed, "rb") as file:
            os.fsync(file.fileno())
        digest = _sha256(packed.read_bytes())
        os.replace(packed, path)
    return digest


def _migrations() -> list[str]:
    applied = MigrationRecorder(connection).applied_migrations()
    return sorted(name for app, name in applied if app == "studies")


def _readme(study: Study) -> str:
    return f"""The archive of study {study.code}: {study.title}

Everything here is text or PDF and needs no particular program.

  python verify.py     verifies everything (Python 3.9 or later, no network, nothing to install)
  manifest.json        what is here, the SHA-256 of every file, and where the audit chains end
  schema.json          what each table and column means, in words, with units and choices
  tables/*.json        every row with its exact values; columns that end in _id name rows of other tables
  tables/*.csv         the same for people and spreadsheets; text that would run as a formula has ' in front
  audit/events.jsonl   the audit trail: who, role then, when (UTC), what, old, new, why; each event repeats the
                       hash of the one before. hash = SHA-256 of the event's fields (verify.py: EVENT, and rows
                       where there are any) as JSON with sorted keys and without blanks
  reports/, photos/    as they were made

A measurement is never changed: a correction is a further revision, the highest one holds, and a voided one
counts as none. Lengths are in mm, volumes in mm3, weights in g, times in UTC; study days count from day 0.
manifest.seal is an HMAC-SHA256 of manifest.json under the key of the installation that wrote it.
"""


def _as_text(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: json.dumps(value) if isinstance(value, dict | list) else value for name, value in row.items()
    }


def _plain(value: Any) -> Any:
    """A value as JSON and the audit trail spell it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, UUID):
        return str(value)
    return value.isoformat() if isinstance(value, date) else value


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False, default=str) + "\n").encode()


def _json_line(value: Any) -> bytes:
    return (json.dumps(value, ensure_ascii=False) + "\n").encode()


def _seal(manifest: bytes) -> str:
    return hmac.new(settings.AUDIT_KEY.encode(), b"archive|" + manifest, hashlib.sha256).hexdigest()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def tables_unaccounted() -> set[str]:
    """Tables nobody decided on: neither in an archive nor left out for a reason."""
    known = triggers.LOCKED_WITH_STUDY.keys() | ARCHIVED.keys() | NOT_ARCHIVED.keys()
    models = apps.get_app_config("studies").get_models(include_auto_created=True)
    return {model._meta.db_table for model in models} - known
