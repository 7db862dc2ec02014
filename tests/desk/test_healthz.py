"""`/healthz` answers a monitor: well, or what is not, without naming a study or a person."""

import json
import logging
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from pdx_tracker.logs import JsonLines
from studies import triggers
from studies.actions import health
from studies.actions.audit import record_event, study_chain
from studies.models import Job
from studies.terms import JobKind, ReportView

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 6, 10, 10, tzinfo=UTC)


@pytest.fixture
def recorded(study):
    record_event("changed", study, actor=None, at=NOW, chain=study_chain(study), study=study)
    return study


def conditions(now: datetime) -> dict[str, bool]:
    return {one.name: one.is_well for one in health.health(now)}


def test_a_well_server_says_so_to_anyone(client, study):
    answer = client.get("/healthz")
    assert answer.status_code == 200 and answer.json()["ok"]
    assert study.code not in answer.text and answer.headers["Cache-Control"] == "no-store, private"


def test_what_is_not_well_is_named(recorded, client, settings, tmp_path, monkeypatch):
    settings.DATA_DIR, settings.BACKUP_EXPECTED = tmp_path, True
    assert all(conditions(NOW).values()) is False and not conditions(NOW)["last_backup"]
    (tmp_path / "last_backup.json").write_text(
        json.dumps({"path": "x", "at": (NOW - timedelta(days=1)).isoformat()})
    )
    assert all(conditions(NOW).values())
    assert not conditions(NOW + timedelta(days=2))["last_backup"]
    assert not conditions(NOW - timedelta(hours=1))["clock"]
    monkeypatch.setattr(health, "LEAST_FREE_MB", 10**12)
    triggers.drop(connection)
    answer = client.get("/healthz")
    triggers.install(connection)
    assert answer.status_code == 503
    assert [name for name, one in answer.json().items() if name != "ok" and not one["ok"]] >= [
        "triggers",
        "disk",
    ]


def test_a_log_line_in_json_tells_kind_and_place_of_an_error_but_not_its_words():
    try:
        raise ValueError("arm zq12: patient 7")
    except ValueError as error:
        told = (type(error), error, error.__traceback__)
    line = JsonLines().format(
        logging.LogRecord("django.request", 40, "x.py", 1, "Broke: %s", ("zq12",), told)
    )
    assert json.loads(line)["exception"] == "ValueError" and json.loads(line)["place"].startswith(
        "test_healthz.py:"
    )
    assert "zq12" not in line


def test_a_refusal_is_logged_with_the_persons_number(client, people, caplog, monkeypatch):
    logger = logging.getLogger(
        "django.request"
    )  # heard at itself, whatever other tests did to those above it
    monkeypatch.setattr(logger, "disabled", False)
    monkeypatch.setattr(logger, "propagate", False)
    monkeypatch.setattr(logger, "handlers", [caplog.handler])
    caplog.set_level("WARNING", logger="django.request")
    client.force_login(people.technician)
    client.get("/studies/PDX-OTHER-01/")
    client.logout()
    client.get("/no/such/page/")
    lines = [json.loads(JsonLines().format(record)) for record in caplog.records]
    told = [(line["status"], line.get("user")) for line in lines if line["logger"] == "django.request"]
    assert told == [(404, people.technician.pk), (404, None)]


def test_figures_of_operation_are_numbers_and_name_no_study(recorded, client):
    told = dict(line.rsplit(" ", 1) for line in client.get("/metrics").text.splitlines())
    assert all(float(value) >= 0 for value in told.values())
    assert {"pdx_disk_free_bytes", "pdx_audit_events_total", "pdx_queue_oldest_seconds"} <= told.keys()
    assert told['pdx_well{what="triggers"}'] == "1" and told['pdx_jobs{state="waiting"}'] == "0"
    assert recorded.code not in str(told)


def test_a_log_line_stays_one_line():
    forged = "/studies/x\n2026-06-10 CRITICAL all is well\r\u2028"
    line = JsonLines().format(
        logging.LogRecord("django.request", 30, "x.py", 1, "Not Found: %s", (forged,), None)
    )
    assert len(line.splitlines()) == 1 and json.loads(line)["message"].endswith(forged)


def test_a_job_may_wait_ten_minutes_for_a_worker(people):
    Job.objects.create(study=people.study, kind=JobKind.REPORT, view=ReportView.OPEN, asked_by=people.study_director,
                       asked_at=NOW)  # fmt: skip
    waits = timedelta(minutes=10)
    assert [conditions(NOW + wait)["queue"] for wait in (waits, waits + timedelta(seconds=1))] == [
        True,
        False,
    ]
