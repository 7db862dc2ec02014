"""The mouse's page: exit, necropsy, samples and photos on record with their events, histories, 404 for others."""

import csv
import io
import re
from datetime import date, timedelta

import pytest
from django.utils import timezone
from PIL import Image
from pypdf import PdfReader

from studies.actions.audit import broken_link, study_chain
from studies.actions.photos import PHOTO_MAX_BYTES, photo_path
from studies.models import AuditEvent, Dose, Exit, MouseSample, Photo, Study
from studies.terms import StudyState
from studies.worklist import mice_on_study
from tests.factories import make_measurement, make_mouse, make_session
from tests.people import People

pytestmark = pytest.mark.django_db
READERS = {"technician", "study_director", "statistician", "quality_assurance", "veterinarian"}
WRITERS = {"technician", "study_director", "veterinarian"}


@pytest.fixture
def mouse(study):
    mouse = make_mouse(study, born_on=date(2026, 1, 5))
    make_measurement(make_session(study, 0), mouse)
    first = make_measurement(make_session(study, 14), mouse, length_mm=20, width_mm=10, weight_g=21.5)
    make_measurement(
        first.session, mouse, revision=2, length_mm=16, width_mm=10, weight_g=21.5, reason="typing slip"
    )
    return mouse


@pytest.fixture
def act(client, people: People, mouse):
    """Posts an act to the mouse's page as the technician."""
    client.force_login(people.technician)

    def post(what: str, **told):
        return client.post(f"/entry/mice/{mouse.pk}/", {"act": what, **told})

    return post


LEAVES = {
    "reason": "tumor_size",
    "treatment_related": "unknown",
    "last_weight_g": "21.5",
    "last_volume_mm3": "800",
}
LEAVES_TODAY = {**LEAVES, "exited_at": ""}


def test_readers_read_and_others_are_told_it_is_not_there(client, people: People, mouse):
    for name, person in people.everyone().items():
        client.force_login(person)
        reply = client.get(f"/entry/mice/{mouse.pk}/")
        expected = 200 if name in READERS else 404 if name == "outsider" else 403
        assert reply.status_code == expected, name
        posted = client.post(f"/entry/mice/{mouse.pk}/", {"act": ""})
        assert posted.status_code == (422 if name in WRITERS else expected if expected != 200 else 403), name


def test_an_exit_takes_the_last_values_and_leaves_an_event(act, client, people, mouse):
    shown = client.get(f"/entry/mice/{mouse.pk}/").content.decode()
    assert 'value="21.5"' in shown and 'value="800.0"' in shown  # of the current revision
    assert act("exit", **LEAVES_TODAY).status_code == 302
    left = Exit.objects.get()
    assert (left.reason, left.last_weight_g, left.last_volume_mm3) == ("tumor_size", 21.5, 800)
    event = AuditEvent.objects.get(action="recorded an exit")
    assert event.actor == people.technician and event.new["last_volume_mm3"] == 800
    assert not mice_on_study(mouse.study).exists()
    assert broken_link(study_chain(mouse.study)) is None
    assert act("exit", **LEAVES_TODAY).status_code == 422 and Exit.objects.count() == 1


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"reason": ""}, "required"),
        ({"reason": "bored"}, "not one of"),
        ({"last_weight_g": "-1"}, "exit_sizes_not_negative"),
        ({"exited_at": "2126-01-01T10:00"}, "in the future"),
        ({"exited_at": "2020-01-01T10:00"}, "before it was born"),
    ],
)
def test_an_exit_that_cannot_be_is_refused_with_its_reason(act, told, why):
    reply = act("exit", **{**LEAVES_TODAY, **told})
    assert reply.status_code == 422 and why in reply.content.decode()
    assert not Exit.objects.exists() and not AuditEvent.objects.exists()


def test_a_locked_study_takes_no_exit(act, mouse):
    Study.objects.update(state=StudyState.DATA_LOCKED)
    reply = act("exit", **LEAVES_TODAY)
    assert reply.status_code == 422 and not Exit.objects.exists()


def test_a_correction_wants_a_reason_and_another_value_and_shows_both(act, client, mouse):
    act("exit", **LEAVES_TODAY)
    at = Exit.objects.get().exited_at.strftime("%Y-%m-%dT%H:%M:%S")
    same = {**LEAVES, "exited_at": at}
    assert act("correct", **same, correction_reason="").status_code == 422
    fixed = {**same, "reason": "ulceration"}
    assert act("correct", **fixed, correction_reason="seen at necropsy").status_code == 302
    assert Exit.objects.get().reason == "ulceration"
    event = AuditEvent.objects.get(action="corrected an exit")
    assert (event.old["reason"], event.new["reason"]) == ("tumor_size", "ulceration")
    assert "seen at necropsy" in client.get(f"/entry/mice/{mouse.pk}/").content.decode()


def test_the_excised_tumor_is_compared_with_the_last_volume(act, client, mouse):
    act("exit", **LEAVES_TODAY)
    told = {"necropsy_note": "lung clear", "excised_tumor_g": "0.72"}
    assert act("necropsy", **told).status_code == 302
    assert Exit.objects.get().excised_percent_of_last == pytest.approx(90)
    assert "90 % of the last volume" in client.get(f"/entry/mice/{mouse.pk}/").content.decode()
    assert (
        act("necropsy", **{**told, "excised_tumor_g": "0.7"}).status_code == 422
    )  # a correction needs a reason
    again = act("necropsy", **{**told, "excised_tumor_g": "0.7"}, correction_reason="balance misread")
    assert again.status_code == 302


SAMPLE = {
    "kind": "snap_frozen",
    "tissue": "tumor",
    "hours_after_last_dose": "4",
    "planned_readout": "pERK blot",
}


def test_samples_are_coded_on_and_labeled(act, client, mouse):
    assert act("samples", **SAMPLE, count=2).status_code == 422  # the mouse is still here
    act("exit", **LEAVES_TODAY)
    assert act("samples", **SAMPLE, count=2).status_code == 422  # hours of one's own want a reason
    SAMPLE["hours_reason"] = "the doser's note"
    assert act("samples", **SAMPLE, count=2).status_code == 302
    act("samples", **{**SAMPLE, "kind": "ffpe"}, count=1)
    assert [one.code for one in MouseSample.objects.all()] == [f"{mouse.key}/S{n}" for n in (1, 2, 3)]
    assert AuditEvent.objects.filter(action="took samples").count() == 2
    for size, pages in (("a4", 1), ("label", 3)):
        pdf = PdfReader(
            io.BytesIO(client.get(f"/entry/mice/{mouse.pk}/sample-labels.pdf?size={size}").content)
        )
        text = " ".join(" ".join(sheet.extract_text() for sheet in pdf.pages).split())
        assert len(pdf.pages) == pages and "pERK blot" in text and "4 h after last dose" in text


def test_hours_after_the_last_dose_come_from_the_record_and_are_hidden_while_arms_are(
    act, client, people, mouse
):
    now = timezone.now()
    told = {"study": mouse.study, "mouse": mouse, "doser": people.doser, "planned_ml": 0.2, "given_ml": 0.2}
    for hours, day in ((30, 1), (4, 0)):
        Dose.objects.create(
            **told,
            given_on=(now - timedelta(days=day)).date(),
            outcome="given",
            recorded_at=now - timedelta(hours=hours),
        )
    omitted = {**told, "given_ml": 0, "outcome": "omitted", "reason": "weight loss"}
    Dose.objects.create(**omitted, given_on=now.date(), occasion=2, recorded_at=now - timedelta(hours=1))
    act("exit", **LEAVES_TODAY)
    act("samples", **{**SAMPLE, "hours_after_last_dose": "", "hours_reason": ""}, count=1)
    sample = MouseSample.objects.get()
    since = sample.taken_at - (now - timedelta(hours=4))
    assert sample.hours_by_record() == pytest.approx(since / timedelta(hours=1)) == pytest.approx(4, abs=0.1)
    page = f"/entry/mice/{mouse.pk}/"
    assert "once arms are open" in client.get(page).content.decode()
    Study.objects.filter(pk=mouse.study_id).update(is_blinded=False)
    assert re.search(r'<td class="number">\s*4.0\s*</td>', client.get(page).content.decode())


def test_the_history_tells_old_new_who_when_and_why(client, people, mouse):
    client.force_login(people.quality_assurance)
    shown = client.get(f"/entry/mice/{mouse.pk}/").content.decode()
    assert "corrected" in shown and "typing slip" in shown
    text = client.get(f"/entry/mice/{mouse.pk}/history.csv").content.decode("utf-8-sig")
    rows = [row for row in csv.DictReader(io.StringIO(text)) if row["value"] == "length_mm"]
    assert [(row["old"], row["new"], row["why"]) for row in rows][-1] == ("20", "16", "typing slip")
    assert len(rows) == 3 and all(row["when_utc"] for row in rows)


def picture(kind: str = "JPEG", side: int = 40) -> io.BytesIO:
    out = io.BytesIO()
    image = Image.new("RGB", (side, side), "red")
    exif = image.getexif()
    exif[0x010E] = "taken in room 2"
    image.save(out, kind, exif=exif)
    out.seek(0)
    out.name = f"ulcer.{kind.lower()}"
    return out


@pytest.fixture
def media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


def upload(client, mouse, file, subject="ulcer"):
    return client.post(f"/entry/mice/{mouse.pk}/photos/", {"photo": file, "subject": subject, "note": ""})


def test_a_photo_is_reencoded_and_shown_to_readers_alone(client, people: People, mouse, media):
    client.force_login(people.technician)
    assert upload(client, mouse, picture("PNG")).status_code == 302
    photo = Photo.objects.get()
    stored = photo_path(photo.file_name)
    assert Image.open(stored).format == "JPEG" and b"room 2" not in stored.read_bytes()
    assert AuditEvent.objects.get(action="kept a photo").new["sha256"] == photo.sha256
    for name, person in people.everyone().items():
        client.force_login(person)
        reply = client.get(f"/entry/photos/{photo.pk}/")
        expected = 200 if name in READERS else 404 if name == "outsider" else 403
        assert reply.status_code == expected, name
    client.force_login(people.outsider)
    assert upload(client, mouse, picture()).status_code == 404 and Photo.objects.count() == 1


def test_every_photo_of_a_mouse_is_kept_beside_the_others(client, people: People, mouse, media):
    client.force_login(people.technician)
    assert [upload(client, mouse, picture(kind)).status_code for kind in ("PNG", "JPEG")] == [302, 302]
    stored = [photo_path(name) for name in Photo.objects.values_list("file_name", flat=True)]
    assert len({path.read_bytes()[:2] for path in stored}) == 1 and len(set(stored)) == 2
    assert {path.stat().st_mode & 0o777 for path in stored} == {0o600}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<svg onload=alert(1)>",
        b"\xff\xd8\xff\xe0 cut off",
        b"GIF89a\x01\x00\x01\x00\x00\x00\x00;",
        b"MZ" * 99,
    ],
)
def test_what_is_no_photo_is_refused_and_nothing_stays(client, people, mouse, media, content):
    client.force_login(people.technician)
    file = io.BytesIO(content)
    file.name = "ulcer.jpg"
    assert upload(client, mouse, file).status_code == 422
    assert not Photo.objects.exists() and not list(media.rglob("*.jpg"))


def test_size_is_refused_before_anything_is_read(client, people, mouse, media, monkeypatch):
    client.force_login(people.technician)
    monkeypatch.setattr("studies.actions.photos.MAX_PIXELS", 1000)
    assert upload(client, mouse, picture()).status_code == 422
    monkeypatch.setattr("studies.entry.photos._upload", lambda *args: pytest.fail("the request was parsed"))
    reply = client.generic(
        "POST", f"/entry/mice/{mouse.pk}/photos/", b"", "multipart/form-data; boundary=x",
        CONTENT_LENGTH=str(PHOTO_MAX_BYTES * 2),
    )  # fmt: skip
    assert reply.status_code == 413


def test_an_upload_without_a_token_is_refused(people, mouse, media):
    from django.test import Client

    strict = Client(enforce_csrf_checks=True)
    strict.force_login(people.technician)
    assert upload(strict, mouse, picture()).status_code == 403 and not Photo.objects.exists()
