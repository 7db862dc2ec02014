"""Amendments and deviations: signed or told, never rewritten, and only by whom they are asked."""

import re
from datetime import date

import pytest
from django.db import IntegrityError, InternalError, transaction
from django.utils import timezone

from studies.actions.amendments import Changes, amend_protocol, record_deviation
from studies.actions.audit import broken_link, study_chain
from studies.actions.set_up import By, SetUpRefused
from studies.actions.sign import Signer
from studies.models import AnalysisPlan, AuditEvent, Deviation, Study, WelfareLimits
from studies.terms import Role, SignedAct, StudyState
from tests.factories import make_arm, make_measurement, make_mouse, make_session, make_study
from tests.people import PASSWORD

pytestmark = pytest.mark.django_db
LIMITS = {
    "volume_cap_mm3": 2000, "diameter_cap_mm": 20, "burden_cap_percent": 10, "weight_loss_warning_percent": 15,
    "weight_loss_limit_percent": 20, "sign_score_cap": 5, "body_condition_floor": 2, "amber_fraction": 0.8,
}  # fmt: skip


@pytest.fixture
def running(client, study, people):
    make_arm(study)
    WelfareLimits.objects.create(study=study, reason="protocol")
    plan = {"control": "vehicle", "primary": {"estimand": "slope"}, "day": 21, "alpha": 0.05,
            "endpoint": {"fold": 4}}  # fmt: skip
    AnalysisPlan.objects.create(study=study, plan=plan, reason="protocol", locked_at="2026-03-01T09:00Z")
    client.force_login(people.study_director)
    return study


def page(study, name: str = "amendments") -> str:
    return f"/studies/{study.code}/{name}/"


def amendment(study, **more) -> dict:
    return {
        "what": "Day 28 is measured too.", "reason": "Regrowth is expected.", "in_force_from": "2026-04-01",
        "username": "a_study_director", "password": PASSWORD,
        "study-title": study.title, "study-protocol_number": "", "study-enrollment_min_mm3": 100,
        "study-enrollment_max_mm3": 200, "study-enrollment_min_weight_g": 17, "study-schedule_days": "",
        **{f"limits-{name}": value for name, value in LIMITS.items()},
        "plan-estimand": "slope", "plan-day": 21, "plan-endpoint_fold": 4, "plan-alpha": 0.05, **more,
    }  # fmt: skip


def test_an_amendment_is_signed_and_gives_limits_and_plan_a_further_version(client, running):
    changes = {"study-schedule_days": "0, 7, 28", "limits-volume_cap_mm3": 1500, "plan-day": 28}
    assert client.post(page(running), amendment(running, **changes)).status_code == 302
    made = running.amendments.get()
    assert made.changes == {
        "study.schedule_days": [[], [0, 7, 28]], "limits.volume_cap_mm3": [2000, 1500],
        "plan.day": [21, 28], "plan.window": [None, [0, 28]],
    }  # fmt: skip
    assert list(running.welfare_limits.values_list("version", "volume_cap_mm3")) == [(1, 2000), (2, 1500)]
    plans = running.analysis_plans.order_by("version")
    assert [plan.plan["day"] for plan in plans] == [21, 28] and plans[1].locked_at is not None
    signature = running.signatures.get()
    assert (signature.act, signature.object_type) == (SignedAct.AMENDMENT, "amendment")
    assert broken_link(study_chain(running)) is None
    told = client.get(page(running)).content.decode()
    assert "in force from 1 Apr 2026" in told and "changed after signature" not in told
    assert "</code>: none → 0, 7, 28" in told and "</code>: 21 → 28" in told


def test_an_amendment_in_words_alone_changes_nothing_else(client, running):
    assert client.post(page(running), amendment(running)).status_code == 302
    assert running.amendments.get().changes == {} and running.welfare_limits.count() == 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"password": "wrong"}, "nothing was signed"),
        ({"what": ""}, "This field is required."),
        ({"reason": ""}, "This field is required."),
        ({"in_force_from": ""}, "This field is required."),
        ({"limits-weight_loss_warning_percent": 30}, "The weight loss warning comes before the limit."),
        ({"study-enrollment_min_mm3": 300}, "The enrollment window starts below its end."),
    ],
)
def test_an_amendment_that_cannot_stand_is_refused_whole(client, running, change, told):
    answer = client.post(page(running), amendment(running, **change))
    assert answer.status_code == 200 and told in answer.content.decode()
    assert not running.amendments.exists() and running.welfare_limits.count() == 1


def test_no_amendment_without_an_active_study(client, running):
    Study.objects.filter(pk=running.pk).update(state=StudyState.DATA_LOCKED)
    client.post(page(running), amendment(running))
    assert not running.amendments.exists()


def test_an_amendment_is_never_rewritten(client, running):
    client.post(page(running), amendment(running))
    with pytest.raises((IntegrityError, InternalError), match="append-only"), transaction.atomic():
        running.amendments.update(what="Something else")


def deviation(**more) -> dict:
    return {"happened_on": "2026-03-05", "what": "Dose of day 3 given 6 h late.", "impact": "minor",
            "measure": "Noted.", "labels": "M001", "corrects": "", **more}  # fmt: skip


def test_who_reads_and_who_records_deviations(client, running, people):
    make_mouse(running, "M001")
    readers = {
        Role.STUDY_DIRECTOR,
        Role.TECHNICIAN,
        Role.VETERINARIAN,
        Role.STATISTICIAN,
        Role.QUALITY_ASSURANCE,
    }
    recorders = {Role.STUDY_DIRECTOR, Role.TECHNICIAN, Role.VETERINARIAN}
    for name, person in people.everyone().items():
        client.force_login(person)
        shown = client.get(page(running, "deviations"))
        assert (shown.status_code == 200) == (name in readers), name
        assert ("Record a deviation" in shown.content.decode()) == (name in recorders), name
        before = Deviation.objects.count()
        client.post(page(running, "deviations"), deviation())
        assert (Deviation.objects.count() > before) == (name in recorders), name


def test_a_deviation_names_its_mice_and_is_corrected_by_a_further_entry(client, running):
    mouse = make_mouse(running, "M001")
    make_mouse(make_study("PDX-TEST-02"), "M002")
    client.post(page(running, "deviations"), deviation())
    first = running.deviations.get()
    assert list(first.mice.all()) == [mouse]
    first.mice.add(make_mouse(running, "M003"))
    told = " ".join(re.sub("<[^>]*>", "", client.get(page(running, "deviations")).text).split())
    assert "impact: minor" in told and "Mice concerned: M001, M003 Recorded by" in told
    answer = client.post(page(running, "deviations"), deviation(labels="M001, M002"))
    assert "No mouse of this study: M002." in answer.content.decode()
    client.post(page(running, "deviations"), deviation(what="It was day 4.", corrects=first.pk))
    assert running.deviations.get(number=2).corrects == first
    assert AuditEvent.objects.filter(action="recorded a deviation").count() == 2


def test_a_deviation_of_a_day_to_come_is_refused(client, running):
    make_mouse(running, "M001")
    answer = client.post(page(running, "deviations"), deviation(happened_on="2999-01-01"))
    assert "is still to come" in answer.content.decode() and not running.deviations.exists()


def test_the_state_page_offers_each_person_the_steps_that_are_theirs(client, running, people):
    make_measurement(make_session(running), make_mouse(running))

    def send(person, way: str, reason: str = "Because.", **more):
        client.force_login(person)
        told = {"username": person.username, "password": PASSWORD, "reason": reason, **more}
        data = {"way": way} | {f"{way}-{name}": value for name, value in told.items()}
        return client.post(page(running, "state"), data)

    def post(*said, **more) -> int:
        return send(*said, **more).status_code

    def state() -> str:
        return Study.objects.get(pk=running.pk).state

    director, qa = people.study_director, people.quality_assurance
    assert post(people.technician, "lock_data") == 403
    assert post(qa, "lock_data") == 200 and state() == StudyState.ACTIVE
    assert "nothing was signed. 4 tries are left." in send(director, "lock_data", password="wrong").text
    assert state() == StudyState.ACTIVE
    assert post(director, "lock_data") == 302 and state() == StudyState.DATA_LOCKED
    named = {"labels": "M001", "sessions": [running.sessions.get().pk], "hours": 24}
    assert post(director, "request_unlock", **named | {"labels": "M009"}) == 200
    assert post(director, "request_unlock", **named) == 302
    asked = running.signatures.get(act="unlock_request").pk
    assert post(director, "approve_unlock", request=asked) == 200 and not running.unlocks.exists()
    assert post(qa, "approve_unlock", request=asked) == 302 and state() == StudyState.DATA_LOCKED
    assert "M001, day 0" in client.get(page(running, "state")).text
    assert post(director, "unblind_study") == 302
    assert post(director, "archive_study") == 302 and state() == StudyState.ARCHIVED
    told = client.get(page(running, "state")).content.decode()
    assert told.count(">as signed<") == 5 and "changed after signature" not in told


@pytest.mark.parametrize(
    ("what", "reason"), [(" ", "Regrowth is expected."), ("Day 28 is measured too.", " ")]
)
def test_an_amendment_says_what_and_why(running, people, what, reason):
    signer, nothing = Signer(people.study_director, timezone.now()), Changes({}, {}, {})
    with pytest.raises(SetUpRefused, match="Say what is amended, and why."):
        amend_protocol(running, what, reason, date(2026, 4, 1), nothing, signer)


def test_no_role_but_those_that_record_deviations_writes_one_past_the_page(running, people):
    with pytest.raises(SetUpRefused, match="has no role in PDX-TEST-01 that records deviations"):
        record_deviation(
            running, date(2026, 3, 5), "Late.", "minor", "Noted.", [], By(people.statistician, timezone.now())
        )
    assert not Deviation.objects.exists()


def test_the_form_of_an_amendment_is_its_directors_while_the_study_is_active(client, running, people):
    def offered() -> set[str]:
        found = set()
        for role, person in people.by_role.items():
            client.force_login(person)
            answer = client.get(page(running))
            if answer.status_code == 200 and answer.context["may_amend"]:
                found.add(role)
        return found

    assert offered() == {Role.STUDY_DIRECTOR}
    Study.objects.filter(pk=running.pk).update(state=StudyState.DATA_LOCKED)
    assert offered() == set()


def test_a_deviation_is_told_in_the_order_of_its_questions(client, running):
    form = client.get(page(running, "deviations")).context["form"]
    assert list(form.fields) == ["happened_on", "what", "labels", "impact", "measure", "corrects"]
