"""MAP2K4 strata, interaction and model-level effects: against R, by law, and the claims that are refused."""

import json
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.duration.hazard_regression import PHReg
from statsmodels.formula.api import ols

from studies.analysis import AnalysisError, analyze_study
from studies.analysis import biomarker as biomarker_module
from studies.analysis.against_parts import inhibited_by
from studies.analysis.biomarker import (
    _cells,
    _claim,
    _fit,
    _interaction,
    _model_effects,
    _models,
    _note_disagreement,
    _pooled_by_status,
    biomarker_section,
)
from studies.analysis.biomarker_status import Biomarker, _class_of
from studies.analysis.meta_analysis import compare_groups, pool, reml_tau2
from studies.analysis.plan import Plan, resolve_plan
from studies.analysis.tables import normalize_table
from studies.columns import biomarker_status

FOLDER = Path(__file__).parent.parent / "reference" / "inference"
REFERENCE = json.loads((FOLDER / "study.json").read_text())
PLAN = {"control": "vehicle", "window": [0, 17], "day": 17}


def study() -> pd.DataFrame:
    return pd.read_csv(FOLDER / "study.csv")


def section(table: pd.DataFrame, **plan: object) -> dict:
    return analyze_study(table, {**PLAN, **plan}).to_dict()["map2k4"]


@cache
def whole() -> dict:
    return section(study())


def interaction(part: dict, arm: str = "A") -> dict:
    return next(row for row in part["interaction"] if row["arm"] == arm)


# Against R


def test_interaction_is_that_of_m4():
    expected = REFERENCE["m4"]["effects"]["A"]["interaction"]
    row = interaction(whole())
    assert (row["estimate"], row["se"]) == pytest.approx((expected["estimate"], expected["se"]), rel=2e-5)
    assert row["df"] == pytest.approx(4)
    assert row["n_models"] == {"loss_of_function": 3, "wild_type": 3}


def test_strata_are_those_of_m4():
    for row in whole()["strata"]:
        expected = REFERENCE["m4"]["effects"][row["arm"]][row["map2k4_status"]]
        assert (row["estimate"], row["se"]) == pytest.approx((expected["estimate"], expected["se"]), rel=2e-5)
        assert (row["n_models"], row["n_mice"]) == (3, 9)


def test_model_level_effects():
    expected = REFERENCE["model_level"]
    row = next(row for row in whole()["model_level"] if row["arm"] == "A")
    assert {one["pdx_model"]: one["effect"] for one in row["effects"]} == pytest.approx(
        expected["effect"], rel=1e-8
    )
    assert [one["se"] for one in row["effects"]] == pytest.approx([expected["se"]] * 6, rel=1e-8)
    assert row["pooled"][0]["tau2"] == pytest.approx(expected["tau2"], rel=1e-4)
    assert abs(row["test"]["difference"]) == pytest.approx(expected["difference"], rel=1e-8)
    assert (row["test"]["df"], row["test"]["p_value"]) == pytest.approx((4, expected["p"]), rel=1e-8)
    assert row["test"]["welch_p_value"] == pytest.approx(expected["welch_p"], rel=1e-8)


def alike() -> pd.DataFrame:
    return pd.read_csv(FOLDER / "alike.csv")


def test_where_models_respond_alike_the_test_between_them_decides():
    """R's t.test on the models' effects; lme4's and pbkrtest's M4 beside it."""
    expected = json.loads((FOLDER / "alike.json").read_text())
    assert expected["response_sd"] == pytest.approx(0, abs=1e-6)
    result = analyze_study(alike(), PLAN).to_dict()
    row = interaction(result["map2k4"])
    assert row["test"] == "model-level t test"
    for name, value in expected["models"].items():
        assert row[name] == pytest.approx(value, rel=1e-7), name
    assert row["p_adjusted"] == pytest.approx(row["p_value"])
    for name, value in expected["mixed_model"].items():
        assert row["mixed_model"][name] == pytest.approx(value, rel=5e-5), name
    assert any("tau2 is estimated as 0" in note for note in result["notes"])
    strata = {one["map2k4_status"]: one["estimate"] for one in result["map2k4"]["strata"]}
    of_m4 = strata["loss_of_function"] - strata["wild_type"]
    assert row["mixed_model"]["estimate"] == pytest.approx(of_m4, rel=1e-6)


def test_where_models_differ_the_mixed_model_decides():
    row = interaction(whole())
    assert row["test"] == "mixed model"
    assert all(row[name] == value for name, value in row["mixed_model"].items())


def test_interactions_of_several_arms_are_adjusted_together_by_their_own_statistics():
    """The multivariate t of the models' statistics lies between the plain p and Bonferroni's."""
    table = alike()
    second = table.query("arm == 'A'").assign(
        arm="B", volume_mm3=lambda t: t["volume_mm3"] * 1.01 ** t["day"]
    )
    second["mouse"] = "B " + second["mouse"]
    rows = section(pd.concat([table, second]))["interaction"]
    assert {row["test"] for row in rows} == {"model-level t test"}
    for row in rows:
        assert row["p_value"] < row["p_adjusted"] < 2 * row["p_value"]


def test_swapping_statuses_turns_the_test_between_models():
    swap = {"wild_type": "loss_of_function", "loss_of_function": "wild_type"}
    row = interaction(section(alike().assign(map2k4_status=lambda t: t["map2k4_status"].map(swap))))
    plain = interaction(section(alike()))
    assert row["estimate"] == pytest.approx(-plain["estimate"], rel=1e-9)
    assert (row["se"], row["p_value"]) == pytest.approx((plain["se"], plain["p_value"]), rel=1e-9)


# By hand


def test_permutation_counts_arrangements():
    result = compare_groups(np.array([5.0, 6, 7]), np.array([1.0, 2, 3]))
    assert result.permutation_p_value == pytest.approx(2 / 20)
    assert result.smallest_permutation_p_value == pytest.approx(0.1)


def test_models_that_agree_have_no_spread_between_them():
    pooled = pool(np.array([1.0, 1.1, 0.9, 1.0]), np.full(4, 1.0))
    assert (pooled.tau2, pooled.i2_percent) == (0, 0)
    assert pooled.se == pytest.approx(0.5)  # the fixed-effect standard error, not the smaller chance one


def test_without_standard_errors_the_plain_mean_stands():
    pooled = pool(np.array([1.0, 2, 3]), None)
    assert (pooled.estimate, pooled.tau2) == (2, None)
    assert (pooled.ci_low, pooled.ci_high) == pytest.approx(
        (2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5), abs=1e-5
    )


def test_equal_variances_give_the_sample_variance_less_theirs():
    effects = np.array([0.0, 1, 4, 7])
    assert reml_tau2(effects, np.full(4, 2.0)) == pytest.approx(effects.var(ddof=1) - 2)


# By law


def test_swapping_statuses_turns_the_interaction():
    swap = {"wild_type": "loss_of_function", "loss_of_function": "wild_type"}
    row = interaction(section(study().assign(map2k4_status=lambda table: table["map2k4_status"].map(swap))))
    assert row["estimate"] == pytest.approx(-interaction(whole())["estimate"], rel=1e-5)
    assert row["se"] == pytest.approx(interaction(whole())["se"], rel=1e-5)


def test_models_without_a_proven_status_change_neither_strata_nor_interaction():
    more = study().query("pdx_model == 'PDX-1'").assign(pdx_model="PDX-7", map2k4_status="vus")
    more["mouse"] = "7 " + more["mouse"]
    both = section(pd.concat([study(), more]))
    assert interaction(both) == interaction(whole()) | {
        "claim": interaction(both)["claim"],
        "reason": interaction(both)["reason"],
    }
    assert both["strata"] == whole()["strata"]
    assert [(row["pdx_model"], row["map2k4_status"], row["n_mice"]) for row in both["excluded"]] == [
        ("PDX-7", "uncertain", 12)
    ]


# Claims


def strong() -> pd.DataFrame:
    """The study with a drug effect that plainly differs between statuses, and acts on both."""
    table = study()
    loss = (table["map2k4_status"] == "loss_of_function") & (table["arm"] == "A")
    table.loc[loss, "volume_mm3"] *= np.exp(-0.09 * table["day"])
    table.loc[(table["arm"] == "A") & ~loss, "volume_mm3"] *= np.exp(-0.03 * table["day"])
    return table.query("arm in ['vehicle', 'A']")


def models(table: pd.DataFrame, *numbers: int) -> pd.DataFrame:
    return table[table["pdx_model"].isin([f"PDX-{number}" for number in numbers])]


def test_a_claim_with_three_models_a_status():
    row = interaction(section(strong()))
    assert row["claim"] is True
    assert "3 loss-of-function and 3 wild-type" in row["reason"]


def test_no_claim_against_the_declared_direction():
    row = interaction(section(strong(), expected_sign={"A": "wild_type_more_sensitive"}))
    assert (row["claim"], row["expected_sign"]) == (False, "wild_type_more_sensitive")
    assert "against the direction" in row["reason"]
    assert interaction(section(strong(), expected_sign={"A": "loss_of_function_more_sensitive"}))["claim"]


def test_two_models_of_a_status_are_exploratory():
    result = analyze_study(models(strong(), 1, 2, 3, 4, 5), PLAN).to_dict()
    row = interaction(result["map2k4"])
    assert row["p_value"] is not None
    assert (row["claim"], row["reason"].split(":")[0]) == (False, "exploratory")
    family = next(one for one in result["families"] if (one["arm"], one["family"]) == ("A", "F4"))
    assert (family["shown"], family["exploratory"]) == (False, True)
    tests = [one["test"] for one in result["map2k4"]["model_level"]]
    assert all(test["p_value"] is not None and test["welch_p_value"] is None for test in tests)


def test_one_model_of_a_status_is_a_case_study():
    part = section(models(strong(), 1, 2, 3, 4))
    row = interaction(part)
    assert row["estimate"] is not None
    assert (row["p_value"], row["p_adjusted"], row["claim"]) == (None, None, False)
    alone = next(row for row in part["strata"] if row["map2k4_status"] == "loss_of_function")
    assert (alone["p_value"], alone["ci_low"]) == (None, None)
    assert alone["estimate"] is not None


def test_no_claim_where_the_interaction_is_not_shown():
    assert interaction(whole(), "B")["claim"] is False


def test_one_status_only_has_no_interaction():
    result = analyze_study(models(study(), 1, 2, 3), PLAN).to_dict()
    assert result["map2k4"]["interaction"] == []
    assert any("no MAP2K4 interaction" in note for note in result["notes"])


def test_one_mouse_a_model_and_arm_has_no_tau2_and_says_so():
    single = study()[study()["mouse"].str.endswith("1")]
    result = analyze_study(single, PLAN).to_dict()
    assert "pdx_model:arm" not in result["mixed_model"]["formula"]
    assert "(1 + day | pdx_model)" in result["mixed_model"]["formula"]
    assert any("cannot be told" in note for note in result["notes"])
    for row in result["map2k4"]["model_level"]:
        assert row["pooled"][0]["tau2"] is None
        assert all(one["se"] is None for one in row["effects"])


# Companions of status


def with_facts(table: pd.DataFrame, **facts: dict[str, str]) -> pd.DataFrame:
    return table.assign(**{name: table["pdx_model"].map(values) for name, values in facts.items()})


KRAS = {f"PDX-{n}": "mutant" if n in (1, 4) else "WT" for n in range(1, 7)}


def level(part: dict, arm: str = "A") -> dict:
    return next(row for row in part["model_level"] if row["arm"] == arm)


def adjusted(part: dict, covariate: str) -> dict:
    return next(row for row in level(part)["adjusted"] if row["covariate"] == covariate)


def test_adjusting_is_least_squares_on_model_effects():
    """By statsmodels: effect ~ status + KRAS, and effect ~ status + the vehicle's growth rate."""
    part = section(with_facts(study(), KRAS=KRAS))
    effects = pd.DataFrame(level(part)["effects"])
    effects["loss"] = (effects["map2k4_status"] == "loss_of_function").astype(float)
    effects["other"] = effects["pdx_model"].map(KRAS)
    expected = ols("effect ~ loss + other", effects).fit()
    row = adjusted(part, "KRAS")
    assert (row["estimate"], row["se"]) == pytest.approx(
        (expected.params["loss"], expected.bse["loss"]), rel=1e-8
    )
    assert (row["df"], row["p_value"]) == pytest.approx((3, expected.pvalues["loss"]), rel=1e-8)
    inside = study().query("day <= 17 and arm == 'vehicle'")
    slope = {
        mouse: np.polyfit(t["day"], np.log(t["volume_mm3"]), 1)[0] for mouse, t in inside.groupby("mouse")
    }
    rates = (
        inside.drop_duplicates("mouse")
        .assign(rate=lambda t: t["mouse"].map(slope))
        .groupby("pdx_model")["rate"]
        .mean()
    )
    effects["rate"] = effects["pdx_model"].map(rates)
    expected = ols("effect ~ loss + rate", effects).fit()
    row = adjusted(part, "growth rate of the vehicle")
    assert (row["estimate"], row["se"]) == pytest.approx(
        (expected.params["loss"], expected.bse["loss"]), rel=1e-6
    )
    assert "chance alone" in row["note"]


def test_isogenic_pairs_are_blocks_and_the_clone_is_the_unit():
    """Two clones a pair, one knocked out: the paired t test on clone effects."""
    pairs = {"PDX-1": "a", "PDX-4": "a", "PDX-2": "b", "PDX-5": "b", "PDX-3": "c", "PDX-6": "c"}
    part = section(with_facts(study(), isogenic_pair=pairs))
    effects = {row["pdx_model"]: row for row in level(part)["effects"]}
    statuses = [effects[f"PDX-{n}"]["map2k4_status"] for n in (1, 4)]
    first, second = ([effects[f"PDX-{n + shift}"]["effect"] for n in (1, 2, 3)] for shift in (0, 3))
    loss, wild = (first, second) if statuses[0] == "loss_of_function" else (second, first)
    expected = stats.ttest_rel(loss, wild)
    row = adjusted(part, "isogenic pair")
    assert (row["df"], row["p_value"]) == pytest.approx((2, expected.pvalue), rel=1e-8)
    assert row["estimate"] == pytest.approx(np.mean(loss) - np.mean(wild), rel=1e-8)


def test_a_companion_that_status_cannot_be_told_from_is_said():
    same = {f"PDX-{n}": status for n, status in zip(range(1, 7), ["x"] * 3 + ["y"] * 3, strict=True)}
    result = analyze_study(with_facts(study(), tumor_type=same), PLAN).to_dict()
    [row] = result["map2k4"]["covariates"]
    assert (row["covariate"], row["confounded"]) == ("tissue", True)
    assert any("cannot be told apart" in note for note in result["notes"])
    found = adjusted(result["map2k4"], "tissue")
    assert (found["estimate"], found["p_value"]) == (None, None)
    assert "cannot be told apart" in found["note"]


def test_genes_of_the_record_are_counted_by_status():
    rows = section(with_facts(study(), KRAS_status=KRAS))["covariates"]
    assert [row["covariate"] for row in rows] == ["KRAS"]
    assert sum(row["n"] for row in rows[0]["n_models"]) == 6
    assert {row["value"] for row in rows[0]["n_models"]} == {"loss_of_function", "wild_type"}


# The second question by name


def test_the_combination_is_set_against_the_inhibitor_alone_within_wild_type():
    names = {"A": "trametinib", "B": "palbociclib", "A+B": "trametinib+palbociclib"}
    table = study().assign(arm=lambda t: t["arm"].replace(names))
    result = analyze_study(table, PLAN).to_dict()
    rows = result["map2k4"]["combination_against_parts"]
    assert [(row["map2k4_status"], row["part"], row["inhibits"], row["question"]) for row in rows] == [
        ("wild_type", "trametinib", "MEK", True), ("wild_type", "palbociclib", None, False),
        ("loss_of_function", "trametinib", "MEK", False), ("loss_of_function", "palbociclib", None, False),
    ]  # fmt: skip
    strata = {(row["map2k4_status"], row["arm"]): row["estimate"] for row in result["map2k4"]["strata"]}
    for row in rows:
        both = strata[row["map2k4_status"], row["arm"]] - strata[row["map2k4_status"], row["part"]]
        assert row["estimate"] == pytest.approx(both, rel=1e-6)
        assert row["ci_low"] < row["estimate"] < row["ci_high"]
        tests = {
            one["null"]: one for one in result["synergy"]
            if (one["scope"], one["map2k4_status"]) == ("map2k4", row["map2k4_status"])
        }  # fmt: skip
        assert row["intersection_union_p_value"] == tests["hsa"]["p_value"]
        assert row["bliss_estimate"] == tests["bliss"]["estimate"]


def test_one_wild_type_model_answers_for_itself():
    single = study().query("pdx_model == 'PDX-1'").assign(map2k4_status="WT")
    single["arm"] = single["arm"].replace({"A": "AMG 510", "A+B": "AMG 510+B"})
    result = analyze_study(single, PLAN).to_dict()
    [row] = [row for row in result["map2k4"]["combination_against_parts"] if row["question"]]
    assert (row["part"], row["inhibits"], row["n_models"]) == ("AMG 510", "KRAS", 1)
    assert row["bliss_p_value"] is not None
    assert row["intersection_union_p_value"] is not None


def test_names_of_inhibitors_are_read_as_words():
    assert inhibited_by("Trametinib 1 mg/kg") == "MEK"
    assert inhibited_by("sotorasib + HRX-0233") == "KRAS"
    assert inhibited_by("remeked") is None


def test_arm_by_status_in_the_stratified_cox_model_is_statsmodels_own():
    result = analyze_study(study(), {**PLAN, "endpoint": {"fold": 1.5}}).to_dict()
    [whole_study] = [row for row in result["survival"] if row["scope"] == "study"]
    row = next(row for row in whole_study["cox_by_status"] if row["arm"] == "A")
    times = pd.DataFrame(result["times_to_event"])
    times = times[times["map2k4_status"].isin(["loss_of_function", "wild_type"])]
    loss = times["map2k4_status"] == "loss_of_function"
    arms = {f"{arm} {more}": (times["arm"] == arm) * (loss if more else 1.0)
            for arm in sorted(set(times["arm"]) - {"vehicle"}) for more in (0, 1)}  # fmt: skip
    columns = pd.DataFrame(arms, dtype=float)
    fit = PHReg(times["time"], columns, times["event"], strata=times["pdx_model"], ties="efron").fit()
    place = list(columns).index("A 1")
    assert (row["estimate"], row["se"]) == pytest.approx((fit.params[place], fit.bse[place]), rel=1e-4)


def of_gene(gene: str, loss: str, wild: str) -> pd.DataFrame:
    """The study with the statuses of MAP2K4 said of another gene, and MAP2K4 itself never sequenced."""
    table = study()
    words = {str(word): biomarker_status(word)[0] for word in table["map2k4_status"].unique()}
    named = {"loss_of_function": loss, "wild_type": wild, "uncertain": "vus", "unknown": ""}
    return table.assign(**{gene: table["map2k4_status"].map(lambda word: named[str(words[str(word)])])}).drop(
        columns="map2k4_status"
    )


def test_another_gene_gives_the_same_numbers_under_its_own_name():
    part = section(of_gene("TP53", "LOF", "WT"), biomarker="TP53")
    assert (part["gene"], part["classes"]["loss_of_function"]) == ("TP53", "TP53 loss of function")
    assert "day:arm:tp53" in part["formula"] and "map2k4" not in part["formula"]
    for name in ("estimate", "se", "df", "p_value"):
        assert interaction(part)[name] == pytest.approx(interaction(whole())[name], rel=1e-6)
    assert all("TP53" in row["reason"] and "MAP2K4" not in row["reason"] for row in part["excluded"])


def test_altered_words_the_plan_declares_are_not_called_loss_of_function():
    plan = {**PLAN, "biomarker": {"gene": "KRAS", "altered": ["G12C"]}}
    result = analyze_study(of_gene("kras", "G12C", "WT"), plan).to_dict()
    part = result["map2k4"]
    assert part["classes"] == {"loss_of_function": "KRAS altered (G12C)", "wild_type": "KRAS wild type"}
    terms = {row["term"] for row in result["mixed_model"]["coefficients"]}
    assert any("kras[T.altered]" in term for term in terms) and not any("loss" in term for term in terms)
    row = interaction(part)
    assert row["estimate"] == pytest.approx(interaction(whole())["estimate"], rel=1e-6)
    assert "altered and" in row["reason"] or "not shown" in row["reason"]
    assert any(note.startswith("biomarker KRAS: in rows by map2k4_status") for note in result["notes"])


def test_words_are_classed_as_declared_and_none_is_unknown():
    kras = Biomarker("kras", ("G12C",))
    words = ("g12c", "WT", None, float("nan"), "")
    assert [_class_of(word, kras) for word in words] == ["loss_of_function", "wild_type", *["unknown"] * 3]


def test_a_model_counts_that_holds_both_arms():
    mice = pd.DataFrame(
        [("P1", "A", "wild_type"), ("P1", "V", "wild_type"), ("P2", "V", "wild_type"), ("P3", "A", "unknown"),
         ("P3", "V", "unknown"), ("P1", "B", "wild_type"), ("P2", "B", "wild_type")],
        columns=["pdx_model", "arm", "map2k4"],
    )  # fmt: skip
    fit = SimpleNamespace(data=SimpleNamespace(mice=mice))
    assert [_models(fit, arm, "V", "wild_type") for arm in "ABC"] == [1, 2, 0]


def test_a_stratum_is_called_altered_where_altered_words_were_declared():
    altered, lost = Biomarker("kras", ("G12C",)), Biomarker("kras")
    assert [altered.level(status) for status in ("loss_of_function", "wild_type")] == ["altered", "wild_type"]
    assert [lost.level(status) for status in ("loss_of_function", "wild_type")] == [
        "loss_of_function",
        "wild_type",
    ]


@pytest.mark.parametrize("word", ["G12C", "mutant"])
def test_a_word_that_does_not_prove_loss_must_be_declared(word):
    with pytest.raises(AnalysisError, match=f'KRAS "{word}" is not proven to be loss of function.*"altered"'):
        section(of_gene("kras", word, "WT"), biomarker="kras")


def test_a_gene_the_table_does_not_tell_is_refused():
    with pytest.raises(AnalysisError, match='biomarker "kras": the table has no column kras'):
        section(study(), biomarker="kras")


def test_two_classes_of_one_model_are_refused_and_the_model_named():
    table = of_gene("kras", "LOF", "WT")
    table.loc[table["mouse"] == "PDX-2 A 1", "kras"] = "LOF"
    with pytest.raises(AnalysisError, match='PDX model "PDX-2" has two different classes of KRAS'):
        section(table, biomarker="kras")


def resolved(table: pd.DataFrame) -> tuple[pd.DataFrame, Plan]:
    table = normalize_table(table)
    return table.frame, resolve_plan(table, PLAN)


def test_strata_need_two_models_that_can_be_fitted():
    """Two models have a proven status, but one of them was read after the window only."""
    table = models(study(), 1, 4)
    frame, plan = resolved(table[(table["pdx_model"] != "PDX-4") | (table["day"] > 17)])
    with pytest.raises(AnalysisError, match="fewer than two PDX models of a proven status can be fitted"):
        _fit(frame, plan, None)


def test_an_arm_held_in_one_status_only_has_no_interaction():
    table = models(study().query("arm in ['vehicle', 'A']"), 1, 2, 4, 5)
    loss = table["map2k4_status"] == "loss_of_function"
    frame, plan = resolved(table[~(loss & (table["arm"] == "A"))])
    assert _interaction(_fit(frame, plan, None), plan, {}, []) == []


@pytest.mark.parametrize(
    ("estimate", "p", "fewest", "sign", "gate", "claim", "reason"),
    [
        (None, None, 3, None, True, False, "the interaction is not estimable from these data"),
        (
            -0.1,
            None,
            1,
            None,
            True,
            False,
            "1 loss-of-function and 3 wild-type PDX models: below 2 in a status",
        ),
        (
            -0.1,
            0.001,
            2,
            None,
            True,
            False,
            "exploratory: 2 loss-of-function and 3 wild-type PDX models, a claim",
        ),
        (-0.1, 0.05, 3, None, True, False, "the interaction is not shown at the level of 0.05"),
        (-0.1, None, 3, None, True, False, "the interaction is not shown at the level of 0.05"),
        (-0.1, 0.049, 3, None, False, False, "exploratory: the arm's effect over all models is not shown"),
        (-0.1, 0.049, 3, "wild_type_more_sensitive", True, False, "against the direction"),
        (-0.1, 0.049, 3, "loss_of_function_more_sensitive", True, True, "3 loss-of-function and 3 wild-type"),
        (
            -0.1,
            0.049,
            3,
            None,
            True,
            True,
            "loss of function more sensitive: 3 loss-of-function and 3 wild-type",
        ),
        (0.1, 0.049, 3, None, True, True, "wild type more sensitive: 3 loss-of-function and 3 wild-type"),
        (0.1, 0.049, 3, "loss_of_function_more_sensitive", True, False, "against the direction"),
    ],
)
def test_what_an_interaction_may_claim(estimate, p, fewest, sign, gate, claim, reason):
    row = {"arm": "A", "estimate": estimate, "p_adjusted": p}
    counts = {"loss_of_function": fewest, "wild_type": 3}
    found = _claim(row, counts, sign, gate, resolved(study())[1])
    assert found[0] is claim and reason in found[1]


def test_groups_of_equal_effects_have_no_test():
    found = compare_groups(np.array([0.2, 0.2]), np.array([0.1, 0.1, 0.1]))
    assert (found.difference, found.se, found.df) == (pytest.approx(0.1), pytest.approx(0), 3)
    assert (found.p_value, found.ci_low, found.welch_p_value, found.permutation_p_value) == (None,) * 4


def test_too_many_arrangements_are_not_counted():
    one, other = np.arange(9.0), np.arange(9.0) + 0.5  # 48,620 arrangements
    found = compare_groups(one, other)
    assert (found.permutation_p_value, found.smallest_permutation_p_value) == (None, None)
    assert found.p_value == pytest.approx(stats.ttest_ind(one, other).pvalue)


@pytest.mark.parametrize("ratio", [1.0, 1e-3, 1e-13])
def test_tau2_of_two_models_has_a_closed_form_however_unequal_their_variances(ratio):
    """Half the squared difference less the mean variance, or 0."""
    for difference in (0.5, 4.0):
        variances = np.array([2.0, 2.0 * ratio])
        expected = max(0.0, difference**2 / 2 - variances.mean())
        assert reml_tau2(np.array([1.0, 1.0 + difference]), variances) == pytest.approx(expected, rel=1e-9)


def test_tau2_is_found_in_few_steps(monkeypatch):
    effects, variances = np.array([0.1, 0.5, -0.3, 0.9]), np.array([0.02, 0.05, 0.01, 0.2])
    best = reml_tau2(effects, variances)
    monkeypatch.setattr("studies.analysis.meta_analysis.MOST_STEPS", 8)
    assert reml_tau2(effects, variances) == pytest.approx(best, rel=1e-4)


# The parts, by hand


def cells(**facts: object) -> pd.DataFrame:
    """P1 with three and two mice, P2 with one and two."""
    return pd.DataFrame({
        "pdx_model": ["P1", "P1", "P2", "P2"], "map2k4_status": ["wild_type"] * 2 + ["loss_of_function"] * 2,
        "arm": ["T", "V"] * 2, "mean": [0.02, 0.1, 0.05, 0.08], "size": [3, 2, 1, 2], "var": [4.0, 1, np.nan, 3],
        **facts,
    })  # fmt: skip


def test_a_model_s_effect_errs_by_the_variance_of_mice_pooled_over_models_and_arms():
    effects = _model_effects(cells(), "T", "V")
    pooled = (2 * 4 + 1 * 1 + 1 * 3) / 4
    assert effects["effect"].to_numpy() == pytest.approx([-0.08, -0.03])
    assert effects["se"].to_numpy() ** 2 == pytest.approx([pooled * (1 / 3 + 1 / 2), pooled * (1 + 1 / 2)])
    assert list(effects["n"]) == [3, 1] and list(effects["n_control"]) == [2, 2]
    assert _model_effects(cells(size=1, var=np.nan), "T", "V")["se"].isna().all()
    known = _model_effects(cells(variance=[1.0, 3, 5, 11]), "T", "V")
    assert list(known["se"]) == [2, 4]


def test_rates_of_cells_are_of_single_mice_or_of_lines_that_censor(monkeypatch):
    frame, plan = resolved(models(study(), 1))
    found = _cells(frame, plan, None).set_index("arm")
    mice = frame[(frame["arm"] == "A") & (frame["day"] <= 17)].groupby("mouse")
    rates = [np.polyfit(mouse["day"], np.log(mouse["volume_mm3"]), 1)[0] for _, mouse in mice]
    assert found.loc["A", "mean"] == pytest.approx(np.mean(rates))
    assert (found.loc["A", "size"], found.loc["A", "var"]) == (3, pytest.approx(np.var(rates, ddof=1)))
    lines = pd.DataFrame({"slope": [0.1, 0.2], "n": [1, 2], "variance": [1.0, 1.0]})
    monkeypatch.setattr(biomarker_module, "slopes_of_cells", lambda fit: lines)

    def primary(n_censored: int) -> SimpleNamespace:
        return SimpleNamespace(data=SimpleNamespace(n_censored=n_censored))

    assert list(_cells(frame, plan, primary(1))["mean"]) == [0.1, 0.2]
    assert list(_cells(frame, plan, primary(0))["size"]) == list(_cells(frame, plan, None)["size"])
    lines["n"] = 1
    assert _cells(frame, plan, primary(1))["variance"].isna().all(), "of one mouse each none is known"


@pytest.mark.parametrize(("least", "is_weighed"), [(0.1, True), (0.0, False), (np.nan, False)])
def test_models_are_weighed_by_their_errors_where_all_are_known_and_above_0(least, is_weighed):
    effects = pd.DataFrame({"map2k4_status": "wild_type", "effect": [0.1, 0.2, 0.6], "se": [least, 0.1, 0.1]})
    found = _pooled_by_status(effects, 0.95)
    assert [row["map2k4_status"] for row in found["pooled"]] == [None, "wild_type"]
    assert (found["pooled"][0]["tau2"] is not None) == is_weighed
    assert found["test"] is None


def test_tests_on_two_sides_of_the_level_are_told():
    def notes(mixed: float | None, model_level: float | None) -> list[str]:
        told: list[str] = []
        section = {
            "model_level": [{"arm": "A", "test": {"p_value": model_level}}, {"arm": "B", "test": None}],
            "interaction": [{"arm": "A", "mixed_model": {"p_value": mixed}, "test": "mixed model"}],
        }
        _note_disagreement(section, resolved(study())[1], told)
        return told

    [said] = notes(0.049, 0.05)
    assert said.startswith("MAP2K4 interaction of A: the mixed model (p = 0.049) and the test on model-level")
    assert len(notes(0.05, 0.049)) == 1
    assert notes(0.01, 0.049) == notes(0.05, 0.9) == notes(None, 0.01) == notes(0.01, None) == []


@pytest.mark.parametrize(
    ("name", "statuses", "is_kept"),
    [
        ("M4", {"wild_type", "loss_of_function"}, True), ("M4, censored", {"wild_type"}, True),
        ("M1", {"wild_type"}, False), ("M4", {"wild_type", "unknown"}, False),
    ],
)  # fmt: skip
def test_strata_take_the_primary_fit_where_it_is_one_of_proven_models(monkeypatch, name, statuses, is_kept):
    frame, plan = resolved(models(study(), 1, 4))
    primary = SimpleNamespace(name=name, data=SimpleNamespace(mice={"map2k4": list(statuses)}))
    monkeypatch.setattr(biomarker_module, "fit_m4", lambda data, plan, square: "fitted anew")
    assert _fit(frame, plan, primary) == (primary if is_kept else "fitted anew")
    assert _fit(frame, plan, None) == "fitted anew"


def test_one_proven_model_has_its_combinations_and_no_strata(monkeypatch):
    monkeypatch.setattr(biomarker_module, "combination_against_parts", lambda *asked: ["asked"])

    def found(primary: object, *numbers: int) -> tuple[list, str]:
        frame, plan = resolved(models(study(), *numbers))
        notes: list[str] = []
        part = biomarker_section(frame, plan, primary, [], notes, [])
        return part["combination_against_parts"], notes[-1]

    def primary(*statuses: str) -> SimpleNamespace:
        return SimpleNamespace(name="M1", data=SimpleNamespace(mice={"map2k4": list(statuses)}, n_censored=0))

    reason = "no MAP2K4 strata: fewer than two PDX models have a proven status"
    assert found(primary("wild_type"), 1) == (["asked"], reason)
    assert found(primary("unknown"), 1) == ([], reason)
    assert found(None, 1) == ([], reason)
    monkeypatch.setattr(biomarker_module, "_fit", _refused)
    assert found(None, 1, 4) == ([], "no MAP2K4 strata: asked")


def _refused(*asked: object) -> None:
    raise AnalysisError("asked")


def test_three_models_of_equal_error_are_pooled_as_on_paper():
    effects = np.array([0.1, 0.2, 0.6])
    pooled = pool(effects, np.full(3, 0.1))
    tau2, se = 0.07 - 0.01, (0.07 / 3) ** 0.5
    half, reach = stats.t.ppf(0.975, 2) * se, stats.t.ppf(0.975, 1) * (tau2 + se**2) ** 0.5
    assert (pooled.k, pooled.estimate, pooled.se, pooled.tau2) == pytest.approx((3, 0.3, se, tau2))
    assert (pooled.ci_low, pooled.ci_high) == pytest.approx((0.3 - half, 0.3 + half))
    assert (pooled.prediction_low, pooled.prediction_high) == pytest.approx((0.3 - reach, 0.3 + reach))
    assert pooled.i2_percent == pytest.approx(100 * (14 - 2) / 14)
    plain = pool(effects, None, 0.9)
    half = stats.t.ppf(0.95, 2) * se
    assert (plain.ci_low, plain.ci_high) == pytest.approx((0.3 - half, 0.3 + half))
    assert (plain.prediction_low, plain.prediction_high) == pytest.approx((0.3 - 2 * half, 0.3 + 2 * half))
    alike = pool(np.full(3, 0.2), np.array([0.1, 0.2, 0.2]))
    assert (alike.i2_percent, alike.se) == (0, pytest.approx((1 / (100 + 25 + 25)) ** 0.5))
    assert pool(effects[:2], np.full(2, 0.1)).note == "2 PDX models: fewer than 3 are not pooled"


@pytest.mark.parametrize(
    ("one", "other"), [([0.1, 0.3], [0.5, 0.8]), ([0.1, 0.3, 0.2], [0.5, 0.8, 0.6, 0.1])]
)
def test_groups_of_models_are_compared_as_scipy_does(one, other):
    found = compare_groups(np.array(one), np.array(other))
    expected, welch = stats.ttest_ind(one, other), stats.ttest_ind(one, other, equal_var=False)
    bounds = expected.confidence_interval()
    assert (found.p_value, found.df) == pytest.approx((expected.pvalue, expected.df))
    assert (found.ci_low, found.ci_high) == pytest.approx((bounds.low, bounds.high))
    assert found.welch_p_value == (pytest.approx(welch.pvalue) if len(one) > 2 else None)
    exact = stats.permutation_test(
        (one, other), lambda a, b: abs(np.mean(a) - np.mean(b)), alternative="greater"
    )
    assert found.permutation_p_value == pytest.approx(exact.pvalue)
    assert compare_groups(np.array(one), np.array(other[:1])).p_value is None
    assert compare_groups(np.array(one[:1]), np.array(other)).p_value is None
