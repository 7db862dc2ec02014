"""The doser's day: doses from today's weight, what became of them, and that nobody else learns of them."""

from datetime import date, timedelta

import pytest

from studies.actions.audit import allocation_chain, broken_link
from studies.actions.dosing import DoseRefused, due_doses, record_dose, who_dosed_and_measured
from studies.actions.formulations import FormulationRefused, record_formulation
from studies.models import (
    Agent,
    AgentLot,
    ArmAgent,
    AuditEvent,
    Cohort,
    Dose,
    Exit,
    Formulation,
    MeasurementSession,
    Study,
    SyringeCode,
)
from studies.terms import ArmRole, DoseOutcome, Role, StudyState
from tests.factories import make_arm, make_measurement, make_mouse
from tests.people import People
from tests.record import NOON

pytestmark = pytest.mark.django_db
TODAY = NOON.date()
GIVEN, PARTIAL, OMITTED = DoseOutcome.GIVEN, DoseOutcome.PARTIAL, DoseOutcome.OMITTED


@pytest.fixture
def dosed(study: Study, people: People) -> Study:
    """Day 3 of two blinded arms, a vehicle and 30 mg/kg at 3 mg/mL; all weighed today, one mouse 10 days ago too."""
    cohort = Cohort.objects.create(study=study, name="A", day0=TODAY - timedelta(days=3))
    vehicle, wing = make_arm(study), make_arm(study, "canarywing", ArmRole.SINGLE_AGENT)
    agents = [Agent.objects.create(name=name) for name in ("saline", "canaryagent")]
    ArmAgent.objects.create(arm=vehicle, agent=agents[0], volume_ml_per_kg=10, route="oral", frequency="qd")
    ArmAgent.objects.create(
        arm=wing, agent=agents[1], dose_mg_per_kg=30, volume_ml_per_kg=10, route="oral", frequency="qd"
    )
    for arm, code in ((vehicle, "K7M"), (wing, "R3D")):
        SyringeCode.objects.create(study=study, arm=arm, code=code)
    baseline = MeasurementSession.objects.create(
        study=study, due_on=TODAY - timedelta(days=4), is_baseline=True
    )
    now = MeasurementSession.objects.create(study=study, due_on=TODAY)
    for label, arm in (("M001", vehicle), ("M002", wing)):
        mouse = make_mouse(study, label, arm, cohort=cohort)
        for session in (baseline, now):
            make_measurement(session, mouse, weight_g=22.0, observer=people.technician)
    return study


def make_formulation(study: Study, agent: str = "canaryagent", **fields) -> Formulation:
    lot, _ = AgentLot.objects.get_or_create(
        agent=Agent.objects.get(name=agent),
        code="L1",
        defaults={"expires_on": fields.pop("lot_expires_on", TODAY)},
    )
    told = {"code": f"F{Formulation.objects.count() + 1}", "concentration_mg_per_ml": 3.0, "made_on": TODAY}
    return Formulation.objects.create(study=study, lot=lot, **{**told, "expires_on": TODAY, **fields})


def lines(study: Study, people: People):
    return {line.mouse: line for line in due_doses(study, people.doser, NOON)}


def record(study, people, mouse="M002", outcome=GIVEN, **told) -> Dose:
    key = lines(study, people)[mouse].key
    return record_dose(study, key, outcome, actor=people.doser, at=NOON, **told)


def test_mg_per_kg_becomes_mg_becomes_ml_by_todays_weight(dosed, people):
    make_formulation(
        dosed, concentration_mg_per_ml=6.0
    )  # the concentration made decides, not the one planned
    found = lines(dosed, people)
    assert found["M002"].amount.ml == pytest.approx(30 * 0.022 / 6.0) and found[
        "M002"
    ].amount.mg == pytest.approx(0.66)
    assert found["M001"].amount.ml == pytest.approx(0.22) and found["M001"].amount.mg is None
    assert {line.syringe for line in found.values()} == {"K7M", "R3D"}


def test_the_formulation_of_the_wanted_concentration_is_taken(dosed, people):
    make_formulation(dosed)
    make_formulation(dosed, concentration_mg_per_ml=1.0)  # of the same agent, for another arm's dose
    assert lines(dosed, people)["M002"].amount.ml == pytest.approx(0.22)


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"expires_on": TODAY}, ""),
        (
            {"made_on": TODAY - timedelta(days=9), "expires_on": TODAY - timedelta(days=1)},
            "expired on 31 May 2026",
        ),
        ({"lot_expires_on": TODAY - timedelta(days=1)}, "expired on 31 May 2026"),
        ({"concentration_mg_per_ml": 2.0, "max_volume_ml_per_kg": 15}, ""),
        (
            {"concentration_mg_per_ml": 2.0, "max_volume_ml_per_kg": 14.9},
            "15 mL/kg is above the maximum of 14.9",
        ),
    ],
)
def test_expiry_and_maximum_volume_refuse_without_naming_the_agent(dosed, people, fields, refusal):
    make_formulation(dosed, **fields)
    line = lines(dosed, people)["M002"]
    assert refusal in line.refusal and bool(line.refusal) == bool(refusal)
    assert "canary" not in line.refusal
    if refusal:
        with pytest.raises(DoseRefused, match="no dose can be given"):
            record(dosed, people)
        assert record(dosed, people, outcome=OMITTED, reason="nothing usable").given_ml == 0


def test_without_todays_weight_nothing_is_given(dosed, people):
    mouse = make_mouse(dosed, "M003", dosed.arms.get(name="canarywing"), cohort=Cohort.objects.get())
    make_measurement(dosed.sessions.get(is_baseline=True), mouse, weight_g=22.0)
    assert lines(dosed, people)["M003"].refusal == "it was not weighed today"
    with pytest.raises(DoseRefused, match="not weighed today"):
        record(dosed, people, "M003")
    assert not Dose.objects.exists()


def test_a_loss_at_the_warning_limit_is_a_holiday(dosed, people):
    now = dosed.sessions.get(due_on=TODAY)
    for label, weight in (("M001", 18.7), ("M002", 18.71)):  # 15.0 % and 14.95 %
        mouse = dosed.mice.get(label=label)
        make_measurement(now, mouse, revision=2, weight_g=weight, reason="misread")
    found = lines(dosed, people)
    assert (found["M001"].holiday, found["M002"].holiday) == ("weight loss 15 %", "")
    with pytest.raises(DoseRefused, match="holiday"):
        record(dosed, people, "M001")
    assert record(dosed, people, "M001", OMITTED, reason="holiday by rule").outcome == OMITTED


@pytest.mark.parametrize(
    ("outcome", "told", "why"),
    [
        (PARTIAL, {"given_ml": 0.1}, "say why"),
        (OMITTED, {}, "say why"),
        (PARTIAL, {"given_ml": 0.22, "reason": "spilled"}, "above 0 and below 0.220"),
        (PARTIAL, {"given_ml": 0.0, "reason": "spilled"}, "above 0"),
        (PARTIAL, {"reason": "spilled"}, "above 0"),
        ("thrown", {"reason": "spilled"}, "say given"),
    ],
)
def test_a_dose_not_given_in_full_says_why_and_how_much(dosed, people, outcome, told, why):
    with pytest.raises(DoseRefused, match=why):
        record(dosed, people, outcome=outcome, **told)
    assert not Dose.objects.exists()


def test_doses_stand_in_the_allocation_chain_with_their_syringe_and_are_corrected_by_revision(dosed, people):
    record(dosed, people)
    with pytest.raises(DoseRefused, match="on record"):
        record(dosed, people)
    record(dosed, people, outcome=PARTIAL, given_ml=0.1, reason="spat out")
    assert [(one.revision, one.syringe, one.outcome) for one in Dose.objects.all()] == [
        (1, "R3D", "given"), (2, "R3D", "partial"),
    ]  # fmt: skip
    assert Dose.objects.current().get().given_ml == 0.1
    events = AuditEvent.objects.filter(object_type="dose")
    assert {event.chain for event in events} == {allocation_chain(dosed)} and len(events) == 2
    assert broken_link(allocation_chain(dosed)) is None


def test_only_what_is_due_is_listed(dosed, people):
    Exit.objects.create(mouse=dosed.mice.get(label="M001"), reason="tumor_size", day=2)
    ArmAgent.objects.filter(arm__name="canarywing").update(frequency="bid")
    assert [(line.mouse, line.occasion) for line in due_doses(dosed, people.doser, NOON)] == [
        ("M002", 1),
        ("M002", 2),
    ]
    ArmAgent.objects.filter(arm__name="canarywing").update(last_day=2)
    assert due_doses(dosed, people.doser, NOON) == []
    with pytest.raises(DoseRefused, match="not due"):
        record_dose(dosed, (dosed.mice.get(label="M002").pk, 1, 1), GIVEN, actor=people.doser, at=NOON)


def test_nobody_but_a_doser_reads_or_records(dosed, people):
    key = lines(dosed, people)["M002"].key
    for role in set(Role) - {Role.DOSER}:
        with pytest.raises(PermissionError):
            due_doses(dosed, people.by_role[role], NOON)
        with pytest.raises(PermissionError):
            record_dose(dosed, key, GIVEN, actor=people.by_role[role], at=NOON)
    Study.objects.update(state=StudyState.DATA_LOCKED)
    with pytest.raises(DoseRefused, match="data locked"):
        record_dose(dosed, key, GIVEN, actor=people.doser, at=NOON)
    assert not Dose.objects.exists()


def test_who_dosed_and_measured_is_told(dosed, people):
    record(dosed, people)
    assert who_dosed_and_measured(dosed) == []
    mouse = dosed.mice.get(label="M001")
    make_measurement(MeasurementSession.objects.get(due_on=TODAY), mouse, replicate=2, observer=people.doser)
    (both,) = who_dosed_and_measured(dosed)
    assert (both.person, both.doses, both.readings) == (str(people.doser), 1, 1)


LOT = {"code": "L9", "expires_on": date(2027, 1, 1)}
MADE = {
    "code": "F9", "concentration_mg_per_ml": 3.0, "vehicle": "", "made_on": TODAY, "expires_on": TODAY,
    "max_volume_ml_per_kg": 10.0,
}  # fmt: skip


def test_a_formulation_is_recorded_by_who_prepares_it(dosed, people):
    agent = Agent.objects.get(name="canaryagent")
    made = record_formulation(dosed, MADE, {"agent": agent, **LOT}, actor=people.doser, at=NOON)
    assert AuditEvent.objects.get(object_type="formulation").chain == allocation_chain(dosed)
    other = Agent.objects.create(name="of no arm")
    for told, lot, actor, why in (
        (MADE, {"agent": agent, **LOT}, people.doser, "exists|already"),
        ({**MADE, "code": "F10"}, {"agent": agent, **LOT, "expires_on": TODAY}, people.doser, "expiring on"),
        ({**MADE, "code": "F10"}, {"agent": other, **LOT}, people.doser, "no arm"),
        (
            {**MADE, "code": "F10", "made_on": date(2027, 1, 1)},
            {"agent": agent, **LOT},
            people.doser,
            "before",
        ),
        ({**MADE, "code": "F10"}, {"agent": agent, **LOT}, people.study_director, "role"),
    ):
        with pytest.raises(FormulationRefused, match=why):
            record_formulation(dosed, told, lot, actor=actor, at=NOON)
    assert list(Formulation.objects.all()) == [made]


@pytest.fixture
def at_noon(monkeypatch):
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOON)


def test_the_page_is_the_dosers_and_shows_no_arm_no_mg_and_no_size_while_blinded(
    client, dosed, people, at_noon
):
    make_formulation(dosed)
    for name, person in people.everyone().items():
        client.force_login(person)
        assert client.get("/entry/doses/").status_code == (200 if name == "doser" else 403), name
        asked = client.get(f"/entry/studies/{dosed.pk}/formulations/").status_code
        assert asked == (200 if name == "doser" else 403), name
    client.force_login(people.doser)
    shown = client.get("/entry/doses/").content.decode()
    assert "R3D" in shown and "0.22 mL" in shown
    assert "canary" not in shown and "0.66" not in shown and "mm³" not in shown
    told = dict(zip(("mouse", "number", "occasion"), lines(dosed, people)["M002"].key, strict=True))
    assert client.post("/entry/doses/", {**told, "outcome": "given"}).status_code == 302
    assert client.post("/entry/doses/", {**told, "outcome": "given"}).status_code == 422
    elsewhere = make_mouse(Study.objects.get(code="PDX-OTHER-01"), "X1")
    assert (
        client.post("/entry/doses/", {**told, "mouse": elsewhere.pk, "outcome": "given"}).status_code == 404
    )
    assert Dose.objects.count() == 1


def test_an_open_study_shows_arm_and_mg_to_its_doser(client, study, people, at_noon):
    Study.objects.filter(pk=study.pk).update(is_blinded=False)
    arm = make_arm(study, "wing", ArmRole.SINGLE_AGENT)
    ArmAgent.objects.create(
        arm=arm, agent=Agent.objects.create(name="x"), dose_mg_per_kg=30, volume_ml_per_kg=10
    )
    cohort = Cohort.objects.create(study=study, name="A", day0=TODAY)
    mouse = make_mouse(study, "M001", arm, cohort=cohort)
    make_measurement(MeasurementSession.objects.create(study=study, due_on=TODAY), mouse, weight_g=22)
    client.force_login(people.doser)
    shown = client.get("/entry/doses/").content.decode()
    assert "wing: x 30 mg/kg" in shown and "0.660 mg" in shown


def test_the_weight_beside_a_dose_is_todays_or_none(dosed, people):
    late = make_mouse(dosed, "M003", dosed.arms.get(name="canarywing"), cohort=dosed.cohorts.get())
    make_measurement(dosed.sessions.get(is_baseline=True), late, weight_g=21.0)
    make_formulation(dosed)
    due = lines(dosed, people)
    assert (due["M002"].weight_g, due["M002"].refusal) == (22.0, "")
    assert (due["M003"].weight_g, due["M003"].refusal) == (None, "it was not weighed today")
