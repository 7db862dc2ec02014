"""Jobs under System: looked at by their studies' staff and by administrators, changed by nobody."""

from datetime import UTC, datetime

import pytest
from django.urls import reverse

from studies.actions.jobs import ask_for_job
from studies.terms import JobKind, ReportView, Role
from tests.people import join, make_user

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
LIST = "admin:studies_job_changelist"


@pytest.fixture
def job(people):
    made = ask_for_job(
        people.study, JobKind.REPORT, ReportView.POOLED, {}, actor=people.study_director, at=NOON
    )
    made.step, made.message = "Drawing growth curves (1 of 9)", "No mice in canarywing."
    made.save()
    return made


def test_a_job_shows_with_its_step_to_staff_of_its_study_and_to_administrators(client, job, people):
    director = join(make_user("director", is_staff=True), people.study, Role.STUDY_DIRECTOR)
    stranger = make_user("stranger", is_staff=True)
    for person, sees in (
        (director, True),
        (people.superuser, True),
        (stranger, False),
        (people.technician, False),
    ):
        client.force_login(person)
        answer = client.get(reverse(LIST))
        assert (answer.status_code == 200 and "Drawing growth curves" in answer.content.decode()) == sees, (
            person
        )


def test_nobody_changes_removes_or_reads_the_message_of_a_job(client, job, people):
    administrator = make_user("administrator", is_staff=True, is_superuser=True)
    client.force_login(join(administrator, people.study, Role.ADMINISTRATOR))
    page = client.get(reverse("admin:studies_job_change", args=[job.pk]))
    assert page.status_code == 200 and "canarywing" not in page.content.decode()
    assert (
        client.post(reverse("admin:studies_job_change", args=[job.pk]), {"state": "done"}).status_code == 403
    )
    assert client.get(reverse("admin:studies_job_add")).status_code == 403
    assert client.post(reverse("admin:studies_job_delete", args=[job.pk]), {"post": "yes"}).status_code == 403
