"""What a table of measurements is read as, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from studies.analysis import AnalysisError, normalize_table, pool_studies, study_names
from tests.analysis.builders import curve, together


def table(**columns: list) -> pd.DataFrame:
    return pd.DataFrame({"arm": "V", "mouse": ["1", "2"], "day": 0, "volume_mm3": [100.0, 120.0], **columns})


def one(frame: pd.DataFrame, **kwargs: str) -> pd.Series:
    normalized = normalize_table(frame, **kwargs).frame
    assert len(normalized) == 1
    return normalized.iloc[0]


def test_reads_headers_as_people_write_them():
    frame = pd.DataFrame(
        {"Model": ["P1"], "Animal ID": ["7"], "Group": ["V"], "Study Day": [0], "Tumour Volume (mm³)": [150]}
    )
    row = one(frame)
    assert (row["pdx_model"], row["mouse_id"], row["arm"], row["day"], row["volume_mm3"]) == (
        "P1",
        "7",
        "V",
        0,
        150,
    )


def test_treatment_names_the_arm_where_arm_only_says_control_or_treated():
    frame = table(arm=["control", "treated"], treatment=["Saline", "binimetinib"])
    normalized = normalize_table(frame)
    assert set(zip(normalized.frame["arm"], normalized.frame["role"], strict=True)) == {
        ("Saline", "vehicle"),
        ("binimetinib", "treated"),
    }
    assert any("treatment names the arm" in note for note in normalized.notes)


def test_a_treatment_marked_both_control_and_treated_is_refused():
    with pytest.raises(AnalysisError, match="both control and treated"):
        normalize_table(table(arm=["control", "treated"], treatment=["X", "X"]))


@pytest.mark.parametrize("name", ["None", "NA", "nan", "null"])
def test_an_arm_may_be_called_what_pandas_takes_for_missing(name):
    assert set(normalize_table(table(arm=[name, "drug"])).frame["arm"]) == {name, "drug"}


def test_an_arm_that_is_missing_is_refused_with_its_row():
    with pytest.raises(AnalysisError, match="row 2, arm") as refusal:
        normalize_table(table(arm=["V", np.nan]))
    assert refusal.value.defects[0].row == 2


def test_a_mouse_is_its_study_model_arm_and_id():
    frame = pd.DataFrame(
        {
            "study": "S",
            "model": ["P1", "P1", "P2", "P2"],
            "arm": ["V", "T", "V", "T"],
            "mouse": "1",
            "day": 0,
            "volume_mm3": 1.0,
        }
    )
    normalized = normalize_table(frame).frame
    assert sorted(normalized["mouse"]) == ["P1/T/1", "P1/V/1", "P2/T/1", "P2/V/1"]
    assert set(normalized["mouse_id"]) == {"1"}


def test_ids_that_are_told_apart_stay_as_they_are():
    assert sorted(normalize_table(table(mouse=[7.0, 8.0])).frame["mouse"]) == ["7", "8"]


def test_pooling_keeps_the_file_s_study_and_tells_its_mice_apart():
    frame = pd.DataFrame({"study": ["A", "B"], "arm": "V", "mouse": "1", "day": 0, "volume_mm3": 1.0})
    pooled = normalize_table(pool_studies(frame, "POOL")).frame
    assert list(pooled["study"]) == ["POOL", "POOL"]
    assert sorted(pooled["source_study"]) == ["A", "B"]
    assert sorted(pooled["mouse"]) == ["A/1", "B/1"]


def test_volume_comes_from_the_lengths_longer_first():
    row = one(
        pd.DataFrame({"arm": ["V"], "mouse": ["1"], "day": [0], "length_mm": [6.0], "width_mm": [10.0]})
    )
    assert row["volume_mm3"] == 10 * 6 * 6 / 2


def test_the_study_s_formula_is_used():
    frame = pd.DataFrame(
        {"arm": ["V"], "mouse": ["1"], "day": [0], "length_mm": [10.0], "width_mm": [6.0], "height_mm": [5.0]}
    )
    assert one(frame, volume_formula="half_lwh")["volume_mm3"] == pytest.approx(150)


def test_a_formula_that_needs_a_height_refuses_a_table_without_one():
    frame = pd.DataFrame({"arm": ["V"], "mouse": ["1"], "day": [0], "length_mm": [10.0], "width_mm": [6.0]})
    with pytest.raises(AnalysisError, match="height_mm"):
        normalize_table(frame, volume_formula="half_lwh")


def test_a_volume_given_wins_over_lengths_and_a_disagreement_is_told():
    frame = pd.DataFrame(
        {"arm": "V", "mouse": ["1"], "day": 0, "length_mm": 10.0, "width_mm": 6.0, "volume_mm3": 250.0}
    )
    normalized = normalize_table(frame)
    assert normalized.frame["volume_mm3"][0] == 250
    assert any("differ by more than 5 %" in note for note in normalized.notes)


def test_replicates_are_averaged_as_lengths_not_as_volumes():
    frame = pd.DataFrame(
        {
            "arm": "V",
            "mouse": "1",
            "day": 0,
            "replicate": [1, 2],
            "length_mm": [10.0, 5.0],
            "width_mm": [4.0, 12.0],
        }
    )
    assert one(frame)["volume_mm3"] == pytest.approx(11 * 4.5**2 / 2)


def test_several_tumors_are_summed_and_one_not_palpable_adds_nothing():
    frame = pd.DataFrame(
        {
            "arm": "V",
            "mouse": "1",
            "day": [0, 0, 7, 7],
            "tumor": ["L", "R"] * 2,
            "volume_mm3": [100.0, 50, 80, np.nan],
            "status": ["measured", "measured", "measured", "not_palpable"],
        }
    )
    assert list(normalize_table(frame).frame["volume_mm3"]) == [150, 80]


@pytest.mark.parametrize("rows", [3, 4])
def test_a_tumor_not_measured_makes_the_sum_missing(rows):
    """Whether its row is absent (3 rows) or empty (4 rows)."""
    frame = pd.DataFrame(
        {
            "arm": "V",
            "mouse": "1",
            "day": [0, 0, 7, 7],
            "tumor": ["L", "R"] * 2,
            "volume_mm3": [100.0, 50, 80, np.nan],
        }
    )
    volumes = normalize_table(frame[:rows]).frame["volume_mm3"]
    assert volumes[0] == 150
    assert np.isnan(volumes[1])


def test_a_tumor_adds_nothing_before_it_was_first_seen():
    frame = pd.DataFrame(
        {"arm": "V", "mouse": "1", "day": [0, 7, 7], "tumor": ["L", "L", "R"], "volume_mm3": [10.0, 20, 5]}
    )
    assert list(normalize_table(frame).frame["volume_mm3"]) == [10, 25]


def test_a_volume_of_zero_is_a_tumor_not_palpable_and_an_empty_one_is_kept_as_unknown():
    normalized = normalize_table(table(volume_mm3=[0.0, np.nan])).frame
    assert list(normalized["status"]) == ["not_palpable", "not_done"]
    assert normalized["volume_mm3"][0] == 0
    assert np.isnan(normalized["volume_mm3"][1])


def test_an_excluded_reading_is_set_aside():
    normalized = normalize_table(table(status=["excluded", "measured"]))
    assert np.isnan(normalized.frame["volume_mm3"][0])
    assert any("excluded" in note for note in normalized.notes)


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("lof", "loss_of_function"),
        ("KO", "loss_of_function"),
        ("WT", "wild_type"),
        ("wild-type", "wild_type"),
        ("VUS", "uncertain"),
        ("", "unknown"),
        ("NA", "unknown"),
    ],
)
def test_map2k4_words(word, status):
    assert set(normalize_table(table(MAP2K4=word)).frame["map2k4_status"]) == {status}


def test_a_word_that_does_not_prove_loss_of_function_is_noted():
    normalized = normalize_table(table(map2k4_status="altered"))
    assert set(normalized.frame["map2k4_status"]) == {"loss_of_function"}
    assert any("altered" in note for note in normalized.notes)


def test_one_row_tells_the_status_of_the_whole_model():
    frame = table(pdx_model="P1", map2k4_status=["lof", ""])
    assert set(normalize_table(frame).frame["map2k4_status"]) == {"loss_of_function"}


def test_other_genes_travel_along():
    assert list(normalize_table(table(KRAS=["G12D", "WT"])).frame["KRAS"]) == ["G12D", "WT"]


def test_an_exit_told_on_one_row_holds_for_the_mouse():
    frame = curve("1", "V", {0: 100, 7: 200}).assign(exit_reason=["", "tumor size"])
    assert set(normalize_table(frame).frame["exit_reason"]) == {"tumor_size"}


def test_negative_days_are_kept_and_rows_come_sorted():
    frame = together(curve("10", "V", {7: 2, -3: 1}), curve("2", "V", {0: 3}))
    normalized = normalize_table(frame).frame
    assert list(normalized["mouse"]) == ["2", "10", "10"]
    assert list(normalized["day"]) == [0, -3, 7]


def test_row_order_does_not_matter():
    frame = together(*(curve(str(i), arm, {0: 100 + i, 7: 150 + i}) for i, arm in enumerate("VVTT")))
    shuffled = frame.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(normalize_table(frame).frame, normalize_table(shuffled).frame)


def test_normalizing_twice_changes_nothing():
    once = normalize_table(together(curve("1", "V", {0: 100, 7: 0}), curve("2", "T", {0: 100})))
    pd.testing.assert_frame_equal(once.frame, normalize_table(once).frame)


def test_weights_that_cannot_be_are_left_out_and_told():
    normalized = normalize_table(table(weight_g=[-0.1, 22.0]))
    assert np.isnan(normalized.frame["weight_g"][0])
    assert normalized.dropped[0]["rows"] == 1


def test_volumes_in_cubic_centimeters_are_converted():
    assert list(normalize_table(table(unit="cm3")).frame["volume_mm3"]) == [100_000, 120_000]


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"volume_mm3": [-5.0, 1.0]}, "row 1, volume_mm3.*negative"),
        ({"volume_mm3": ["12", "1,234"]}, 'row 2, volume_mm3 "1,234": is not a number'),
        ({"volume_mm3": ["12", "inf"]}, "row 2, volume_mm3.*finite"),
        ({"day": [0, None]}, "row 2, day.*missing"),
        ({"mouse": ["1", " "]}, "row 2, mouse.*missing"),
        ({"mouse": ["1", "1"]}, "row 2, mouse and day.*already has a reading"),
        ({"status": ["measured", "eaten"]}, 'row 2, status "eaten"'),
        ({"status": ["not_palpable", "measured"]}, "row 1, volume_mm3.*contradicts"),
        ({"exit_reason": ["", "bored"]}, 'row 2, exit_reason "bored"'),
        ({"map2k4_status": ["wt", "perhaps"]}, 'row 2, map2k4_status "perhaps"'),
        ({"pdx_model": "P1", "map2k4_status": ["wt", "lof"]}, "P1.*two different statuses"),
    ],
)
def test_refusals_name_row_column_and_value(columns, reason):
    with pytest.raises(AnalysisError, match=reason):
        normalize_table(table(**columns))


def test_every_defect_is_told_not_only_the_first():
    with pytest.raises(AnalysisError) as refusal:
        normalize_table(table(volume_mm3=["x", "y"], status=["eaten", "measured"]))
    assert len(refusal.value.defects) == 3


def test_missing_columns_are_named():
    with pytest.raises(AnalysisError, match="lacks arm, volume_mm3"):
        normalize_table(pd.DataFrame({"mouse": ["1"], "day": [0]}))


def test_an_empty_table_is_refused():
    with pytest.raises(AnalysisError, match="no rows"):
        normalize_table(table()[:0])


def test_two_columns_of_one_meaning_are_refused():
    with pytest.raises(AnalysisError, match="all mean mouse"):
        normalize_table(
            pd.DataFrame({"arm": ["V"], "animal": ["1"], "subject": ["2"], "day": [0], "volume_mm3": [1.0]})
        )


def test_an_unknown_formula_is_refused_with_those_there_are():
    with pytest.raises(AnalysisError, match='volume formula "sphere" is not one of .*half_lw2'):
        normalize_table(table(), "sphere")


def test_a_second_column_of_one_meaning_is_told_and_not_read():
    normalized = normalize_table(table(volume=[7.0, 8.0]))
    assert list(normalized.frame["volume_mm3"]) == [100.0, 120.0]
    assert normalized.notes == (
        'column "volume" was not read as volume_mm3, since a column of that name is there',
    )


def test_the_treatment_is_the_arm_where_there_is_no_other():
    normalized = normalize_table(table().rename(columns={"arm": "treatment"})).frame
    assert list(normalized["arm"]) == ["V", "V"]


def test_an_unknown_role_is_refused_with_those_there_are():
    with pytest.raises(
        AnalysisError, match='row 2, role "bystander": is not one of vehicle.*control, treated'
    ):
        normalize_table(table(role=["control", "bystander"]))
    assert list(normalize_table(table(role=["control", "treated"])).frame["role"]) == ["vehicle", "treated"]


def test_volumes_in_mm3_or_without_a_unit_stand_and_other_units_are_told():
    normalized = normalize_table(table(unit=["mm3", ""]))
    assert list(normalized.frame["volume_mm3"]) == [100.0, 120.0]
    assert normalized.notes == ()
    told = normalize_table(table(unit=["pixels", "ml"]))
    assert list(told.frame["volume_mm3"]) == [100.0, 120_000.0]
    assert told.notes == (
        'volumes are in "pixels" and stand as given: limits in mm3 do not apply to them',
        "volumes in ml were multiplied by 1000 to mm3",
    )


def test_a_mouse_with_two_exit_reasons_is_refused_by_name():
    with pytest.raises(AnalysisError, match='exit_reason "7": has two different values for one mouse'):
        normalize_table(table(mouse=["7", "7"], day=[0, 7], exit_reason=["found_dead", "tumor_size"]))


def test_a_truth_value_is_no_number():
    with pytest.raises(
        AnalysisError, match='row 1, weight_g "True": is not a number; row 2, weight_g "False"'
    ):
        normalize_table(table(weight_g=[True, False]))


def test_one_tumor_a_mouse_is_not_summed():
    normalized = normalize_table(table(tumor=["left", "right"]))
    assert list(normalized.frame["volume_mm3"]) == [100.0, 120.0]
    assert normalized.notes == ()


@pytest.mark.parametrize("height", [0.0, -1.0])
def test_a_height_beside_a_volume_must_be_above_0(height):
    with pytest.raises(AnalysisError, match=rf'row 2, height_mm "{height}": is not above 0'):
        normalize_table(table(height_mm=[5.0, height]))


def test_lengths_are_no_volume_by_a_formula_that_needs_a_height():
    """The volumes given stand; nothing is computed from two of three lengths."""
    given = table(volume_mm3=[100.0, None], length_mm=[7.0, 8.0], width_mm=[5.0, 6.0])
    normalized = normalize_table(given, "pi6_lwh").frame
    assert normalized["volume_mm3"].iloc[0] == 100
    assert np.isnan(normalized["volume_mm3"].iloc[1])


def test_a_row_marked_measured_without_a_volume_is_not_done_and_told():
    normalized = normalize_table(table(volume_mm3=[100.0, None], status="measured"))
    assert list(normalized.frame["status"]) == ["measured", "not_done"]
    assert normalized.notes == ("1 row marked measured but without a volume, counted as not done",)


def test_a_table_without_a_column_of_studies_holds_one_not_recorded():
    assert study_names(table()) == ["not recorded"]
    assert study_names(table(study=["A", ""])) == ["A", "not recorded"]


def test_tumors_too_small_count_as_0_and_it_is_said():
    normalized = normalize_table(table(volume_mm3=[100.0, None], status=["", "too_small"]))
    assert list(normalized.frame["volume_mm3"]) == [100.0, 0.0]
    assert normalized.notes == ("1 tumor too small to measure, taken as 0 mm3, below the limit of detection",)


def test_volumes_that_differ_by_up_to_five_percent_from_their_lengths_are_not_told():
    def notes(volume: float | None, other: float | None = 180.0, length: float = 10.0) -> tuple[str, ...]:
        lengths = {"length_mm": [length, 10.0], "width_mm": [6.0 * length / 10, 6.0]}
        return normalize_table(table(volume_mm3=[volume, other], **lengths)).notes

    assert notes(171.1) == notes(188.9) == notes(171.1, None) == ()
    told = "volumes given differ by more than 5 % from "
    assert notes(170.9)[0].startswith(f"1 of 2 {told}")
    assert notes(189.1, None)[0].startswith(f"1 of 1 {told}")
    assert notes(0.2, length=1.0)[0].startswith(f"1 of 2 {told}"), "of small tumors, too"


def test_lengths_of_0_and_0_are_a_tumor_that_cannot_be_felt_and_one_0_alone_is_none():
    lengths = table(length_mm=[0.0, 6.0], width_mm=[0.0, 5.0]).drop(columns="volume_mm3")
    normalized = normalize_table(lengths).frame
    assert list(normalized["volume_mm3"]) == [0.0, 75.0]
    assert list(normalized["status"]) == ["not_palpable", "measured"]
    for length, width, name in ((6.0, 0.0, "width_mm"), (0.0, 6.0, "length_mm"), (-1.0, 6.0, "length_mm")):
        wrong = table(length_mm=[length, 6.0], width_mm=[width, 5.0]).drop(columns="volume_mm3")
        with pytest.raises(AnalysisError, match=f"row 1, {name} .*: is not above 0"):
            normalize_table(wrong)


def test_a_tumor_not_palpable_is_not_told_as_too_small():
    normalized = normalize_table(table(volume_mm3=[None, None], status=["not_palpable", "too_small"]))
    assert normalized.notes[0].startswith("1 tumor too small to measure")


def test_an_impossible_length_is_refused_before_replicates_are_averaged():
    """The mean of -1 and 11 mm is a length; the row, the column and the value named are those of the table."""
    twice = {"mouse": "1", "replicate": [1, 2], "length_mm": [11.0, 9.0], "width_mm": [7.0, -1.0]}
    with pytest.raises(AnalysisError, match='row 2, width_mm "-1.0": is not above 0'):
        normalize_table(table(**twice).drop(columns="volume_mm3"))


def test_of_many_defects_three_are_shown_and_the_rest_counted():
    def message(*volumes: str) -> str:
        many = pd.DataFrame(
            {"mouse": list("abcde")[: len(volumes)], "arm": "V", "day": 0, "volume_mm3": volumes}
        )
        with pytest.raises(AnalysisError) as refusal:
            normalize_table(many)
        return str(refusal.value)

    assert [part.partition(",")[0] for part in message("x", "x", "x").split("; ")] == [
        "row 1",
        "row 2",
        "row 3",
    ]
    shown = message("x", "x", "x", "x").split("; ")
    assert [part.partition(",")[0] for part in shown] == ["row 1", "row 2", "row 3", "and 1 more"]


def test_days_that_cannot_be_read_are_not_told_as_one_day_twice():
    with pytest.raises(AnalysisError) as refusal:
        normalize_table(table(mouse="1", day=["first", "second"]))
    assert [defect.column for defect in refusal.value.defects] == ["day", "day"]


@pytest.mark.parametrize("name", ["length_mm", "width_mm"])
def test_one_length_of_0_beside_a_volume_is_refused_where_there_is_no_other(name):
    with pytest.raises(AnalysisError, match=f'row 1, {name} "0.0": is not above 0'):
        normalize_table(table(volume_mm3=[90.0, 100.0], **{name: [0.0, 6.0]}))
    taken = normalize_table(table(volume_mm3=[90.0, 100.0], **{name: [5.0, 6.0]})).frame
    assert list(taken["volume_mm3"]) == [90, 100]
