"""Many studies side by side: each gets the very numbers `analyze_study` gives it, whatever it holds."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from studies.analysis import AnalysisError, analyze_study, many_studies
from studies.analysis.biomarker import biomarker_section
from studies.analysis.growth_models import fit_primary, growth_data
from studies.analysis.inference import contrast_rows
from studies.analysis.many_studies import BLISS, CONTRAST, INTERACTION, analyze_many, days_by_rule
from studies.analysis.plan import Plan, resolve_plan
from studies.analysis.simulation_design import ArmTruth, Design, Limits, PdxModelTruth, Variation
from studies.analysis.simulation_many import ModelSpread, simulate_many
from studies.analysis.synergy import synergy_rows
from studies.analysis.tables import normalize_table

ASKED = {"control": "Vehicle", "dosing": [0, 21]}
ARMS = (ArmTruth("Vehicle", "vehicle"), ArmTruth("A"), ArmTruth("B"), ArmTruth("A+B", "combination"))
SLOPES = {"Vehicle": 0.1, "A": 0.09, "B": 0.05, "A+B": 0.02}
READ = Variation(log_reading_sd=0.15, caliper_sd_mm=0, missed_visit=0.05, found_dead=0.01)


def one_model(mice: int = 3, variation: Variation = READ, **fields) -> Design:
    limits = Limits(volume_cap_mm3=1200)
    return Design(
        (PdxModelTruth("P", "wild_type", SLOPES),), ARMS, mice, variation=variation, limits=limits, **fields
    )


def program(mice: int = 2) -> Design:
    models = tuple(
        PdxModelTruth(f"{status}{n}", status, SLOPES)
        for status in ("wild_type", "loss_of_function") for n in range(3)
    )  # fmt: skip
    return Design(models, ARMS[:2], mice, variation=READ, limits=Limits(volume_cap_mm3=1200))


def alone(frame: pd.DataFrame, study: int) -> dict:
    """One study by the product's own functions; what it refuses has no rows."""
    part = frame[frame["study"] == study].drop(columns="cage").assign(study="S")
    table = normalize_table(part)
    plan = resolve_plan(table, ASKED)
    notes: list[str] = []
    try:
        fit = fit_primary(growth_data(table.frame, plan), plan)
    except AnalysisError as error:
        return {"refused": str(error), "day": plan["day"]}
    scope = {"scope": "study", "pdx_model": None, "map2k4_status": None}
    contrasts = contrast_rows(fit, plan, scope)
    section = biomarker_section(table.frame, plan, fit, contrasts, notes, [])
    return {
        "refused": "", "day": plan["day"], "singular": fit.fit.at_boundary, "contrasts": contrasts,
        "synergy": synergy_rows(fit, plan, contrasts, notes), "interaction": section["interaction"],
    }  # fmt: skip


def plan_of(frame: pd.DataFrame) -> Plan:
    part = frame[frame["study"] == 0].drop(columns="cage").assign(study="S")
    return resolve_plan(normalize_table(part), ASKED)


def agree(mine: pd.Series, row: dict, names: tuple[str, ...] = ("estimate", "se", "df", "p_value")) -> None:
    for name in (*names, "ci_low", "ci_high"):
        assert mine[name] == pytest.approx(row[name], rel=2e-6, abs=1e-6), name


def check_one_model(frame: pd.DataFrame, studies: int) -> list[bool]:
    """Each study against itself alone; which of them were refused."""
    plan, days = plan_of(frame), days_by_rule(frame, plan_of(frame))
    found = analyze_many(frame, plan)
    for study in range(studies):
        result = alone(frame, study)
        assert days[study] == pytest.approx(
            result["day"] if result["day"] is not None else np.nan, nan_ok=True
        )
        assert (study in found.refused) == bool(result["refused"])
        if result["refused"]:
            continue
        assert found.singular[study] == result["singular"]
        for row in result["contrasts"]:
            if row["family"] == "F1":
                mine = found.of(CONTRAST, row["arm"]).loc[study]
                agree(mine, row)
                if np.isnan(mine["p_adjusted"]):
                    assert row["p_adjusted"] >= plan["alpha"]
                else:
                    assert mine["p_adjusted"] == pytest.approx(row["p_adjusted"], abs=1e-6)
        for row in result["synergy"]:
            if row["null"] == "bliss":
                agree(found.of(BLISS, "A+B").loc[study], row)
    return [study in found.refused for study in range(studies)]


def test_each_study_gets_the_numbers_it_gets_alone():
    assert not any(check_one_model(simulate_many(one_model(), 5, np.random.default_rng(1)), 5))


def test_analyze_study_prints_them():
    frame = simulate_many(one_model(), 1, np.random.default_rng(8))
    printed = analyze_study(frame.drop(columns="cage").assign(study="S"), ASKED).to_dict()
    found = analyze_many(frame, plan_of(frame))
    for row in printed["mixed_model"]["contrasts"]:
        if row["family"] == "F1":
            agree(found.of(CONTRAST, row["arm"]).loc[0], row)


def test_degenerate_studies_get_them_too():
    """Equal mice (variance 0), a tumor below detection, an arm down to one mouse, a control that is gone."""
    still = replace(READ, mouse_slope_sd=0.0)
    frame = simulate_many(one_model(variation=still), 6, np.random.default_rng(3))
    frame.loc[(frame["study"] == 1) & (frame["arm"] == "A+B") & (frame["day"] == 21), "volume_mm3"] = 9.0
    lost = frame[(frame["study"] == 2) & (frame["arm"] == "B")]["mouse"].unique()[1:]
    gone = frame[(frame["study"] == 3) & (frame["arm"] == "Vehicle")]["mouse"].unique()[1:]
    early = frame["mouse"].isin([*lost, *gone]) & (frame["day"] > 0)
    refused = check_one_model(frame[~early].reset_index(drop=True), 5)
    assert refused == [False, False, False, True, False]


@pytest.mark.parametrize(("mice", "effect_sd"), [(2, 0.03), (2, 0.0), (1, 0.02)])
def test_the_interaction_of_each_program_is_the_one_it_gets_alone(mice, effect_sd):
    """Tau of 0 makes most fits singular; one mouse an arm leaves a random term out."""
    spread = ModelSpread(0.15, 0.015, effect_sd)
    frame = simulate_many(program(mice), 3, np.random.default_rng(5), spread)
    found = analyze_many(frame, plan_of(frame))
    for study in range(3):
        result = alone(frame, study)
        [row] = result["interaction"]
        agree(found.of(INTERACTION, "A").loc[study], row)
        [contrast] = result["contrasts"]
        agree(found.of(CONTRAST, "A").loc[study], contrast)
    assert (found.effects["df"] <= 4 + 1e-9).all()


def test_studies_drawn_together_differ_and_come_again_from_the_same_seed():
    spread = ModelSpread(0.15, 0.015, 0.025)
    first, again = (simulate_many(program(), 3, np.random.default_rng(2), spread) for _ in range(2))
    pd.testing.assert_frame_equal(first, again)
    means = first[first["day"] == 7].groupby("study")["volume_mm3"].mean()
    assert means.nunique() == 3


def test_models_differ_by_as_much_as_is_asked():
    exact = replace(
        READ, mouse_slope_sd=0, log_reading_sd=0, log_enrollment_sd=0, missed_visit=0, found_dead=0
    )
    design = replace(
        program(1), variation=exact, limits=Limits((1e-9, 1e12), volume_cap_mm3=1e12, diameter_cap_mm=1e12)
    )
    frame = simulate_many(design, 400, np.random.default_rng(7), ModelSpread(0.2, 0.015, 0.025))
    log_volume = np.log(frame["volume_mm3"]).groupby([frame["pdx_model"], frame["arm"], frame["day"]]).mean()
    wide = log_volume.unstack()
    growth = (wide[21] - wide[0]).unstack() / 21
    effect = growth["A"] - growth["Vehicle"]
    assert effect.std() == pytest.approx(0.025, rel=0.08)
    assert effect.mean() == pytest.approx(-0.01, abs=0.003)
    assert growth["Vehicle"].std() == pytest.approx((0.015**2 + 0.025**2 / 2) ** 0.5, rel=0.08)
    assert wide[-1].std() == pytest.approx(0.2, rel=0.08)


def test_when_no_study_can_be_analyzed_the_reason_is_told():
    frame = simulate_many(one_model(), 2, np.random.default_rng(1))
    with pytest.raises(AnalysisError, match="no simulated study could be analyzed: the control"):
        analyze_many(frame[(frame["arm"] != "Vehicle") | (frame["day"] <= 0)], plan_of(frame))


def test_several_arms_of_several_models_are_adjusted_as_each_study_is_alone():
    """Degrees of freedom are capped there, so that the family's p is worked out by the product's own functions; of a
    study without a p below alpha it is not."""
    spread = ModelSpread(0.15, 0.015, 0.02)
    design = replace(program(2), arms=ARMS[:3])
    frame = simulate_many(design, 3, np.random.default_rng(4), spread)
    found = analyze_many(frame, plan_of(frame))
    shown = 0
    for study in range(3):
        rows = alone(frame, study)["contrasts"]
        mine = [found.of(CONTRAST, row["arm"]).loc[study, "p_adjusted"] for row in rows]
        if min(row["p_value"] for row in rows) < 0.05:
            assert mine == pytest.approx([row["p_adjusted"] for row in rows], abs=1e-6)
            shown += 1
        else:
            assert np.isnan(mine).all()
    assert shown > 0


def test_a_family_without_any_p_below_alpha_is_not_adjusted():
    still = dict.fromkeys(SLOPES, 0.09)
    design = replace(one_model(), models=(PdxModelTruth("P", "wild_type", still),))
    frame = simulate_many(design, 2, np.random.default_rng(2))
    effects = analyze_many(frame, plan_of(frame)).effects
    contrasts = effects[effects.index.get_level_values("question") == CONTRAST]
    assert (contrasts["p_value"] > 0.05).all() and contrasts["p_adjusted"].isna().all()


def test_what_the_fits_side_by_side_say_of_a_study_is_told(monkeypatch):
    """A study refused among them is refused, and a variance of 0 is told of the study that has it."""
    frame = simulate_many(one_model(), 2, np.random.default_rng(1))
    plan, fit_each = plan_of(frame), many_studies.fit_lmm_each

    def fits(formula: str, data: pd.DataFrame, by: str) -> SimpleNamespace:
        told = {"is_singular": pd.Series({"0": True, "1": False}), "refused": {"1": "no maximum"}}
        return SimpleNamespace(contrasts=fit_each(formula, data, by).contrasts, **told)

    monkeypatch.setattr(many_studies, "fit_lmm_each", fits)
    found = analyze_many(frame, plan)
    assert found.singular.to_dict() == {0: True, 1: False}
    assert found.refused == {1: "no maximum"}


@pytest.mark.parametrize(("models_alike", "p"), [(True, 0.03), (False, 0.5)])
def test_where_models_respond_alike_the_test_between_them_decides_a_study_alone(monkeypatch, models_alike, p):
    weights = {(CONTRAST, "A"): {"a": 1.0}, (INTERACTION, "A"): {"b": 1.0}}
    monkeypatch.setattr(many_studies, "effects_of", lambda fit, plan: weights)
    monkeypatch.setattr(many_studies, "f1_pairs", lambda data, plan: [("A", "V")])
    monkeypatch.setattr(
        many_studies, "model_level_tests", lambda part, plan, arm: pd.DataFrame({"p_value": [0.03]})
    )
    names = ["estimate", "se", "df", "p_value", "p_adjusted", "ci_low", "ci_high"]

    def decided(fit: object, plan: object, pairs: list, tests: dict) -> tuple[None, pd.DataFrame]:
        return None, pd.DataFrame(tests["A"]["p_value"], index=["A"], columns=names)

    monkeypatch.setattr(many_studies, "interaction_tables", decided)
    fit = SimpleNamespace(
        models_alike=models_alike, data=None,
        contrasts=lambda family, plan, adjust: pd.DataFrame(0.5, index=list(family), columns=names),
    )  # fmt: skip
    rows = many_studies._rows_alone(fit, pd.DataFrame({"study": [7]}), {"adjust": "mvt"}, 7)
    assert rows["p_value"].to_dict() == {(7, CONTRAST, "A"): 0.5, (7, INTERACTION, "A"): p}
