"""When a sheet may be signed: nothing missing, every red answered; and what its signature binds."""

import re
from datetime import UTC, date, datetime, timedelta

import pytest

from studies.actions.audit import study_chain
from studies.actions.revisions import HASHED, rows_sha256
from studies.actions.sheet_facts import load_session
from studies.actions.sign import Signer
from studies.actions.sign_session import NotSignable, session_record, sign_session, unmeasured
from studies.models import (
    AuditEvent,
    Exclusion,
    Exit,
    Measurement,
    MeasurementSession,
    Mouse,
    Signature,
    Study,
    Tumor,
    WelfareAlert,
)
from studies.terms import Role, StudyState
from tests.factories import make_measurement, make_mouse, make_session
from tests.people import join, make_user

pytestmark = pytest.mark.django_db
DUE = date(2026, 6, 10)
AT = datetime(2026, 6, 10, 15, tzinfo=UTC)


@pytest.fixture
def session(study) -> MeasurementSession:
    return MeasurementSession.objects.create(study=study, due_on=DUE)


@pytest.fixture
def signer(study) -> Signer:
    return Signer(join(make_user("tech", full_name="Tess"), study, Role.TECHNICIAN), AT)


def missing(session) -> list[str]:
    return unmeasured(load_session(session))


def test_every_tumor_of_every_mouse_wants_a_reading_that_was_not_voided(study, session):
    mouse, other = make_mouse(study), make_mouse(study, "M002")
    Tumor.objects.create(mouse=mouse, number=2)
    bare = Mouse.objects.create(study=study, label="M003", pdx_model=mouse.pdx_model)
    keys = [one.key for one in (mouse, other, bare)]
    assert missing(session) == keys
    for tumor in (1, 2):
        make_measurement(session, mouse, tumor_number=tumor)
    make_measurement(session, bare)  # of its only tumor, which nobody numbered
    assert missing(session) == [other.key]
    make_measurement(session, other)
    assert missing(session) == []
    make_measurement(session, other, revision=2, is_void=True, reason="wrong mouse")
    assert missing(session) == [other.key]


@pytest.mark.parametrize(("left_on", "is_missing"), [(None, False), (9, False), (10, False), (11, True)])
def test_a_mouse_that_left_is_missed_on_the_days_before(study, session, left_on, is_missing):
    mouse = make_mouse(study)
    left_at = left_on and datetime(2026, 6, left_on, 12, tzinfo=UTC)
    Exit.objects.create(mouse=mouse, reason="found_dead", day=3, exited_at=left_at)
    assert missing(session) == [mouse.key] * is_missing
    assert missing(make_session(study)) == []  # a session of no date, as imports have them


def test_an_excluded_mouse_is_missed_by_nobody(study, session):
    Exclusion.objects.create(mouse=make_mouse(study), reason="fighting", excluded_at=AT)
    assert missing(session) == []


def test_a_sheet_is_closed_by_its_signature_and_on_record(study, session, signer):
    make_measurement(session, make_mouse(study))
    signature = sign_session(session.pk, signer, at=AT)
    rows = Measurement.objects.values_list(*HASHED)
    record = {"session": session.pk, "due_on": "2026-06-10", "revisions": 1, "rows_sha256": rows_sha256(rows)}
    assert signature.record == record == session_record(session)
    assert (signature.act, signature.meaning, signature.study) == ("sheet", "entered", study)
    assert MeasurementSession.objects.get().completed_at == AT
    done, signed = AuditEvent.objects.filter(chain=study_chain(study)).order_by("sequence")
    assert (done.action, done.study, done.actor_name) == ("completed a measurement session", study, "Tess")
    assert done.new == {"completed_at": "2026-06-10T15:00:00+00:00", **record}
    assert {"studies_measurementsession"} <= done.rows.keys() and signed.action == "signed"
    with pytest.raises(NotSignable, match="the session is signed and closed"):
        sign_session(session.pk, signer, at=AT)
    assert session_record(make_session(study))["due_on"] is None


def test_what_cannot_be_signed_names_what_is_missing(study, session, signer):
    mice = [make_mouse(study, f"M{number:03d}") for number in range(1, 13)]
    keys = [mouse.key for mouse in mice]
    refused(session, signer, f"12 mice without a reading or a code: {', '.join(keys[:10])}")
    for mouse in mice[1:]:
        make_measurement(session, mouse)
    refused(session, signer, f"1 mouse without a reading or a code: {keys[0]}")
    make_measurement(session, mice[0])
    for mouse in mice:
        alarm(session, mouse)
    told = [f"{mouse}: 2,100 mm³" for mouse in mice]
    refused(session, signer, f"say first what is done about 12 red alerts: {'; '.join(told[:10])}")
    Study.objects.update(state=StudyState.DATA_LOCKED)
    refused(session, signer, "the study is data locked, not active")


def alarm(session, mouse) -> None:
    WelfareAlert.objects.create(
        study=session.study, session=session, mouse=mouse, rule="volume", level="red", value=2100, limit=2000,
        limits_version=0, message="2,100 mm³", raised_at=AT - timedelta(hours=1),
    )  # fmt: skip


def refused(session, signer, words: str) -> None:
    with pytest.raises(NotSignable, match=f"^{re.escape(words)}$"):
        sign_session(session.pk, signer, at=AT)
    assert MeasurementSession.objects.get(pk=session.pk).completed_at is None
    assert not Signature.objects.exists() and not AuditEvent.objects.exists()
