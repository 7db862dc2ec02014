"""Hostile files at every door that takes a file: refused in words or read harmlessly, in bounded time and memory.

The doors: the list of mice, the administration's import, a photo, the importer and `analyze` (one reader), and
`restore`. What a door refuses leaves no mouse, photo or event behind, and no door answers with a 5xx.
"""

import io
import resource
import time
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from PIL import Image

from studies.actions.backups import BackupRefused, opened
from studies.actions.photos import LONGEST_SIDE
from studies.imports import ImportRefused, read_measurement_table
from studies.imports.mice import read_mice
from studies.models import AuditEvent, Mouse, Photo
from studies.terms import StudyState
from tests.factories import make_mouse, make_pdx_model
from tests.security.hostile_files import MAKERS, NAMES

# What is read of a file is no matter of the database.
pytestmark = [pytest.mark.django_db, pytest.mark.sqlite_only]
MOST_CPU_SECONDS = 10  # for one file at all doors: a million columns and a bomb of 30 MB included
MOST_MEMORY_MB = 700  # more than the process had before the file
PICTURES = (".png", ".jpg", ".svg", ".webp")
ALIVE = ("<script>alert", "onerror=alert", "onload=alert", 'onload="alert')
# Read as what they are, not refused: by the reader of photos, of lists of mice, of measurements.
HARMLESS_PICTURES = {"page.jpg", "comment.jpg", "archive.jpg", "place.jpg"}


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.fixture
def mouse(study, people, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "media"
    user = get_user_model().objects
    user.filter(pk=people.study_director.pk).update(is_staff=True)
    return make_mouse(study, "OLD", pdx_model=make_pdx_model("BR-1"))


@pytest.fixture
def director(mouse, people) -> Client:
    client = Client(raise_request_exception=True)
    client.force_login(get_user_model().objects.get(pk=people.study_director.pk))
    return client


def to_list_of_mice(client: Client, mouse: Mouse, name: str, content: bytes):
    study = mouse.study
    type(study).objects.filter(pk=study.pk).update(state=StudyState.DRAFT)
    file = SimpleUploadedFile("x", content, "text/csv")
    file._name = name  # as sent, past what the test's own class would clean
    return client.post(f"/studies/{study.code}/setup/mice/", {"way": "list", "table": "", "file": file})


def to_administration(client: Client, mouse: Mouse, name: str, content: bytes):
    file = SimpleUploadedFile("x", content, "text/csv")
    file._name = name
    data = {"import_file": file, "format": "0", "resource": "", "reason": ""}
    return client.post(reverse("admin:studies_mouse_import"), data)


def to_photos(client: Client, mouse: Mouse, name: str, content: bytes):
    type(mouse.study).objects.filter(pk=mouse.study_id).update(state=StudyState.ACTIVE)
    file = SimpleUploadedFile("x", content, "image/jpeg")
    file._name = name
    return client.post(f"/entry/mice/{mouse.pk}/photos/", {"photo": file, "subject": "ulcer", "note": ""})


DOORS = (to_list_of_mice, to_administration, to_photos)


def read_or_refuse(read, *arguments) -> bool:
    """Whether it was read; a refusal is words on one line each."""
    try:
        read(*arguments)
    except ImportRefused as refused:
        assert refused.errors and all(str(error).isprintable() for error in refused.errors)
        return False
    return True


def test_there_are_sixty_of_them():
    assert len(MAKERS) + len(NAMES) >= 60 and len(MAKERS) >= 60


@pytest.mark.parametrize("name", MAKERS)
def test_a_hostile_file_is_refused_in_words_or_read_harmlessly(name, director, mouse, tmp_path):
    content = MAKERS[name]()
    before, began = peak_mb(), time.process_time()
    is_list = read_or_refuse(read_mice, content)
    read_or_refuse(read_measurement_table, content, name)
    (tmp_path / "backup.zip").write_bytes(content)
    with pytest.raises(BackupRefused, match="damaged"), opened(tmp_path / "backup.zip"):
        pass
    for door in DOORS:
        answer = door(director, mouse, name, content)
        assert answer.status_code in (200, 302, 400, 413, 422), (door.__name__, answer.status_code)
        page = answer.content.decode()
        assert "Traceback" not in page and not any(code in page for code in ALIVE), door.__name__
        assert len(page) < 3_000_000, f"{door.__name__} answers with {len(page)} characters"
        if door is to_photos:
            assert answer.status_code == (302 if name in HARMLESS_PICTURES else 422)
        if door is to_list_of_mice and not is_list:
            assert answer.status_code == 200 and ("error" in page or "defect" in page)
    kept = {"OLD"} | ({mouse.label for mouse in Mouse.objects.all()} if is_list else set())
    assert {mouse.label for mouse in Mouse.objects.all()} == kept
    assert Photo.objects.count() == (name in HARMLESS_PICTURES)
    assert time.process_time() - began < MOST_CPU_SECONDS
    assert peak_mb() - before < MOST_MEMORY_MB


@pytest.mark.parametrize("name", sorted(HARMLESS_PICTURES))
def test_what_is_kept_of_a_picture_is_the_picture_alone(name, director, mouse):
    to_photos(director, mouse, "../../evil.php", MAKERS[name]())
    photo = Photo.objects.get()
    answer = director.get(f"/entry/photos/{photo.pk}/")
    kept = b"".join(answer.streaming_content)
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert "evil" not in photo.file_name + answer.headers["Content-Disposition"]
    for alien in (b"<script", b"<html", b"PK\x03\x04", b"<?php", b"Exif"):
        assert alien not in kept
    assert max(Image.open(io.BytesIO(kept)).size) <= LONGEST_SIDE


@pytest.mark.parametrize("name", NAMES, ids=[ascii(name)[:24] for name in NAMES])
def test_a_files_name_is_never_a_path_a_header_or_code(name, director, mouse, tmp_path):
    rows = b"mouse,pdx_model\nNEW,BR-1\n"
    outside = set(Path(tmp_path).rglob("*"))
    for door in DOORS:
        answer = door(director, mouse, name, rows)
        assert answer.status_code in (200, 302, 400, 422)
        page = director.get(f"/studies/{mouse.study.code}/setup/mice/").content.decode()
        assert "<img src=x" not in page and "49.csv" not in page
        assert not any("Evil" in header for header in answer.headers)
    assert {path for path in Path(tmp_path).rglob("*") if path.is_file()} == {
        p for p in outside if p.is_file()
    }
    assert all("\n" not in str(event.new) or "NEW" for event in AuditEvent.objects.all())


def test_a_request_says_its_size_before_it_is_read(director, mouse):
    for length in ("16000000", "-1", "1e3"):
        answer = director.generic(
            "POST", f"/studies/{mouse.study.code}/setup/mice/", b"x", "text/csv", CONTENT_LENGTH=length
        )
        assert answer.status_code == 413 and "nothing was stored" in answer.text
    assert (
        director.post(
            "/api/v1/sessions/1/measurements", b"x", "application/json", CONTENT_LENGTH="99000000"
        ).status_code
        == 413
    )


def test_no_file_is_unpacked_where_nobody_looks(director, mouse):
    """What the reader of backups takes out of an archive is named by its manifest, and stays in its folder."""
    assert not Path("/tmp/slipped.csv").exists() and not Path("/etc/cron.d/slipped").exists()
