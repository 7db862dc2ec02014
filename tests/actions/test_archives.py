"""The archive of a closed study: read and verified without the program, whatever was changed is named."""

import json
import re
import subprocess
import sys
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from studies.actions import archive_verifier, archives
from studies.actions.acceptance import plant_acceptance
from studies.actions.sign import Signer
from studies.actions.study_states import archive_study, lock_data, unblind_study
from studies.models import AuditEvent, Measurement, Study, User
from tests.record import keep_report

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 6, 10, 10, tzinfo=UTC)
SAMPLES = Path(__file__).with_name("archives")
SEALED_WITH = "no secret, but what the samples of archives were sealed with"


@pytest.fixture
def closed(db) -> Study:
    plant_acceptance(3, now=NOW)
    study, director = Study.objects.get(code="ACC-BLIND"), User.objects.get(username="acc_director")
    keep_report(study, director)
    for hours, step in enumerate((lock_data, unblind_study, archive_study), 1):
        step(study, Signer(director, NOW + timedelta(hours=hours)), "As the protocol says.")
    return Study.objects.get(pk=study.pk)


@pytest.fixture(autouse=True)
def key_of_the_samples(settings) -> None:
    settings.AUDIT_KEY = SEALED_WITH


@pytest.fixture
def written(closed, tmp_path) -> Path:
    call_command("archive", closed.code, str(tmp_path / "study.zip"))
    return tmp_path / "study.zip"


def rewritten(path: Path, folder: Path | None = None, /, **changed: bytes | None) -> Path:
    """A copy with these files changed (None: taken out)."""
    files = archive_verifier.read(path) | changed
    copy = (folder or path.parent) / "changed.zip"
    with zipfile.ZipFile(copy, "w") as archive:
        for name, content in files.items():
            if content is not None:
                archive.writestr(name, content)
    return copy


def test_it_is_verified_by_its_own_script_and_nothing_else(written, tmp_path):
    with zipfile.ZipFile(written) as archive:
        archive.extractall(tmp_path / "unpacked")
    run = subprocess.run([sys.executable, "-I", "-S", "verify.py"], cwd=tmp_path / "unpacked", env={},
                         capture_output=True, text=True, check=False)  # fmt: skip
    assert (run.returncode, run.stdout.strip()) == (0, "intact"), run.stderr
    (tmp_path / "unpacked" / "tables" / "studies_mouse.csv").write_text("tidied")
    run = subprocess.run([sys.executable, "-I", "-S", "verify.py", str(tmp_path / "unpacked")], env={},
                         cwd=tmp_path / "unpacked", capture_output=True, text=True, check=False)  # fmt: skip
    assert (run.returncode, run.stdout.strip()) == (1, "file tables/studies_mouse.csv was changed")


def test_it_holds_every_row_the_chains_the_reports_and_no_secret(closed, written, capsys):
    files = archive_verifier.read(written)
    readings = json.loads(files["tables/studies_measurement.json"])
    stored = Measurement.objects.filter(session__study=closed).order_by("pk")
    assert [row["length_mm"] for row in readings] == list(stored.values_list("length_mm", flat=True))
    assert len(files["audit/events.jsonl"].splitlines()) == AuditEvent.objects.filter(study=closed).count()
    assert any(name.startswith("reports/") and name.endswith("report.html") for name in files)
    assert set(json.loads(files["tables/studies_user.json"])[0]) == {"id", "username", "full_name"}
    schema = json.loads(files["schema.json"])
    assert schema["studies_measurement"]["columns"]["session_id"]["refers_to"] == "studies_measurementsession"
    assert b"pbkdf2" not in b"".join(files.values()) and b"scrypt$" not in b"".join(files.values())
    (event,) = AuditEvent.objects.filter(action="wrote an archive")
    assert event.new["study"] == closed.code
    call_command("archive", "--verify", str(written))
    assert "intact" in capsys.readouterr().out


def test_what_is_changed_is_named_even_where_the_manifest_was_mended(written):
    files = archive_verifier.read(written)
    readings = json.loads(files["tables/studies_measurement.json"])
    lines = files["audit/events.jsonl"].splitlines(keepends=True)
    events = [line for line in lines if json.loads(line)["chain"].startswith("study:")]
    others = [line for line in lines if line not in events]
    readings[0]["length_mm"] += 1
    changed_event = json.loads(events[3]) | {"reason": "tidied"}
    other_words = b"".join([*others, *events[:3], json.dumps(changed_event).encode() + b"\n", *events[4:]])
    report = next(name for name in files if name.startswith("reports/"))
    tampered = {
        "readings of session": {"tables/studies_measurement.json": json.dumps(readings).encode()},
        "has 71 rows": {"tables/studies_measurement.json": json.dumps(readings[1:]).encode()},
        "was changed": {"audit/events.jsonl": other_words},
        "is missing": {"audit/events.jsonl": b"".join([*others, *events[:3], *events[4:]])},
        "the manifest says": {"audit/events.jsonl": b"".join([*others, *events[:-1]])},
        "is not the report's file": {report: b"<p>other words</p>"},
        "cannot be read": {"tables/studies_mouse.json": b"{"},
    }  # fmt: skip
    for said, change in tampered.items():
        manifest = json.loads(files["manifest.json"])
        manifest["files"] |= {name: archive_verifier.sha256(content) for name, content in change.items()}
        found = archives.broken_archive(
            rewritten(written, **change, **{"manifest.json": json.dumps(manifest).encode()})
        )
        assert said in " ".join(found[:-1]), (said, found)
        assert "seal" in found[-1]
        assert archives.broken_archive(rewritten(written, **change))[0].startswith(("file ", "it cannot"))
    for change, said in (({report: None}, "is missing"), ({"more.txt": b"x"}, "was added")):
        assert said in archives.broken_archive(rewritten(written, **change))[0]


def test_an_open_study_an_existing_file_and_no_archive_are_refused(closed, written, tmp_path):
    for arguments, said in (
        (("ACC-OPEN", str(tmp_path / "open.zip")), "active"),
        ((closed.code, str(written)), "overwrites nothing"),
        (("NONE", str(tmp_path / "none.zip")), "no study"),
        ((closed.code,), "say which study"),
        (("--verify", __file__), "is no archive"),
    ):
        with pytest.raises(CommandError, match=said):
            call_command("archive", *arguments)
    assert not list(tmp_path.glob("*open*")) and not list(tmp_path.glob(".archive*"))


def test_every_table_is_archived_or_left_out_for_a_reason():
    assert archives.tables_unaccounted() == set()


def test_every_format_has_a_sample_that_is_kept(written):
    """A version that writes another format adds a sample, and goes on reading those of before."""
    sample = SAMPLES / f"format-{archive_verifier.FORMAT}.zip"
    assert sample.exists(), f"keep {written} as {sample}"
    names = [
        {re.sub(r"\d+", "n", name) for name in archive_verifier.read(path)} for path in (sample, written)
    ]
    assert names[0] == names[1]


@pytest.mark.parametrize("sample", sorted(SAMPLES.glob("format-*.zip")), ids=lambda path: path.stem)
def test_an_archive_of_an_earlier_version_is_verified_and_read(sample, tmp_path, capsys):
    call_command("archive", "--verify", str(sample))
    assert "intact" in capsys.readouterr().out
    with zipfile.ZipFile(sample) as archive:
        archive.extractall(tmp_path / "unpacked")
    run = subprocess.run([sys.executable, "-I", "-S", "verify.py"], cwd=tmp_path / "unpacked", env={},
                         capture_output=True, text=True, check=False)  # fmt: skip
    assert (run.returncode, run.stdout.strip()) == (0, "intact"), run.stderr
    files = archive_verifier.read(sample)
    readings = json.loads(files["tables/studies_measurement.json"])
    mice = {row["id"]: row["label"] for row in json.loads(files["tables/studies_mouse.json"])}
    (study,) = json.loads(files["tables/studies_study.json"])
    assert (study["code"], study["state"], len(readings), len(mice)) == ("ACC-BLIND", "archived", 72, 36)
    assert all(5 < row["length_mm"] < 20 and mice[row["mouse_id"]].startswith("M") for row in readings)
    readings[0]["length_mm"] += 0.1
    changed = rewritten(
        sample, tmp_path, **{"tables/studies_measurement.json": json.dumps(readings).encode()}
    )
    assert "tables/studies_measurement.json was changed" in archives.broken_archive(changed)[0]
