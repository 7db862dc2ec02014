import re

import pytest
from django.utils import timezone

from studies import access
from studies.desk.standing import standings
from studies.desk.study_page import _counts, steps
from studies.models import Agent, ArmAgent, Exclusion, Exit, ImportBatch
from studies.terms import ArmRole, BiomarkerStatus, Role, StudyState
from tests.factories import make_arm, make_measurement, make_mouse, make_pdx_model, make_session

SEES_SCIENCE = {
    Role.TECHNICIAN,
    Role.STUDY_DIRECTOR,
    Role.STATISTICIAN,
    Role.QUALITY_ASSURANCE,
    Role.VETERINARIAN,
}


@pytest.fixture
def measured(study):
    arm = make_arm(study)
    mouse = make_mouse(study, "M001", arm, pdx_model=make_pdx_model("BR-101", BiomarkerStatus.WILD_TYPE))
    make_measurement(make_session(study), mouse)
    return study


def page(client, person, study) -> str:
    client.force_login(person)
    return client.get(f"/studies/{study.code}/").content.decode()


@pytest.mark.parametrize(
    "path", ["/", "/studies/", "/studies/PDX-TEST-01/", "/studies/PDX-TEST-01/curves.json"]
)
def test_nobody_gets_in_without_signing_in(client, study, path):
    assert client.get(path).url.startswith("/accounts/login/")


def test_each_role_opens_its_own_study_and_readings_only_where_they_are_part_of_it(client, measured, people):
    for role, person in people.by_role.items():
        content = page(client, person, measured)
        assert ("charts" in content) == (role in SEES_SCIENCE), role
        assert ("not part of your role" in content) == (role not in SEES_SCIENCE), role
        mice = client.get(f"/studies/{measured.code}/curves.json").json()["mice"]
        assert bool(mice) == (role in SEES_SCIENCE), role


@pytest.mark.parametrize("suffix", ["", "curves.json"])
def test_another_study_is_not_found_rather_than_forbidden(client, measured, people, suffix):
    for person in (people.outsider, people.superuser):
        client.force_login(person)
        response = client.get(f"/studies/{measured.code}/{suffix}")
        assert response.status_code == 404
        missing = client.get(f"/studies/NO-SUCH-STUDY/{suffix}")
        assert strip(response) == strip(missing)  # nothing tells the two apart


def test_an_ended_membership_closes_the_door(client, measured, people):
    measured.memberships.filter(user=people.statistician).update(is_active=False)
    client.force_login(people.statistician)
    assert client.get(f"/studies/{measured.code}/").status_code == 404


def test_what_nobody_recorded_is_shown_as_not_recorded(client, measured, people):
    assert page(client, people.study_director, measured).count("not recorded") >= 3


def test_a_technician_of_a_blinded_study_sees_no_biomarker_status(client, measured, people):
    assert "wild type" not in page(client, people.technician, measured)
    assert "wild type" in page(client, people.study_director, measured)


def test_arms_and_doses_show_once_the_study_is_unblinded(client, measured, people):
    arm = make_arm(measured, "drug A", ArmRole.SINGLE_AGENT)
    agent = Agent.objects.create(name="binimetinib")
    ArmAgent.objects.create(arm=arm, agent=agent, dose_mg_per_kg=30, route="oral", first_day=0, last_day=21)
    assert "drug A" not in page(client, people.study_director, measured)
    measured.state = StudyState.UNBLINDED
    measured.save()
    assert "binimetinib 30 mg/kg, oral, days 0 to 21" in page(client, people.study_director, measured)


def test_an_import_is_shown_with_its_hash_and_what_was_assumed(client, measured, people):
    ImportBatch.objects.create(
        study=measured,
        file_name="growth.csv",
        file_sha256="ab" * 32,
        row_count=412,
        rows_sha256="cd" * 32,
        assumptions=["Volume 0 was read as not palpable."],
        imported_at=timezone.now(),
    )
    content = page(client, people.study_director, measured)
    assert "growth.csv" in content and "ab" * 32 in content
    assert "Volume 0 was read as not palpable." in content


def test_a_code_from_a_file_may_hold_a_slash(client, people, measured):
    measured.code = "LAB/2019 series"
    measured.save()
    client.force_login(people.study_director)
    link = 'href="/studies/LAB/2019%20series/"'
    assert link in client.get("/studies/").content.decode()
    assert client.get("/studies/LAB/2019 series/").status_code == 200
    assert client.get("/studies/LAB/2019 series/curves.json").json()["mice"]


def test_home_greets_everyone_with_their_studies(client, measured, people):
    for person in people.by_role.values():
        client.force_login(person)
        assert measured.code in client.get("/").content.decode()
    client.force_login(people.superuser)
    assert measured.code not in client.get("/").content.decode()


def strip(response) -> str:
    """The page without the token that differs on every rendering."""
    return re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", response.content.decode())


@pytest.mark.parametrize(
    ("state", "words", "told"),
    [
        (StudyState.DRAFT, "Finish setting the study up", {Role.STUDY_DIRECTOR}),
        (StudyState.DATA_LOCKED, "The data are locked: unblind the study", {Role.STUDY_DIRECTOR}),
        (StudyState.UNBLINDED, "Build or open the report", access.REPORT_BUILDERS),
    ],
)
def test_what_waits_is_told_to_those_who_do_it(measured, state, words, told):
    measured.state = state
    measured.save()
    [standing] = standings([measured], timezone.now())
    assert {
        role for role in Role if words in [step.words for step in steps(standing, frozenset({role}))]
    } == set(told)
    assert all(len(steps(standing, frozenset({role}))) <= 1 for role in Role)


def test_mice_that_left_and_mice_left_out_are_counted_apart(measured):
    out = make_mouse(measured, "M002")
    make_mouse(measured, "M003")
    Exit.objects.create(mouse=measured.mice.get(label="M001"), reason="found_dead", day=3)
    Exclusion.objects.create(mouse=out, reason="too small", excluded_at=timezone.now())
    assert _counts(measured) == {"mice": 3, "exits": 1, "excluded": 1, "readings": 1}
