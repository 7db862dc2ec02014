"""Alerts are raised with the readings, told to those who answer for the animals, and closed by them alone."""

from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext

from studies.actions.audit import broken_link, study_chain
from studies.actions.sign import verify_signer
from studies.actions.sign_session import NotSignable, sign_session
from studies.actions.welfare import AnswerRefused, answer_alert
from studies.models import (
    AlertAnswer,
    AuditEvent,
    Measurement,
    MeasurementSession,
    Study,
    Tumor,
    WelfareAlert,
    WelfareLimits,
)
from studies.terms import AlertAction, AlertLevel, Sign, StudyState
from tests.api.conftest import NOON, Api
from tests.factories import make_arm, make_measurement
from tests.people import PASSWORD

pytestmark = pytest.mark.django_db
BIG = {"length_mm": 19.0, "width_mm": 15.0}  # 2,137 mm3


@pytest.fixture
def mailboxes(people):
    for name in ("study_director", "veterinarian", "technician", "quality_assurance"):
        person = people.by_role[name]
        person.email = f"{name}@lab.example"
        person.save()
    people.outsider.email = "elsewhere@lab.example"
    people.outsider.save()


def raised() -> list[tuple[str, str, str]]:
    return [(one.mouse.label, one.rule, one.level) for one in WelfareAlert.objects.order_by("id")]


def confirmed(*rules: str) -> list[dict]:
    return [{"rule": rule, "reason": "checked"} for rule in rules]


def test_a_red_is_raised_in_the_readings_transaction_and_told_without_the_arm(
    api: Api, people, mailboxes, django_capture_on_commit_callbacks
):  # fmt: skip
    make_arm(people.study, "canarywing")
    with django_capture_on_commit_callbacks(execute=True):
        (result,) = api.results(api.row(**BIG))
    assert result["http_status"] == 201 and "R10" in [rule["id"] for rule in result["rules"]]
    found = [("M001", "volume", "red"), ("M001", "diameter", "amber"), ("M001", "burden", "amber")]
    assert sorted(raised()) == sorted(found)
    (letter,) = mail.outbox
    assert sorted(letter.to) == ["study_director@lab.example", "veterinarian@lab.example"]
    assert "M001" in letter.subject and "2138 mm³" in letter.body and "diameter" not in letter.body
    assert "canary" not in letter.subject + letter.body
    assert AuditEvent.objects.filter(action="raised a welfare alert").count() == 3
    assert broken_link(study_chain(people.study)) is None


def test_a_mail_that_fails_costs_neither_reading_nor_alert(
    api: Api, people, mailboxes, monkeypatch, django_capture_on_commit_callbacks
):  # fmt: skip
    def fail(*args):
        raise OSError("no mail server")

    monkeypatch.setattr("studies.actions.welfare.send_mail", fail)
    with django_capture_on_commit_callbacks(execute=True):
        (result,) = api.results(api.row(**BIG))
    assert result["http_status"] == 201 and Measurement.objects.count() == 1
    assert WelfareAlert.objects.red().count() == 1


def test_a_replay_raises_nothing_again(api: Api):
    row = api.row(**BIG)
    api.results(row)
    before = raised()
    api.results(row)
    assert raised() == before and len(before) == 3


def test_tumors_of_one_mouse_count_together(api: Api):
    Tumor.objects.create(mouse=api.mice[0], number=2)
    half = {"length_mm": 14.0, "width_mm": 12.5, "weight_g": 30}  # 1,094 mm3 each
    api.results(api.row(**half))
    assert "volume" not in {rule for _, rule, _ in raised()}
    api.results(api.row(**{**half, "weight_g": None}, tumor=2))
    assert ("M001", "volume", "red") in raised()


def test_weight_is_judged_against_the_baseline_and_growth_forecast_to_the_next_session(api: Api, people):
    study, mouse = people.study, api.mice[0]
    for days, size in ((7, 7.0), (4, 9.0)):
        session = MeasurementSession.objects.create(
            study=study, due_on=NOON.date() - timedelta(days=days), is_baseline=days == 7
        )
        make_measurement(session, mouse, length_mm=size + 1, width_mm=size, weight_g=25.0)
    MeasurementSession.objects.create(study=study, due_on=NOON.date() + timedelta(days=6))
    row = api.row(length_mm=12.0, width_mm=11.0, weight_g=21.0, confirmations=confirmed("R8", "R12"))
    assert api.results(row)[0]["http_status"] == 201
    assert ("M001", "weight_loss", "amber") in raised()  # 16 %
    assert ("M001", "predicted_volume", "amber") in raised()  # 726 mm3, doubling in 3 days
    assert AlertLevel.RED not in {level for _, _, level in raised() if level}


def test_signs_and_ulcers_are_red(api: Api):
    api.results(
        api.row(0, signs=[Sign.EMACIATED]),
        api.row(1, status="ulcerated"),
        api.row(2, signs=[Sign.BREATHING]),
    )
    assert raised() == [
        ("M001", "body_condition", "red"), ("M002", "ulceration", "red"), ("M003", "sign_score", "red"),
    ]  # fmt: skip


def test_the_studys_own_limits_hold_and_a_correction_is_judged_too(api: Api, people):
    WelfareLimits.objects.create(study=people.study, version=3, volume_cap_mm3=300, reason="protocol")
    (result,) = api.results(api.row())  # 334 mm3
    assert WelfareAlert.objects.get(rule="volume").limits_version == 3
    body = api.row(length_mm=17.0, width_mm=8.1, reason="typing slip", confirmations=confirmed("R6"))
    url = f"/api/v1/measurements/{result['id']}/correction"
    keys = ("client_id", "observed_at", "length_mm", "width_mm", "weight_g", "status", "reason")
    reply = api.client.post(url, {k: body[k] for k in keys}, content_type="application/json")
    assert reply.status_code in (200, 201), reply.content
    assert ("M001", "diameter", "amber") in raised()


def test_alerts_cost_a_sheet_of_mice_a_fixed_number_of_queries(api: Api):
    with CaptureQueriesContext(
        connection,
    ) as one:
        api.results(api.row(0, **BIG))
    with CaptureQueriesContext(connection) as many:
        api.results(*[api.row(place, **BIG) for place in range(1, 10)])
    assert WelfareAlert.objects.red().count() == 10
    assert len(many) <= len(one)


def red(api: Api) -> WelfareAlert:
    api.results(api.row(**BIG))
    return WelfareAlert.objects.red().get()


def answer(alert: WelfareAlert, person, action=AlertAction.DAILY_CHECK, note="") -> AlertAnswer:
    return answer_alert(alert, action, note, actor=person, at=NOON)


def test_director_and_veterinarian_close_and_a_technician_notes(api: Api, people):
    alert = red(api)
    assert not answer(alert, people.technician, AlertAction.EUTHANIZE).is_acknowledgement
    assert not answer(alert, people.veterinarian, AlertAction.NOTE, "seen").is_acknowledgement
    assert list(WelfareAlert.objects.red().open()) == [alert]
    for role in ("quality_assurance", "statistician", "doser", "allocation_custodian", "report_reader"):
        with pytest.raises(AnswerRefused, match="role"):
            answer(alert, people.by_role[role])
    assert answer(alert, people.veterinarian, AlertAction.VET).is_acknowledgement
    assert not WelfareAlert.objects.red().open().exists()
    event = AuditEvent.objects.get(action="acknowledged a welfare alert")
    assert event.new["action"] == "vet" and event.actor == people.veterinarian


@pytest.mark.parametrize(
    ("action", "note", "why"), [("", "", "Choose"), ("note", " ", "Write"), ("shout", "", "Choose")]
)
def test_an_answer_says_something(api: Api, people, action, note, why):
    with pytest.raises(AnswerRefused, match=why):
        answer(red(api), people.study_director, action, note)
    assert not AlertAnswer.objects.exists()


def test_nothing_is_answered_in_a_locked_study(api: Api, people):
    alert = red(api)
    Study.objects.update(state=StudyState.DATA_LOCKED)
    with pytest.raises(AnswerRefused, match="data locked"):
        answer(alert, people.study_director)


def test_a_sheet_is_signed_only_after_an_action_code(api: Api, people):
    alert = red(api)
    api.results(*[api.row(place) for place in range(1, 10)])
    signer = verify_signer(people.technician, people.technician.username, PASSWORD, NOON)
    with pytest.raises(NotSignable, match="M001"):
        sign_session(api.session.pk, signer, at=NOON)
    answer(alert, people.technician, AlertAction.EUTHANIZE)
    assert sign_session(api.session.pk, signer, at=NOON).signer == people.technician
