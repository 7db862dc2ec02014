from datetime import UTC, date, datetime

import pytest

from studies.models import Cage, Cohort, Exit, MeasurementSession
from studies.terms import Role, StudyState
from studies.worklist import due_sessions, next_session
from tests.factories import make_measurement, make_mouse, make_study
from tests.people import join, make_user

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.fixture
def technician(study):
    return join(make_user("tech"), study, Role.TECHNICIAN)


def session(study, due_on: date, **fields) -> MeasurementSession:
    return MeasurementSession.objects.create(study=study, due_on=due_on, **fields)


def test_overdue_and_due_sessions_wait_and_of_later_ones_only_the_next(study, technician):
    session(study, date(2026, 3, 8))
    session(study, date(2026, 3, 10))
    session(study, date(2026, 3, 12))
    session(study, date(2026, 3, 15))
    assert [due.when for due in due_sessions(technician, NOON)] == [
        "overdue by 2 days",
        "due today",
        "due in 2 days",
    ]


def test_a_completed_session_waits_no_more(study, technician):
    session(study, date(2026, 3, 10), completed_at=NOON)
    assert due_sessions(technician, NOON) == []


def test_mice_still_to_measure_are_counted_without_those_that_left(study, technician):
    due = session(study, date(2026, 3, 10))
    mice = [make_mouse(study, f"M{number}") for number in range(4)]
    make_measurement(due, mice[0])
    Exit.objects.create(mouse=mice[3], reason="tumor_size", day=7)
    found = due_sessions(technician, NOON)[0]
    assert (found.mice, found.missing) == (3, 2)


def test_a_voided_reading_leaves_its_mouse_to_measure_and_cages_are_counted_as_they_stand(study, technician):
    due = session(study, date(2026, 3, 10))
    cages = [
        Cage.objects.create(study=study, code=code, room="1", rack=rack)
        for code, rack in (("C2", "A"), ("C1", "B"))
    ]
    for number in range(4):
        mouse = make_mouse(study, f"M{number}", cage=cages[number // 2])
        reading = make_measurement(due, mouse)
    make_measurement(due, mouse, revision=2, is_void=True, reason="mistyped")
    found = due_sessions(technician, NOON)[0]
    assert (found.mice, found.missing, reading.is_void) == (4, 1, False)
    assert [(one.cage, one.measured) for one in found.places] == [("C2", 2), ("C1", 1)]


def test_a_cohort_session_waits_for_its_cohort_only(study, technician):
    cohort = Cohort.objects.create(study=study, name="A")
    make_mouse(study, "M1", cohort=cohort)
    make_mouse(study, "M2")
    session(study, date(2026, 3, 10), cohort=cohort)
    assert due_sessions(technician, NOON)[0].mice == 1


def test_today_is_the_day_at_the_place_of_the_study(technician, study):
    study.time_zone = "Pacific/Auckland"  # there it is already the 11th
    study.save()
    session(study, date(2026, 3, 11))
    assert due_sessions(technician, NOON)[0].when == "due today"
    assert next_session(study, NOON).days_until == 0


def test_drafts_and_other_studies_and_other_roles_bring_no_work(study, technician):
    other = make_study("PDX-OTHER-09")
    draft = make_study("PDX-DRAFT-01", state=StudyState.DRAFT)
    join(technician, draft, Role.TECHNICIAN)
    for one in (other, draft):
        session(one, date(2026, 3, 10))
    assert due_sessions(technician, NOON) == []
    session(study, date(2026, 3, 10))
    assert due_sessions(join(make_user("stat"), study, Role.STATISTICIAN), NOON) == []
