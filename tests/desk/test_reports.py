"""The pages of a study's reports: who sees which, how they are served, and what the progress tells."""

from datetime import UTC, datetime

import pytest
from django.db import transaction

from studies.actions.jobs import ask_for_job
from studies.actions.sign import Signer
from studies.actions.snapshots import take_snapshot
from studies.actions.stored_reports import release_report, store_report
from studies.models import Job, ReportFile, StoredReport
from studies.terms import JobKind, ReportView, Role, StudyState
from tests.factories import make_measurement, make_mouse, make_session
from tests.people import PASSWORD

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
READS = {
    Role.TECHNICIAN, Role.STUDY_DIRECTOR, Role.STATISTICIAN, Role.QUALITY_ASSURANCE, Role.VETERINARIAN,
}  # fmt: skip


def keep(study, people, view=ReportView.OPEN, number: int = 1) -> StoredReport:
    files = {
        "report.html": b"<p>the report</p>",
        "report.pdf": b"%PDF-1.7",
        "analysis.json": b'{"studies": [{"tgi": {"percent": %d}}]}' % number,
        "figures/spider.svg": b"<svg/>",
    }
    return store_report(study, view, take_snapshot(study, view), {"n": number}, files,
                        asked_by=people.study_director, at=NOON)  # fmt: skip


@pytest.fixture
def opened(people):
    study = people.study
    make_measurement(make_session(study), make_mouse(study))
    study.state = StudyState.UNBLINDED
    study.save()
    return study


def address(study, *parts) -> str:
    return "/".join([f"/studies/{study.code}/reports", *map(str, parts)])


def test_members_open_reports_by_name_only_where_arms_are_open_to_them(client, opened, people):
    report = keep(opened, people)
    for role, person in people.by_role.items():
        client.force_login(person)
        shown = address(opened, report.pk, "") in client.get(address(opened, "")).content.decode()
        status = client.get(address(opened, report.pk, "files", "report.html")).status_code
        assert (shown, status == 200) == (role in READS,) * 2, role
    opened.state = StudyState.DATA_LOCKED
    opened.save()
    for name, person in people.everyone().items():
        client.force_login(person)
        page = client.get(address(opened, ""))
        assert page.status_code != 200 or address(opened, report.pk, "") not in page.content.decode(), name
        assert client.get(address(opened, report.pk, "files", "report.html")).status_code in (403, 404), name


def test_a_statistician_after_the_lock_opens_masked_reports_and_no_others(client, opened, people):
    opened.state = StudyState.DATA_LOCKED
    opened.save()
    masked, by_name = keep(opened, people, ReportView.MASKED), keep(opened, people)
    for role, person in people.by_role.items():
        client.force_login(person)
        found = [
            client.get(address(opened, report.pk, "")).status_code == 200 for report in (masked, by_name)
        ]
        assert found == [role == Role.STATISTICIAN, False], role


def test_a_report_reader_sees_what_was_released_and_nothing_else(client, opened, people):
    released, kept = keep(opened, people), keep(opened, people, number=2)
    client.force_login(people.quality_assurance)
    answer = client.post(
        address(opened, released.pk, ""),
        {"reason": "For the sponsor.", "username": people.quality_assurance.username, "password": PASSWORD},
    )
    assert answer.status_code == 302
    client.force_login(people.report_reader)
    page = client.get(address(opened, "")).content.decode()
    assert address(opened, released.pk, "") in page and address(opened, kept.pk, "") not in page
    assert "Build a report" not in page
    assert client.get(address(opened, released.pk, "files", "report.pdf")).content == b"%PDF-1.7"
    assert client.get(address(opened, kept.pk, "files", "report.pdf")).status_code == 404
    assert client.post(address(opened, "")).status_code == 403


def test_who_may_release_is_asked_to_sign_until_it_is_released_and_nobody_else_is(client, opened, people):
    report = keep(opened, people)

    def asked() -> set[str]:
        found = set()
        for role, person in people.by_role.items():
            client.force_login(person)
            page = client.get(address(opened, report.pk, ""))
            if page.status_code == 200 and 'name="password"' in page.content.decode():
                found.add(role)
        return found

    assert asked() == {Role.STUDY_DIRECTOR, Role.QUALITY_ASSURANCE}
    release_report(report, Signer(people.study_director, NOON), "For the sponsor.")
    assert asked() == set()


def test_a_wrong_password_releases_nothing(client, opened, people):
    report = keep(opened, people)
    client.force_login(people.study_director)
    told = {"reason": "For the sponsor.", "username": people.study_director.username, "password": "wrong"}
    assert "nothing was signed" in client.post(address(opened, report.pk, ""), told).content.decode()
    client.force_login(people.report_reader)
    assert client.get(address(opened, report.pk, "")).status_code == 404


def test_files_are_served_as_what_they_are_and_can_do_nothing(client, opened, people):
    report = keep(opened, people)
    client.force_login(people.study_director)
    html, pdf, numbers, figure = (
        client.get(address(opened, report.pk, "files", name))
        for name in ("report.html", "report.pdf", "analysis.json", "figures/spider.svg")
    )
    assert html["Content-Security-Policy"].startswith("sandbox allow-popups; default-src 'none'")
    assert "script" not in html["Content-Security-Policy"]
    assert html["Content-Disposition"] == 'inline; filename="PDX-TEST-01-report.html"'
    assert pdf["Content-Type"] == "application/pdf" and pdf["Content-Disposition"].startswith("inline")
    assert numbers["Content-Disposition"].startswith("attachment")
    assert figure["Content-Disposition"] == 'attachment; filename="PDX-TEST-01-figures-spider.svg"'
    for answer in (html, pdf, numbers, figure):
        assert answer["X-Content-Type-Options"] == "nosniff" and "no-store" in answer["Cache-Control"]
    assert client.get(address(opened, report.pk, "files", "../secret_key")).status_code == 404


def test_a_superseded_report_says_so(client, opened, people):
    report = keep(opened, people)
    client.force_login(people.study_director)
    assert "superseded" not in client.get(address(opened, "")).content.decode()
    make_measurement(make_session(opened, 7), opened.mice.get())
    assert "superseded" in client.get(address(opened, "")).content.decode()
    assert "Superseded" in client.get(address(opened, report.pk, "")).content.decode()


def test_two_reports_are_compared_number_by_number(client, opened, people):
    first, second = keep(opened, people), keep(opened, people, number=5)
    client.force_login(people.study_director)
    page = client.get(address(opened, f"compare/?before={first.pk}&after={second.pk}")).content.decode()
    assert "tgi.percent" in page and "1 value differs" in page
    assert (
        "every value is the same"
        in client.get(address(opened, f"compare/?before={first.pk}&after={first.pk}")).content.decode()
    )
    assert client.get(address(opened, f"compare/?before={first.pk}&after=99999")).status_code == 404


def test_building_queues_one_job_and_the_page_says_that_no_worker_runs(client, opened, people):
    client.force_login(people.study_director)
    for _ in range(2):
        assert client.post(address(opened, "")).status_code == 302
    job = Job.objects.get()
    page = client.get(address(opened, "")).content.decode()
    assert "No worker is running" in page and f'data-job="{job.pk}"' in page
    told = client.get(address(opened, "jobs.json")).json()
    assert told == {
        "has_worker": False,
        "jobs": [
            {
                "id": job.pk,
                "state": "waiting",
                "step": "Waiting for its turn",
                "percent": 0,
                "wants_cancel": False,
            }
        ],
    }
    client.post(address(opened, "jobs", job.pk, "cancel", ""))
    assert client.get(address(opened, "jobs.json")).json()["jobs"][0]["state"] == "canceled"


def test_whoever_may_not_see_arms_follows_no_job(client, opened, people):
    with transaction.atomic():
        job = ask_for_job(opened, JobKind.REPORT, ReportView.OPEN, {}, actor=people.study_director, at=NOON)
    opened.state = StudyState.ACTIVE
    opened.save()
    for name, person in people.everyone().items():
        client.force_login(person)
        answer = client.get(address(opened, "jobs.json"))
        assert answer.status_code != 200 or answer.json()["jobs"] == [], name
        assert client.post(address(opened, "jobs", job.pk, "cancel", "")).status_code in (403, 404), name


def test_an_unchanged_study_answers_with_the_report_there_is(client, opened, people):
    from studies.reports.stored import parameters_of

    view = ReportView.OPEN
    report = store_report(opened, view, take_snapshot(opened, view), parameters_of(view), {"report.html": b""},
                          asked_by=people.study_director, at=NOON)  # fmt: skip
    release_report(report, Signer(people.study_director, NOON), "For the sponsor.")
    client.force_login(people.statistician)
    assert client.post(address(opened, "")).url == address(opened, report.pk, "")
    assert not Job.objects.exists()


def test_a_file_of_a_kind_that_no_report_has_is_not_served(client, opened, people):
    report = keep(opened, people)
    ReportFile.objects.create(report=report, name="run.exe", content=b"MZ", size=2, sha256="0" * 64)
    client.force_login(people.study_director)
    assert client.get(address(opened, report.pk, "files", "run.exe")).status_code == 404
