"""What a study's page tells of it, and whom it tells of arms and of the biomarker."""

import pytest

from studies.desk.study_facts import ArmLine, arm_lines, facts, pdx_model_lines
from studies.models import Agent, ArmAgent
from studies.terms import ArmRole, BiomarkerStatus, StudyState
from tests.factories import make_arm, make_mouse, make_pdx_model

pytestmark = pytest.mark.django_db
KNOW_ARMS = {"technician", "study_director", "statistician", "quality_assurance", "veterinarian"}
KNOW_STATUS = {
    "study_director", "statistician", "quality_assurance", "veterinarian", "allocation_custodian", "administrator",
}  # fmt: skip
DOSES = [
    ({"dose_mg_per_kg": 30, "route": "oral", "frequency": "bid", "first_day": 0, "last_day": 21},
     "drug 0 30 mg/kg, oral, twice daily (BID), days 0 to 21"),
    ({"frequency": "day_list", "dosing_days": [0, 7], "first_day": 0, "last_day": 7},
     "drug 1, on listed study days, days 0, 7"),
    ({"first_day": 3}, "drug 2"),
    ({"last_day": 9}, "drug 3"),
]  # fmt: skip


@pytest.fixture
def arms(study) -> list:
    vehicle = make_arm(study)
    other = make_arm(study, "isotype", ArmRole.OTHER_CONTROL)
    drug = make_arm(study, "drug", ArmRole.SINGLE_AGENT)
    drug.control = vehicle
    drug.save()
    for number, (given, _) in enumerate(DOSES):
        ArmAgent.objects.create(arm=drug, agent=Agent.objects.create(name=f"drug {number}"), **given)
    return [vehicle, other, drug]


LINES = [
    ArmLine("vehicle", ArmRole.VEHICLE.label, [], "", is_control=True),
    ArmLine("isotype", ArmRole.OTHER_CONTROL.label, [], "", is_control=True),
    ArmLine("drug", ArmRole.SINGLE_AGENT.label, [told for _, told in DOSES], "vehicle", is_control=False),
]


def test_nobody_reads_the_arms_of_a_running_blinded_study(study, people, arms):
    assert {name for name, user in people.everyone().items() if arm_lines(study, user)} == set()


def test_a_director_reads_the_arms_of_a_draft(study, people, arms):
    type(study).objects.update(state=StudyState.DRAFT)
    assert arm_lines(study, people.study_director) == LINES
    assert {name for name, user in people.everyone().items() if arm_lines(study, user)} == {"study_director"}


def test_once_open_the_arms_are_read_by_those_who_work_with_them(study, people, arms):
    type(study).objects.update(is_blinded=False)
    for name, user in people.everyone().items():
        assert arm_lines(study, user) == (LINES if name in KNOW_ARMS else []), name


def test_the_status_of_the_study_s_gene_shows_to_whom_it_may(study, people):
    for code, status in (("BR-2", "wild_type"), ("BR-1", "loss_of_function")):
        make_mouse(study, code, pdx_model=make_pdx_model(code, status, cancer_type="breast"))
    make_mouse(study, "M3", pdx_model=make_pdx_model("BR-2"))
    make_pdx_model("BR-3")
    known = [BiomarkerStatus.LOSS_OF_FUNCTION, BiomarkerStatus.WILD_TYPE]
    for name, user in people.everyone().items():
        lines = pdx_model_lines(study, user)
        assert [(line.code, line.cancer_type, line.mice) for line in lines] == [
            ("BR-1", "breast", 1), ("BR-2", "breast", 2),
        ], name  # fmt: skip
        sees = name in KNOW_STATUS
        assert [line.status for line in lines] == (known if sees else [None, None]), name
        assert [line.status_label for line in lines] == ([one.label for one in known] if sees else ["", ""])
    study.biomarker = "KRAS"
    lines = pdx_model_lines(study, people.study_director)
    assert {line.status for line in lines} == {BiomarkerStatus.UNKNOWN}


def test_the_protocol_is_told_in_the_field_s_words(study):
    study.schedule_days = [0, 3.5]
    told = dict(facts(study))
    assert told["Weight to enroll"] == "17 g or more" and told["Enrollment window"] == "100 to 200 mm³"
    assert told["Measurement days"] == "0, 3.5" and told["Limit of detection"] == "13.5 mm³"
    study.enrollment_min_weight_g = None
    assert dict(facts(study))["Weight to enroll"] == "any"
