"""Alerts are raised with the readings, told to those who answer for the animals, and closed by them alone."""

from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_q.models import OrmQ

from studies.actions.audit import broken_link, study_chain
from studies.actions.health import health
from studies.actions.letters import send_waiting_letters
from studies.actions.sign import verify_signer
from studies.actions.sign_session import NotSignable, sign_session
from studies.actions.welfare import AnswerRefused, answer_alert, escalate
from studies.models import (
    AlertAnswer,
    AuditEvent,
    Letter,
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


def test_a_red_is_raised_in_the_readings_transaction_and_told_without_the_arm(api: Api, people, mailboxes):
    make_arm(people.study, "canarywing")
    (result,) = api.results(api.row(**BIG))
    assert result["http_status"] == 201 and "R10" in [rule["id"] for rule in result["rules"]]
    found = [("M001", "volume", "red"), ("M001", "diameter", "amber"), ("M001", "burden", "amber")]
    assert sorted(raised()) == sorted(found)
    assert (
        not mail.outbox and OrmQ.objects.count() == 1
    )  # a worker's, so that no reading waits for a mail server
    send_waiting_letters(NOON)
    send_waiting_letters(NOON + timedelta(days=1))
    (letter,) = mail.outbox
    assert sorted(letter.to) == ["study_director@lab.example", "veterinarian@lab.example"]
    assert "M001" in letter.subject and "2138 mm³" in letter.body and "diameter" not in letter.body
    assert "canary" not in letter.subject + letter.body
    assert AuditEvent.objects.filter(action="raised a welfare alert").count() == 3
    assert broken_link(study_chain(people.study)) is None


def test_a_mail_server_that_fails_is_tried_again_and_told_to_administrators_alone(
    api: Api, people, mailboxes, monkeypatch, client
):  # fmt: skip
    tries = []

    def fail(*args):
        tries.append(args)
        raise OSError("no mail server")

    with monkeypatch.context() as broken:
        broken.setattr("studies.actions.letters.send_mail", fail)
        (result,) = api.results(api.row(**BIG))
        assert result["http_status"] == 201 and WelfareAlert.objects.red().count() == 1
        for minutes in (0, 0.5, 1, 2, 3):  # waits a minute, then two
            send_waiting_letters(NOON + timedelta(minutes=minutes))
    letter = Letter.objects.get()
    assert (len(tries), letter.attempts, letter.sent_at) == (3, 3, None)
    assert letter.failure == "OSError: no mail server"
    assert not next(one for one in health(NOON + timedelta(minutes=11)) if one.name == "mail").is_well
    for name, person in people.everyone().items():
        client.force_login(person)
        told = b"E-mail is not going out" in client.get("/").content
        assert told == (name in ("administrator", "superuser")), name
    send_waiting_letters(NOON + timedelta(hours=1))
    assert Letter.objects.get().sent_at and len(mail.outbox) == 1


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


def correct(api: Api, reading: int, **changed) -> None:
    body = api.row(reason="typing slip", confirmations=confirmed("R6", "R8"), **changed)
    keys = (
        "client_id",
        "observed_at",
        "length_mm",
        "width_mm",
        "weight_g",
        "status",
        "reason",
        "confirmations",
    )
    reply = api.client.post(
        f"/api/v1/measurements/{reading}/correction",
        {key: body[key] for key in keys},
        content_type="application/json",
    )
    assert reply.json()["http_status"] == 201, reply.content
    api.current = reply.json()["id"]


def open_alerts() -> set[tuple[str, str]]:
    return set(WelfareAlert.objects.open().values_list("rule", "level"))


def test_an_alert_whose_cause_was_a_slip_is_closed_by_the_correction_and_raised_again_by_the_next(
    api: Api, people
):
    (result,) = api.results(api.row(**BIG))
    assert ("volume", "red") in open_alerts()
    correct(api, result["id"], length_mm=10.0, width_mm=8.0)
    assert open_alerts() == set()
    closed = AlertAnswer.objects.get(alert__rule="volume")
    assert (closed.action, closed.note, closed.is_acknowledgement) == ("corrected", "typing slip", True)
    assert AuditEvent.objects.filter(action="closed a welfare alert by correction").count() == 3
    correct(api, api.current, **BIG)
    assert open_alerts() == {("volume", "red"), ("diameter", "amber"), ("burden", "amber")}
    assert WelfareAlert.objects.filter(rule="volume").count() == 2
    reply = api.client.post(
        f"/api/v1/measurements/{api.current}/void",
        {"client_id": api.row()["client_id"], "reason": "wrong mouse"},
        content_type="application/json",
    )
    assert reply.json()["http_status"] == 201 and open_alerts() == set()
    assert broken_link(study_chain(people.study)) is None


def test_nobody_answers_an_alert_as_corrected_but_a_correction(api: Api, people):
    with pytest.raises(AnswerRefused, match="Choose"):
        answer(red(api), people.study_director, AlertAction.CORRECTED)


def test_a_letter_counts_the_alerts_it_tells_or_names_the_one(people, mailboxes):
    for lines in (["M001: volume", "M002: weight"], ["M003: volume"]):
        escalate(people.study, lines, at=NOON)
    assert [letter.subject for letter in Letter.objects.order_by("pk")] == [
        f"{people.study.code}: 2 red alerts",
        f"{people.study.code}: red alert, mouse M003: volume",
    ]
