"""From the record to tables: what each row tells, and what is left out for whom."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from studies.access import OPERATOR
from studies.frames import Reading, growth_curves, measurement_table, pooled_table, readings, visit_volume_mm3
from studies.models import (
    Allocation,
    Cage,
    Cohort,
    Exit,
    GenotypeCall,
    MeasurementSession,
    Passage,
    Study,
    Tumor,
)
from studies.terms import ArmRole
from tests.factories import (
    lock_by_letters,
    make_arm,
    make_measurement,
    make_mouse,
    make_pdx_model,
    make_session,
    make_study,
)

DAY0 = date(2026, 6, 1)
SIZES = {"length_mm": 10.0, "width_mm": 8.0, "weight_g": 22.0}
SCIENCE = ("technician", "study_director", "statistician", "quality_assurance", "veterinarian")
OTHERS = ("doser", "allocation_custodian", "administrator", "report_reader", "outsider", "superuser")
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def two_arms(study):
    """Three mice measured on day 0: one of each arm, told of in full, and one never allocated."""
    wild, lost = make_pdx_model("BR-1", "wild_type", cancer_type="breast"), make_pdx_model("BR-2")
    GenotypeCall.objects.create(pdx_model=lost, functional_class="loss_of_function")
    GenotypeCall.objects.create(pdx_model=lost, gene="KRAS", variant="G12C", functional_class="uncertain")
    GenotypeCall.objects.create(pdx_model=wild, gene="KRAS", functional_class="wild_type")
    vehicle, drug = make_arm(study), make_arm(study, "drug", ArmRole.SINGLE_AGENT)
    cage = Cage.objects.create(study=study, code="C1")
    mice = [
        make_mouse(study, "M1", pdx_model=wild, cage=cage, source_study="S1"),
        make_mouse(study, "M2", pdx_model=lost),
        make_mouse(study, "M3", pdx_model=lost),
    ]
    Allocation.objects.create(mouse=mice[0], arm=vehicle, block="block 1")
    Allocation.objects.create(mouse=mice[1], arm=drug)
    Exit.objects.create(mouse=mice[1], reason="tumor_size", day=21, treatment_related="no")
    first, second = (Passage.objects.create(pdx_model=wild, number=number) for number in (0, 5))
    mice[0].tumors.update(passage=first)
    Tumor.objects.create(mouse=mice[0], number=2, passage=second)
    session = make_session(study, 0)
    for mouse in mice:
        make_measurement(session, mouse, observer_name="JD")
    return study


def put(study: Study, **change) -> Study:
    for name, value in change.items():
        setattr(study, name, value)
    return study


def told(table) -> list[dict[str, Any]]:
    return table.to_dict("records")


FIRST = {
    "study": "PDX-TEST-01", "source_study": "S1", "pdx_model": "BR-1", "map2k4_status": "wild_type",
    "arm": "vehicle", "role": "vehicle", "mouse": "M1", "block": "block 1", "cage": "C1", "passage": "0",
    "exit_reason": "", "treatment_related": "", "tumor_type": "breast", "KRAS": "wild_type", "day": 0.0,
    "status": "measured", "volume_mm3": None, **SIZES, "operator": "JD",
}  # fmt: skip
SECOND = FIRST | {
    "source_study": "", "pdx_model": "BR-2", "map2k4_status": "loss_of_function", "arm": "drug",
    "role": "single_agent", "mouse": "M2", "block": "", "cage": "", "passage": "", "exit_reason": "tumor_size",
    "treatment_related": "no", "tumor_type": "", "KRAS": "G12C",
}  # fmt: skip
FREE_OF_ARMS = (
    "study", "source_study", "pdx_model", "mouse", "cage", "passage", "exit_reason", "treatment_related",
    "tumor_type", "day", "status", "volume_mm3", *SIZES, "operator",
)  # fmt: skip


def test_a_row_tells_all_of_an_allocated_mouse_where_arms_are_open(two_arms):
    assert told(measurement_table(put(two_arms, is_blinded=False), OPERATOR)) == [FIRST, SECOND]


def test_nobody_gets_a_table_by_arm_of_a_blinded_study(two_arms, people):
    for viewer in (OPERATOR, *people.everyone().values()):
        with pytest.raises(PermissionError, match="arms of study PDX-TEST-01 are not open"):
            measurement_table(two_arms, viewer)


def test_by_letters_a_table_has_neither_role_nor_block(two_arms, people):
    rows = told(measurement_table(lock_by_letters(two_arms, NOON), people.statistician))
    assert {row.pop("arm") for row in rows} == {"A", "B"}
    without = {"arm", "role", "block"}
    assert rows == [
        {name: value for name, value in row.items() if name not in without} for row in (FIRST, SECOND)
    ]
    for name, viewer in people.everyone().items():
        if name != "statistician":
            with pytest.raises(PermissionError):
                measurement_table(two_arms, viewer)


def test_the_pooled_table_of_a_blinded_study_knows_one_arm_and_no_status(two_arms, people):
    pooled = [{name: row[name] for name in FREE_OF_ARMS} | {"arm": "all mice"} for row in (FIRST, SECOND)]
    for name in SCIENCE:
        assert told(pooled_table(two_arms, people.everyone()[name])) == pooled, name
    assert told(pooled_table(put(two_arms, is_blinded=False), OPERATOR)) == pooled
    for name in OTHERS:
        with pytest.raises(PermissionError, match="readings of study PDX-TEST-01 are not open"):
            pooled_table(two_arms, people.everyone()[name])


def test_a_gene_of_the_study_s_own_has_its_status_beside_map2k4_s(two_arms):
    table = measurement_table(put(two_arms, is_blinded=False, biomarker="KRAS"), OPERATOR)
    assert list(table["KRAS_status"]) == ["wild_type", "uncertain"]
    assert list(table["map2k4_status"]) == ["wild_type", "loss_of_function"]
    assert list(table["KRAS"]) == ["wild_type", "G12C"]
    again = measurement_table(put(two_arms, biomarker="MAP2K4"), OPERATOR)
    assert "MAP2K4_status" not in again and "KRAS_status" not in again


def test_an_arm_without_a_role_is_a_treated_one_where_another_is_the_control(study):
    put(study, is_blinded=False)
    vehicle, drug = make_arm(study), make_arm(study, "drug", role="")
    mice = [make_mouse(study, "M1", vehicle), make_mouse(study, "M2", drug)]
    session = make_session(study)
    for mouse in mice:
        make_measurement(session, mouse)
    assert list(measurement_table(study, OPERATOR)["role"]) == ["vehicle", "treated"]
    other = make_study("PDX-OTHER-09", is_blinded=False)
    make_measurement(make_session(other), make_mouse(other, "M1", make_arm(other, "drug", role="")))
    assert "role" not in measurement_table(other, OPERATOR)


def test_tumors_and_replicates_are_told_where_there_are_several(two_arms):
    put(two_arms, is_blinded=False)
    mouse, session = two_arms.mice.get(label="M1"), two_arms.sessions.get()
    make_measurement(session, mouse, replicate=2, observer_name="JD")
    table = measurement_table(two_arms, OPERATOR)
    assert list(table["replicate"]) == ["1", "2", "1"] and "tumor" not in table
    make_measurement(session, mouse, tumor_number=2, length_mm=20.0, observer_name="JD")
    assert list(measurement_table(two_arms, OPERATOR)["tumor"]) == ["1", "1", "2", "1"]
    index = measurement_table(put(two_arms, tumor_rule="index"), OPERATOR)
    assert "tumor" not in index and index["length_mm"].max() == 10


def test_a_column_of_which_nothing_is_known_is_left_out(two_arms):
    make_measurement(
        two_arms.sessions.get(), two_arms.mice.get(label="M2"), replicate=2, length_mm=None, width_mm=None,
        weight_g=None, reported_volume_mm3=200.0, volume_method="reported",
    )  # fmt: skip
    table = measurement_table(put(two_arms, is_blinded=False), OPERATOR)
    assert "height_mm" not in table and list(table["volume_mm3"].fillna(0)) == [0, 0, 200]
    make_measurement(two_arms.sessions.get(), two_arms.mice.get(label="M1"), replicate=2, height_mm=6.0)
    table = measurement_table(two_arms, OPERATOR)
    assert list(table["height_mm"].fillna(0)) == [0, 6, 0, 0]
    assert measurement_table(make_study("PDX-OTHER-09", is_blinded=False), OPERATOR).empty


@pytest.fixture
def dated(db):
    """A mouse at New York, whose day 0 is 1 June, and one without a day 0, before the session due on 8 June."""
    study = make_study(is_blinded=False, time_zone="America/New_York")
    cohort = Cohort.objects.create(study=study, name="first", day0=DAY0)
    for label, of in (("M1", cohort), ("M2", None)):
        make_mouse(study, label, make_arm(study, f"arm of {label}"), cohort=of)
    MeasurementSession.objects.create(study=study, due_on=date(2026, 6, 8))
    return study


@pytest.mark.parametrize(
    ("observed_at", "day"),
    [
        (None, 7),  # the date it was due
        (datetime(2026, 6, 9, 12, tzinfo=UTC), 8),  # late
        (datetime(2026, 6, 9, 3, tzinfo=UTC), 7),  # late in the evening at the study's place
    ],
)
def test_a_day_counts_from_the_mouse_s_own_day_0_at_the_study_s_place(dated, observed_at, day):
    for mouse in dated.mice.all():
        make_measurement(dated.sessions.get(), mouse, observed_at=observed_at)
    assert [reading.day for reading in readings(dated)] == [day, None]
    assert list(measurement_table(dated, OPERATOR)["mouse"]) == ["M1"]  # no day 0, no day
    assert [curve.days for curve in growth_curves(dated, OPERATOR)] == [[day], []]


def test_whoever_measured_is_named_as_the_file_did_or_by_account(two_arms, people):
    session = make_session(two_arms, 3)
    mice = two_arms.mice.order_by("label")
    for mouse, name, account in zip(mice, ("JD", "", ""), (people.doser, people.doser, None), strict=True):
        make_measurement(session, mouse, observer_name=name, observer=account)
    assert [reading.operator for reading in readings(two_arms) if reading.day == 3] == ["JD", "a_doser", ""]


def test_curves_are_for_those_who_may_see_readings(two_arms, people):
    everyone = people.everyone()
    assert {name for name in everyone if growth_curves(two_arms, everyone[name])} == set(SCIENCE)
    assert {len(growth_curves(two_arms, everyone[name])) for name in SCIENCE} == {3}


def arms_of(study, viewer) -> list[tuple[str | None, str | None]]:
    return [(curve.arm, curve.role) for curve in growth_curves(study, viewer)]


def test_a_curve_tells_its_arm_where_the_viewer_may_know_it(two_arms, people):
    unknown = [(None, None)] * 3
    for name in SCIENCE:
        assert arms_of(two_arms, people.everyone()[name]) == unknown, name
    lock_by_letters(two_arms, NOON)
    for name in set(SCIENCE) - {"statistician"}:
        assert arms_of(two_arms, people.everyone()[name]) == unknown, name
    *letters, never_allocated = arms_of(two_arms, people.statistician)
    assert sorted(letters) == [("A", ""), ("B", "")] and never_allocated == (None, None)
    opened = [("vehicle", "vehicle"), ("drug", "single_agent"), (None, None)]
    assert arms_of(put(two_arms, is_blinded=False), people.technician) == opened


def test_a_curve_tells_the_status_where_the_viewer_may_know_it(two_arms, people):
    def statuses(person) -> list[str | None]:
        return [curve.map2k4_status for curve in growth_curves(two_arms, person)]

    known = ["wild_type", "loss_of_function", "loss_of_function"]
    assert statuses(people.technician) == [None] * 3
    assert statuses(people.veterinarian) == statuses(people.study_director) == known
    put(two_arms, is_blinded=False)
    assert statuses(people.technician) == known


def test_a_curve_holds_each_visit_and_the_day_and_reason_of_the_exit(dated):
    mouse, other = dated.mice.order_by("label")
    Exit.objects.create(mouse=mouse, reason="tumor_size", exited_at=datetime(2026, 6, 15, 3, tzinfo=UTC))
    Exit.objects.create(mouse=other, reason="found_dead", day=12)
    late, early = dated.sessions.get(), make_session(dated, 2)
    make_measurement(early, mouse, weight_g=None)
    make_measurement(early, mouse, replicate=2, length_mm=12.0, weight_g=21.0)
    make_measurement(late, mouse, status="not_done", length_mm=None, width_mm=None, weight_g=None)
    curve, without_day0 = growth_curves(dated, OPERATOR)
    visits = zip(curve.days, curve.volumes_mm3, curve.weights_g, strict=True)
    assert sorted(visits) == [(2, 11 * 8 * 8 / 2, 21), (7, None, None)]  # the mean of 10 and 12 mm, by 8 mm
    assert (curve.label, curve.pdx_model) == ("M1", "BR-101")
    assert (curve.exit_day, curve.exit_reason) == (13, "tumor_size")  # 14 June in New York
    assert (without_day0.exit_day, without_day0.exit_reason) == (12, "found_dead")


def a_reading(length=None, width=None, height=None, **told) -> Reading:
    facts = {"mouse_id": 1, "day": 7.0, "tumor_number": 1, "replicate": 1, "status": "measured",
             "reported_volume_mm3": None, "weight_g": None, "operator": ""}  # fmt: skip
    return Reading(**{**facts, **told}, length_mm=length, width_mm=width, height_mm=height)


NOT_PALPABLE = a_reading(status="not_palpable")
NOT_DONE = a_reading(status="not_done")


@pytest.mark.parametrize(
    ("visit", "volume"),
    [
        ([a_reading(10, 8)], 320),
        ([a_reading(8, 10)], 320),  # the longer one is the length
        ([a_reading(10, 8), a_reading(6, 14)], 12 * 7 * 7 / 2),  # means of lengths and of widths
        ([a_reading(10, 8), a_reading(4, 6, tumor_number=2)], 320 + 48),
        ([a_reading(10, 8), NOT_DONE], 320),
        ([NOT_PALPABLE], 0),
        ([a_reading(10, 8), NOT_PALPABLE], 0),
        ([NOT_DONE], None),
        (
            [a_reading(10, 8), a_reading(status="not_done", tumor_number=2)],
            None,
        ),  # a sum of half of it is none
        ([a_reading(reported_volume_mm3=100), a_reading(reported_volume_mm3=140)], 120),
        ([a_reading(10, 8, reported_volume_mm3=300), NOT_DONE], 300),
    ],
)
def test_the_volume_of_a_visit(visit, volume):
    assert visit_volume_mm3(visit, Study()) == volume


def test_the_index_tumor_alone_where_the_study_says_so():
    study, second = Study(tumor_rule="index"), a_reading(4, 6, tumor_number=2)
    assert visit_volume_mm3([a_reading(10, 8), second], study) == 320
    assert visit_volume_mm3([second], study) is None


def test_a_formula_with_a_height_needs_every_height():
    study = Study(volume_formula="half_lwh")
    assert visit_volume_mm3([a_reading(10, 8, 6), a_reading(10, 8, 4)], study) == 10 * 8 * 5 / 2
    assert visit_volume_mm3([a_reading(10, 8, 6), a_reading(10, 8)], study) is None
    assert visit_volume_mm3([a_reading(10, 8, 6), NOT_DONE], study) == 240
    assert visit_volume_mm3([a_reading(10, 8, 6)], Study()) == 320  # another formula ignores it
