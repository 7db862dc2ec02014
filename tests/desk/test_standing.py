"""What is late and missing, how far the schedule is, and what waits for whom."""

from datetime import UTC, date, datetime

import pytest
from django.utils import timezone

from studies.desk.standing import standings
from studies.desk.study_page import steps
from studies.models import Cohort, Exit, MeasurementSession, WelfareAlert
from studies.terms import Role, StudyState
from tests.factories import make_measurement, make_mouse, make_study
from tests.people import join

TODAY = datetime(2026, 6, 10, 12, tzinfo=UTC)


@pytest.fixture
def running(study):
    """Two mice since 1 June: one session done without M2, one late, one to come."""
    study.schedule_days = [0, 7, 14]
    study.save()
    cohort = Cohort.objects.create(study=study, name="first", day0=date(2026, 6, 1))
    first, _ = (make_mouse(study, label, cohort=cohort) for label in ("M1", "M2"))
    sessions = [
        MeasurementSession.objects.create(
            study=study, cohort=cohort, due_on=date(2026, 6, day), completed_at=done
        )
        for day, done in ((1, TODAY), (8, None), (15, None))
    ]
    make_measurement(sessions[0], first)
    return study


def standing_of(study):
    (standing,) = standings([study], TODAY)
    return standing


def test_late_missing_done_day_and_next_are_counted(running):
    standing = standing_of(running)
    assert (standing.on_study, standing.day, standing.last_day, standing.done) == (2, 9, 14, 1)
    assert [one.due_on.day for one in standing.late] == [8]
    assert standing.missing == 3 and [one.missing for one in standing.gaps] == [1, 2]
    assert (standing.next.due_on.day, standing.next.missing) == (15, 2)
    assert standing.percent == pytest.approx(100 * 9 / 14)


def test_a_mouse_that_left_is_missed_by_nobody(running):
    Exit.objects.create(mouse=running.mice.get(label="M2"), reason="tumor_size", exited_at=timezone.now())
    standing = standing_of(running)
    assert standing.on_study == 1 and standing.missing == 1
    assert [one.missing for one in standing.gaps] == [1]


def test_a_second_tumor_and_a_correction_are_not_a_second_mouse(running):
    session = running.sessions.first()
    make_measurement(session, running.mice.get(label="M1"), tumor_number=2)
    make_measurement(session, running.mice.get(label="M1"), revision=2, length_mm=11.0, reason="slip")
    assert standing_of(running).gaps[0].missing == 1


def test_a_voided_reading_is_missing_as_on_the_worklist(running):
    session = running.sessions.first()
    make_measurement(
        session, running.mice.get(label="M1"), revision=2, is_void=True,
        reason="wrong mouse",
    )  # fmt: skip
    assert standing_of(running).gaps[0].missing == 2


def test_a_study_without_dates_has_nothing_late(db):
    standing = standing_of(make_study("PDX-OLD-01"))
    assert (standing.late, standing.missing, standing.next, standing.percent) == ([], 0, None, None)


def test_many_studies_are_asked_for_together(running, django_assert_num_queries):
    others = [make_study(f"PDX-MORE-{n}") for n in range(3)]
    with django_assert_num_queries(6):
        assert [one.study for one in standings([running, *others], TODAY)] == [running, *others]


def test_open_alerts_are_counted_and_led_to(client, running, people):
    for level in ("amber", "red"):
        WelfareAlert.objects.create(
            study=running, mouse=running.mice.first(), session=running.sessions.first(), rule="volume", level=level,
            value=2100, limit=2000, limits_version=1, message="M1: too large", raised_at=TODAY,
        )  # fmt: skip
    standing = standing_of(running)
    assert (standing.alerts, standing.red_alerts) == (2, 1)
    client.force_login(people.veterinarian)
    page = client.get(f"/studies/{running.code}/").content.decode()
    assert "2 open alerts" in page and f'href="/studies/{running.code}/alerts/"' in page


def test_what_waits_depends_on_state_and_role(running):
    standing = standing_of(running)
    words = [step.words for step in steps(standing, frozenset({Role.TECHNICIAN}))]
    assert words == ["Measure 2 of 2 mice: session of 8 Jun", "Measure 2 of 2 mice: session of 15 Jun"]
    assert all(step.link for step in steps(standing, frozenset({Role.TECHNICIAN})))
    assert not any(step.link for step in steps(standing, frozenset({Role.VETERINARIAN})))
    running.sessions.update(completed_at=TODAY)
    done = steps(standing_of(running), frozenset({Role.STUDY_DIRECTOR}))
    assert [step.words for step in done] == ["Every session is done: lock the data"]
    running.state = StudyState.UNBLINDED
    assert steps(standing_of(running), frozenset({Role.TECHNICIAN})) == []


def test_the_portfolio_lists_the_studies_whose_science_a_person_reads(client, running, people):
    for role, person in people.by_role.items():
        client.force_login(person)
        answer = client.get("/portfolio/")
        reads = role not in (Role.DOSER, Role.ALLOCATION_CUSTODIAN, Role.REPORT_READER, Role.ADMINISTRATOR)
        assert (answer.status_code == 200) == reads, role
        if reads:
            assert running.code in answer.content.decode() and "PDX-OTHER-01" not in answer.content.decode()


def test_the_study_page_says_what_is_missing_and_next(client, running, people, monkeypatch):
    monkeypatch.setattr("studies.desk.study_page.timezone.now", lambda: TODAY)
    client.force_login(people.technician)
    page = client.get(f"/studies/{running.code}/").content.decode()
    assert "1 session late, since 8 Jun" in page and "3 readings missing" in page
    assert "Day 9 of 14" in page and "1 of 3 sessions completed" in page
    assert f"/entry/sessions/{running.sessions.all()[1].pk}/" in page


def test_operators_tell_readings_and_how_tumors_read_again_agree(client, running, people):
    session, mouse = running.sessions.first(), running.mice.get(label="M1")
    make_measurement(session, mouse, replicate=2, length_mm=12.0, observer_name="Tech B")
    client.force_login(people.study_director)
    told = client.get(f"/studies/{running.code}/operators.json").json()["operators"]
    assert [(one["name"], one["readings"]) for one in told] == [
        ("Tech B", 1),
        ("not recorded", 1),
        ("read by several", 0),
        ("all", 2),
    ]
    # 10 and 12 mm by 8 mm: 320 and 384 mm³, SD 45.25 over mean 352
    assert told[2]["cv_percent"] == told[3]["cv_percent"] == 12.9


def test_the_portfolio_counts_what_runs_and_lists_the_rest(client, running, people):
    draft = make_study("PDX-DRAFT-01", state=StudyState.DRAFT)
    join(people.study_director, draft, Role.STUDY_DIRECTOR)
    make_mouse(draft)
    client.force_login(people.study_director)
    context = client.get("/portfolio/").context
    assert [one.study.code for one in context["rows"]] == [running.code, "PDX-DRAFT-01"]
    assert (context["running"], context["on_study"]) == (1, 2)


@pytest.mark.parametrize(("day", "percent"), [(1, 0), (8, 50), (15, 100), (16, 100)])
def test_of_a_schedule_all_has_passed_at_most(running, day, percent):
    (standing,) = standings([running], datetime(2026, 6, day, 12, tzinfo=UTC))
    assert standing.percent == percent
