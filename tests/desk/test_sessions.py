"""Planning when mice are measured: by hand, and from the first dose on; who may, and what is refused."""

from datetime import date, timedelta

import pytest
from django.utils import timezone

from studies.actions.audit import broken_link, study_chain
from studies.actions.coverage import broken_links
from studies.actions.schedule import ScheduleRefused, plan_session, set_first_dose
from studies.days import local_date
from studies.models import Allocation, Cohort, Dose, MeasurementSession, Randomization
from studies.terms import StudyState
from tests.factories import make_arm, make_mouse, make_study

pytestmark = pytest.mark.django_db
READERS = {"technician", "study_director", "statistician", "quality_assurance", "veterinarian"}
PLANNERS = {"technician", "study_director"}


@pytest.fixture
def cohort(study) -> Cohort:
    study.schedule_days = [-1, 0, 3, 7]
    study.save()
    cohort = Cohort.objects.create(study=study, name="A")
    make_mouse(study, "M1", cohort=cohort)
    return cohort


@pytest.fixture
def today(study) -> date:
    return local_date(timezone.now(), study.time_zone)


def randomized(cohort: Cohort, people) -> None:
    drawn = Randomization.objects.create(
        study=cohort.study, cohort=cohort, method="simple", seed="1", algorithm_version="1", code_version="1",
        ordered_input=[], input_sha256="0" * 64, made_by=people.study_director, made_at=timezone.now(),
    )  # fmt: skip
    arm = make_arm(cohort.study)
    for mouse in cohort.mice.all():
        Allocation.objects.create(mouse=mouse, arm=arm, randomization=drawn)


def plan(study, people, cohort, on, is_baseline=False, who="technician") -> MeasurementSession:
    return plan_session(
        study, cohort, on, is_baseline=is_baseline, actor=people.by_role[who], at=timezone.now()
    )


def dose(cohort, people, on, reason="", who="study_director") -> int:
    return set_first_dose(cohort, on, reason=reason, actor=people.by_role[who], at=timezone.now())


def test_who_reads_the_sessions_and_who_plans(client, study, cohort, people, today):
    url = f"/studies/{study.code}/sessions/"
    for number, (name, person) in enumerate(people.everyone().items()):
        client.force_login(person)
        member = name in {role.value for role in people.by_role}
        page = client.get(url)
        assert page.status_code == (200 if name in READERS else 403 if member else 404), name
        assert (b"Plan this session" in page.content) == (name in PLANNERS), name
        told = {"act": "session", "cohort": cohort.pk, "due_on": today + timedelta(days=number)}
        expected = 302 if name in PLANNERS else 403 if member else 404
        assert client.post(url, told).status_code == expected, name
    assert study.sessions.count() == 2


def test_a_technician_plans_the_baseline_and_finds_it_under_today(client, study, cohort, people, today):
    client.force_login(people.technician)
    page = client.get(f"/studies/{study.code}/")
    assert b"Plan the baseline session" in page.content
    client.post(f"/studies/{study.code}/sessions/", {"act": "session", "due_on": today, "is_baseline": "on"})
    session = study.sessions.get()
    assert (session.is_baseline, session.due_on, session.cohort) == (True, today, None)
    assert f"/entry/sessions/{session.pk}/" in client.get("/entry/today/").content.decode()
    assert broken_link(study_chain(study)) is None


def test_what_cannot_be_planned_is_refused_by_name(client, study, cohort, people, today):
    plan(study, people, cohort, today)
    other = Cohort.objects.create(study=make_study("PDX-ELSE-01"), name="Z")
    refusals = [
        ((cohort, today), "A session of cohort A on .* is planned already"),
        ((None, today), "A session of cohort A on .* is planned already"),
        ((cohort, today - timedelta(days=15)), "not within two weeks back"),
        ((other, today), "has no such cohort"),
    ]
    for (who, on), reason in refusals:
        with pytest.raises(ScheduleRefused, match=reason):
            plan(study, people, who, on)
    randomized(cohort, people)
    with pytest.raises(ScheduleRefused, match="Cohort A is randomized"):
        plan(study, people, cohort, today + timedelta(days=1), is_baseline=True)
    study.state = StudyState.DATA_LOCKED
    study.save()
    with pytest.raises(ScheduleRefused, match="nothing is planned"):
        plan(study, people, cohort, today + timedelta(days=2))
    client.force_login(people.study_director)
    answer = client.post(f"/studies/{study.code}/sessions/", {"act": "session", "due_on": today})
    assert answer.status_code == 422 and b"nothing is planned" in answer.content


def test_the_first_dose_plans_the_schedule_and_moves_what_nobody_began(client, study, cohort, people, today):
    randomized(cohort, people)
    client.force_login(people.study_director)
    assert b"Set the first dose of cohort A" in client.get(f"/studies/{study.code}/").content
    url = f"/studies/{study.code}/sessions/"
    told = {"act": "day0", "dose-cohort": cohort.pk, "dose-day0": today}
    assert "3 further sessions" in client.post(url, told, follow=True).content.decode()
    assert b"Set the first dose of cohort A" not in client.get(f"/studies/{study.code}/").content
    days = [today + timedelta(days=day) for day in (0, 3, 7)]
    assert list(study.sessions.values_list("due_on", flat=True)) == days
    study.sessions.filter(due_on=today).update(started_at=timezone.now())
    with pytest.raises(ScheduleRefused, match="say why it moves"):
        dose(cohort, people, today + timedelta(days=2))
    dose(cohort, people, today + timedelta(days=2), "formulation late")
    moved = [today, *(today + timedelta(days=2 + day) for day in (0, 3, 7))]
    assert list(study.sessions.values_list("due_on", flat=True)) == moved
    cohort.refresh_from_db()
    assert cohort.day0 == today + timedelta(days=2)
    assert broken_link(study_chain(study)) is None


@pytest.mark.parametrize("who", ["technician", "veterinarian", "statistician"])
def test_only_the_director_sets_the_first_dose(study, cohort, people, today, who):
    with pytest.raises(ScheduleRefused, match="Your role"):
        dose(cohort, people, today, who=who)


def test_a_first_dose_that_cannot_be_is_refused(study, cohort, people, today):
    with pytest.raises(ScheduleRefused, match="randomized before the first dose"):
        dose(cohort, people, today - timedelta(days=1))
    baseline = plan(study, people, cohort, today, is_baseline=True)
    MeasurementSession.objects.filter(pk=baseline.pk).update(started_at=timezone.now())
    randomized(cohort, people)
    with pytest.raises(ScheduleRefused, match="before the baseline"):
        dose(cohort, people, today - timedelta(days=1))
    dose(cohort, people, today + timedelta(days=1))
    Dose.objects.create(
        study=study, mouse=cohort.mice.get(), given_on=today, outcome="given", given_ml=0.2, doser=people.doser,
        recorded_at=timezone.now(),
    )  # fmt: skip
    with pytest.raises(ScheduleRefused, match="Doses of cohort A are on record"):
        dose(cohort, people, today + timedelta(days=5), "late")


def test_a_baseline_of_all_mice_on_day_0_is_that_days_session(study, cohort, people, today):
    plan(study, people, None, today, is_baseline=True)
    randomized(cohort, people)
    assert dose(cohort, people, today) == 2
    assert [one.due_on for one in cohort.sessions.all()] == [today + timedelta(days=day) for day in (3, 7)]


def test_a_move_onto_another_session_moves_nothing(study, cohort, people, today):
    randomized(cohort, people)
    dose(cohort, people, today)
    plan(study, people, cohort, today + timedelta(days=9))
    before = list(study.sessions.values_list("pk", "due_on"))
    with pytest.raises(ScheduleRefused, match="has a session on"):
        dose(cohort, people, today + timedelta(days=2), "late")
    assert list(study.sessions.values_list("pk", "due_on")) == before
    assert not [link for link in broken_links() if "session" in link.reason]


@pytest.mark.parametrize("by", [3, -3])
def test_a_schedule_moves_onto_its_own_days(study, cohort, people, today, by):
    """Onto day 3 from day 0 and back: no two sessions ever stand on one day."""
    randomized(cohort, people)
    dose(cohort, people, today + timedelta(days=5))
    before = list(study.sessions.order_by("due_on").values_list("due_on", flat=True))
    dose(cohort, people, today + timedelta(days=5 + by), "formulation late")
    after = list(study.sessions.order_by("due_on").values_list("due_on", flat=True))
    assert after == [day + timedelta(days=by) for day in before] and len(after) >= 3
