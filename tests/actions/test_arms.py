"""The arms of a draft: what keeps them from standing side by side, and what is written."""

from dataclasses import replace

import pytest
from django.utils import timezone

from studies.actions.arms import ArmDraft, Given, arm_defects, set_arms
from studies.actions.set_up import By, SetUpRefused
from studies.models import Agent, AuditEvent, Study
from studies.terms import ArmRole, StudyState
from tests.factories import make_arm, make_mouse, make_study

MEK = Given("binimetinib", 10, "oral", frequency="bid", first_day=0, last_day=20)
HRX = Given("HRX-0233", 30, "oral", frequency="qd")
VEHICLE = ArmDraft("Vehicle", ArmRole.VEHICLE)
MEK_ARM = ArmDraft("MEK", ArmRole.SINGLE_AGENT, 8, (MEK,), control="Vehicle")
BOTH = ArmDraft("Both", ArmRole.COMBINATION, 8, (MEK, HRX), control="Vehicle")


def defects(*arms: ArmDraft) -> list[str]:
    return list(arm_defects(arms))


@pytest.mark.parametrize(
    ("arms", "told"),
    [
        ([VEHICLE, MEK_ARM, BOTH], []),
        ([VEHICLE, replace(VEHICLE, name=" vehicle ", given=(replace(HRX, dose_mg_per_kg=None),))],
         ['The arms "Vehicle" and " vehicle " have one name.']),
        ([VEHICLE, MEK_ARM, replace(MEK_ARM, name="Again")],
         ['The arms "MEK" and "Again" overlap: both give the same.']),
        ([VEHICLE, BOTH, replace(BOTH, name="Turned", given=(HRX, MEK))],
         ['The arms "Both" and "Turned" overlap: both give the same.']),
        ([VEHICLE, MEK_ARM, replace(MEK_ARM, name="Later", given=(replace(MEK, first_day=7),))], []),
        ([VEHICLE, replace(VEHICLE, name="Nothing", role=ArmRole.OTHER_CONTROL)],
         ["The arms Vehicle and Nothing overlap: both are controls that are given nothing."]),
        ([MEK_ARM], ['Arm "MEK" is compared with "Vehicle", which is no other arm of this study.']),
        ([replace(VEHICLE, control="Vehicle")],
         ['Arm "Vehicle" is compared with "Vehicle", which is no other arm of this study.']),
        ([VEHICLE, replace(BOTH, given=(MEK, HRX, replace(MEK, agent="Binimetinib")))],
         ['Arm "Both" gives Binimetinib twice.']),
        ([VEHICLE, replace(MEK_ARM, given=(replace(MEK, dose_mg_per_kg=None),))],
         ['Arm "MEK" gives binimetinib without a dose; write it as 10 mg/kg.']),
        ([replace(VEHICLE, given=(Given("carrier"),))], []),
        ([VEHICLE, replace(MEK_ARM, given=(replace(MEK, first_day=20),))], []),
        ([VEHICLE, replace(MEK_ARM, given=(replace(MEK, first_day=21),))],
         ['Arm "MEK" gives binimetinib from day 21 to day 20.']),
        ([VEHICLE, replace(MEK_ARM, given=(replace(MEK, first_day=None, last_day=-1),))], []),
        ([VEHICLE, replace(BOTH, given=(MEK,))], ['Arm "Both" is a combination of fewer than two agents.']),
        ([VEHICLE, replace(MEK_ARM, given=(MEK, HRX))],
         ['Arm "MEK" is called single agent and gives 2 agents.']),
    ],
)  # fmt: skip
def test_arms_that_cannot_stand_side_by_side_are_named(arms, told):
    assert defects(*arms) == told


@pytest.fixture
def by(db, people) -> By:
    return By(people.study_director, timezone.now())


@pytest.fixture
def draft(db) -> Study:
    return make_study("PDX-DRAFT-01", state=StudyState.DRAFT)


def test_arms_are_written_in_order_with_what_each_is_compared_with(draft, by):
    Agent.objects.create(name="Binimetinib")
    stored = set_arms(draft, [VEHICLE, MEK_ARM, BOTH], by)
    rows = draft.arms.select_related("control").order_by("position")
    assert [(row.name, row.control and row.control.name, row.planned_mice) for row in rows] == [
        ("Vehicle", None, None),
        ("MEK", "Vehicle", 8),
        ("Both", "Vehicle", 8),
    ]
    assert list(
        stored[2].arm_agents.order_by("pk").values_list("agent__name", "dose_mg_per_kg", "last_day")
    ) == [
        ("Binimetinib", 10, 20),
        ("HRX-0233", 30, None),
    ]


def test_arms_change_names_among_themselves_and_the_one_left_out_goes(draft, by):
    one, two, three = set_arms(draft, [VEHICLE, MEK_ARM, BOTH], by)
    set_arms(draft, [replace(MEK_ARM, name="Both", key=two.pk), replace(VEHICLE, key=one.pk)], by)
    assert list(draft.arms.order_by("position").values_list("pk", "name")) == [
        (two.pk, "Both"),
        (one.pk, "Vehicle"),
    ]
    assert not draft.arms.filter(pk=three.pk).exists()


def test_only_a_change_is_an_event_and_it_tells_old_and_new(draft, by):
    one, two = set_arms(draft, [VEHICLE, MEK_ARM], by)
    same = [replace(VEHICLE, key=one.pk), replace(MEK_ARM, key=two.pk)]
    events = AuditEvent.objects.filter(action="set the arms")
    assert events.count() == 1
    set_arms(draft, same, by)
    assert events.count() == 1
    set_arms(draft, [same[0], replace(same[1], planned_mice=9)], by)
    event = events.latest("pk")
    assert [row["planned_mice"] for row in event.old["arms"]] == [None, 8]
    assert [row["planned_mice"] for row in event.new["arms"]] == [None, 9]


def test_arms_that_hold_mice_do_not_change(draft, by):
    make_mouse(draft, "M1", make_arm(draft))
    with pytest.raises(SetUpRefused, match="Mice are allocated to these arms already"):
        set_arms(draft, [VEHICLE], by)
    assert draft.arms.count() == 1
