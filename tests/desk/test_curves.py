import pytest

from studies.desk.curves import curves_document, weight_change_percent
from studies.models import Agent, ArmAgent, Exit, WelfareLimits
from studies.terms import ArmRole, BiomarkerStatus, StudyState
from tests.factories import make_arm, make_measurement, make_mouse, make_pdx_model, make_session


@pytest.fixture
def two_mice(study, people):
    vehicle, drug = make_arm(study), make_arm(study, "drug", ArmRole.SINGLE_AGENT)
    model = make_pdx_model("BR-101", BiomarkerStatus.LOSS_OF_FUNCTION)
    first = make_mouse(study, "M1", vehicle, pdx_model=model)
    make_mouse(study, "M2", drug, pdx_model=model)
    make_measurement(make_session(study, 7), first, length_mm=12.0, width_mm=10.0, weight_g=19.8)
    make_measurement(make_session(study, 0), first, length_mm=10.0, width_mm=8.0, weight_g=22.0)
    return study


def test_a_mouse_comes_with_its_volumes_and_weight_change_in_order_of_days(two_mice, people):
    mouse = curves_document(two_mice, people.study_director)["mice"][0]
    assert mouse["days"] == [0, 7]
    assert mouse["volumes_mm3"] == [320, 600]  # L x W² / 2
    assert mouse["weight_change_percent"] == [0, -10]


def test_a_blinded_study_gives_no_arm_to_anyone(two_mice, people):
    for name, person in people.everyone().items():
        document = curves_document(two_mice, person)
        assert document["arms"] == [], name
        assert all(mouse["arm"] is None for mouse in document["mice"]), name


def test_a_technician_of_a_blinded_study_gets_no_biomarker(two_mice, people):
    statuses = {
        name: {mouse["status"] for mouse in curves_document(two_mice, person)["mice"]}
        for name, person in (("technician", people.technician), ("director", people.study_director))
    }
    assert statuses == {"technician": {None}, "director": {"loss_of_function"}}


def test_an_unblinded_study_names_arms_with_the_colors_of_their_roles(two_mice, people):
    two_mice.state = StudyState.UNBLINDED
    document = curves_document(two_mice, people.study_director)
    assert [(arm["name"], arm["role"]) for arm in document["arms"]] == [
        ("vehicle", "vehicle"),
        ("drug", "single_agent"),
    ]
    assert document["arms"][0]["color"] != document["arms"][1]["color"]
    assert [mouse["arm"] for mouse in document["mice"]] == ["vehicle", "drug"]


def test_the_limits_that_hold_are_those_of_the_last_version(two_mice, people):
    WelfareLimits.objects.create(study=two_mice, version=1, reason="protocol")
    WelfareLimits.objects.create(study=two_mice, version=2, volume_cap_mm3=1500, reason="amendment")
    assert curves_document(two_mice, people.study_director)["cap_mm3"] == 1500


def test_weight_changes_from_the_last_weight_up_to_day_0():
    assert weight_change_percent([-3, 0, 7], [18.0, 20.0, 25.0]) == [-10, 0, 25]
    assert weight_change_percent([3, 7], [20.0, 19.0]) == [0, -5]  # never weighed before dosing
    assert weight_change_percent([0, 3, 7], [20.0, None, 18.0]) == [0, None, -10]
    assert weight_change_percent([0, 3], [None, None]) is None


def test_the_status_beside_a_curve_is_that_of_the_study_s_own_gene(two_mice, people):
    two_mice.biomarker = "KRAS"  # nothing is known of it, whatever MAP2K4 says
    statuses = {mouse["status"] for mouse in curves_document(two_mice, people.study_director)["mice"]}
    assert statuses == {"unknown"}


def test_dosing_goes_from_the_first_day_of_any_arm_to_the_last_and_tells_no_arm(two_mice, people):
    assert curves_document(two_mice, people.technician)["dosing_days"] is None
    agent = Agent.objects.create(name="binimetinib")
    for arm, first, last in zip(two_mice.arms.order_by("name"), (3, 0), (20, 10), strict=True):
        ArmAgent.objects.create(arm=arm, agent=agent, first_day=first, last_day=last)
    assert curves_document(two_mice, people.technician)["dosing_days"] == [0, 20]


def test_a_mouse_that_left_tells_when_and_why_and_has_no_forecast(two_mice, people):
    WelfareLimits.objects.create(study=two_mice, volume_cap_mm3=1500, reason="protocol")
    first = two_mice.mice.get(label="M1")
    staying = curves_document(two_mice, people.study_director)["mice"][0]
    assert (staying["exit_day"], staying["exit_reason"]) == (None, None)
    Exit.objects.create(mouse=first, reason="body_weight", day=7)
    gone, other = curves_document(two_mice, people.study_director)["mice"]
    assert (gone["exit_day"], gone["exit_reason"], gone["cap_day"]) == (7, "body weight", None)
    assert other["exit_reason"] is None
