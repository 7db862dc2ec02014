"""Forty studies that ought not to be: each ends in a result or in a refusal that says what would mend it.

A refusal names what is at fault (arm, mouse, day, or the plan's key); no other exception and no warning is let through.
"""

import json
import resource
import time
from collections.abc import Callable
from functools import cache

import numpy as np
import pandas as pd
import pytest

from studies.analysis import AnalysisError, analyze_study
from tests.analysis.builders import curve, together

DAYS = [0, 4, 7, 11, 14, 18, 21]
RATES = {"vehicle": 0.08, "A": 0.05, "B": 0.04, "A+B": 0.01}
SECONDS, BYTES = 20.0, 1 << 30


def study(mice: int = 4, arms: int = 3, seed: int = 5, **facts: object) -> pd.DataFrame:
    """A sound study: exponential growth, caliper noise, `mice` an arm."""
    random = np.random.default_rng(seed)
    curves = []
    for arm in list(RATES)[:arms]:
        for number in range(mice):
            rate, start = RATES[arm] + random.normal(0, 0.01), np.log(150) + random.normal(0, 0.2)
            noise = random.normal(0, 0.12, len(DAYS))
            curves.append(
                curve(f"{arm} {number}", arm, {
                    day: float(np.exp(start + rate * day + e)) for day, e in zip(DAYS, noise, strict=True)
                }, **facts)
            )  # fmt: skip
    return together(*curves)


def of_models(statuses: dict[str, str], mice: int = 3) -> pd.DataFrame:
    parts = [
        study(mice, 3, seed, pdx_model=model, map2k4_status=status)
        for seed, (model, status) in enumerate(statuses.items())
    ]
    return together(*parts)


def volumes(change: Callable[[pd.DataFrame], object], **size: int) -> pd.DataFrame:
    """The sound study with its volumes changed."""
    table = study(**size)
    return table.assign(volume_mm3=change(table))


def where(table: pd.DataFrame, chosen: pd.Series, value: float) -> pd.Series:
    return table["volume_mm3"].mask(chosen, value)


def renamed(names: dict[str, str]) -> pd.DataFrame:
    return study().assign(arm=lambda table: table["arm"].replace(names))


def large() -> pd.DataFrame:
    """10^5 readings of 5,000 mice."""
    random = np.random.default_rng(3)
    mice, days = 5000, np.arange(20) * 1.5
    arm = np.arange(mice) % 2
    rate, start = np.array([0.08, 0.05])[arm] + random.normal(0, 0.01, mice), random.normal(5, 0.2, mice)
    log_volume = start[:, None] + rate[:, None] * days + random.normal(0, 0.12, (mice, len(days)))
    return pd.DataFrame({
        "mouse": np.repeat([f"m{number}" for number in range(mice)], len(days)),
        "arm": np.repeat(np.array(["vehicle", "A"])[arm], len(days)), "day": np.tile(days, mice),
        "volume_mm3": np.exp(log_volume).ravel(),
    })  # fmt: skip


def duplicate() -> pd.DataFrame:
    return together(study(), study().head(1))


def one_reading_each() -> pd.DataFrame:
    return study().groupby("mouse", as_index=False).head(1)


def emptied_arm() -> pd.DataFrame:
    return volumes(lambda t: where(t, (t["arm"] == "A") & (t["day"] > 0), 0.0), mice=6)


def lone_survivor() -> pd.DataFrame:
    table = study()
    return table[(table["day"] <= 7) | (table["mouse"] == "A 0")]


SOUND = {"control": "vehicle"}
# name: (the table, the plan, what the refusal must say; None: a result)
STUDIES: dict[str, tuple[Callable[[], pd.DataFrame], dict, str | None]] = {
    "all zero": (lambda: volumes(lambda t: 0.0), SOUND, None),
    "all constant": (lambda: volumes(lambda t: 120.0), SOUND, None),
    "constant control": (lambda: volumes(lambda t: where(t, t["arm"] == "vehicle", 120.0)), SOUND, None),
    "one mouse an arm": (lambda: study(mice=1), SOUND, None),
    "one mouse in one arm": (lambda: study().query("arm != 'A' or mouse == 'A 0'"), SOUND, None),
    "arms fully separated": (
        lambda: volumes(lambda t: t["volume_mm3"] * np.where(t["arm"] == "A", np.exp(-0.5 * t["day"]), 1.0), mice=6),
        SOUND, None),
    "every reading below detection": (lambda: volumes(lambda t: t["volume_mm3"] / 1e3), SOUND, None),
    "one arm wholly below detection": (emptied_arm, SOUND, None),
    "one reading below detection": (
        lambda: volumes(lambda t: where(t, (t["mouse"] == "A 1") & (t["day"] == 21), 0.0), mice=6), SOUND, None),
    "zeros at baseline": (lambda: volumes(lambda t: where(t, t["day"] == 0, 0.0), mice=6), SOUND, None),
    "vehicle vanishes": (
        lambda: volumes(lambda t: where(t, (t["arm"] == "vehicle") & (t["day"] > 4), 0.0)), SOUND, None),
    "singular: mice of one arm alike": (
        lambda: volumes(lambda t: 150 * np.exp(0.05 * t["day"] + 0.1 * np.cos(7 * t.index))), SOUND, None),
    "identical mice": (
        lambda: volumes(lambda t: 150 * np.exp(t["arm"].map(RATES) * t["day"] + 0.1 * np.cos(t["day"]))), SOUND, None),
    "no noise at all": (lambda: volumes(lambda t: 150 * np.exp(t["arm"].map(RATES) * t["day"])), SOUND, None),
    "100,000 readings": (large, SOUND, None),
    "negative days": (lambda: study().assign(day=lambda t: t["day"] - 7), SOUND, None),
    "only days before dosing": (lambda: study().assign(day=lambda t: t["day"] - 30), SOUND, None),
    "fractional days": (lambda: study().assign(day=lambda t: t["day"] + 0.37), SOUND, None),
    "very late days": (lambda: study().assign(day=lambda t: t["day"] + 1000), SOUND, None),
    "duplicate day": (duplicate, SOUND, 'mouse vehicle 0, day 0": this mouse already has a reading'),
    "one day only": (lambda: study().query("day == 0"), SOUND, None),
    "two days only": (lambda: study().query("day in [0, 21]"), SOUND, None),
    "one reading a mouse": (one_reading_each, SOUND, None),
    "volumes all missing": (lambda: volumes(lambda t: np.nan), SOUND, "no volume"),
    "weights all missing": (lambda: study(weight_g=np.nan), SOUND, None),
    "weights of 0 and below": (lambda: study(weight_g=-1.0), SOUND, None),
    "no rows": (lambda: study().head(0), SOUND, "no rows"),
    "arms named None, NaN and by marks": (
        lambda: renamed({"A": "None", "B": 'nan "[T.x]": `+` <b>'}), SOUND, None),
    "arms named by numbers": (lambda: renamed({"vehicle": "0", "A": "1", "B": "1.0"}), {"control": "0"}, None),
    "arms that differ in case": (lambda: renamed({"A": "a", "B": "A"}), SOUND, None),
    "control not in the table": (study, {"control": "placebo"}, 'arm "placebo"'),
    "control cannot be told": (lambda: renamed({"vehicle": "X"}), {}, "name the control"),
    "control only": (lambda: study(arms=1), SOUND, None),
    "one loss-of-function model against one wild-type": (lambda: of_models({"P": "LOF", "Q": "WT"}), SOUND, None),
    "status unknown throughout": (lambda: of_models({"P": "", "Q": "vus", "R": ""}), SOUND, None),
    "statuses and arms never cross": (
        lambda: of_models({"P": "LOF", "Q": "WT"}).query("(pdx_model == 'P') != (arm == 'A')"), SOUND, None),
    "a model of two statuses": (
        lambda: together(
            study(map2k4_status="WT"), study().assign(mouse="x", day=np.arange(84), map2k4_status="LOF")),
        SOUND, "two different statuses"),
    "vehicle shrinks": (
        lambda: volumes(lambda t: t["volume_mm3"] * np.where(t["arm"] == "vehicle", np.exp(-0.2 * t["day"]), 1.0)),
        SOUND, None),
    "volumes of 1e-6": (lambda: volumes(lambda t: t["volume_mm3"] * 1e-8), SOUND, None),
    "volumes of 1e9": (lambda: volumes(lambda t: t["volume_mm3"] * 1e7), SOUND, None),
    "one absurd reading": (
        lambda: volumes(lambda t: where(t, (t["mouse"] == "A 0") & (t["day"] == 11), 1e12)), SOUND, None),
    "a negative volume": (lambda: volumes(lambda t: -t["volume_mm3"]), SOUND, "a volume cannot be negative"),
    "an infinite volume": (
        lambda: volumes(lambda t: where(t, (t["mouse"] == "A 0") & (t["day"] == 11), np.inf)), SOUND, "finite"),
    "followed by one mouse only": (lone_survivor, SOUND, None),
    "a window without readings": (study, {**SOUND, "window": [100, 200]}, None),
    "everyone excluded": (
        lambda: study(mice=1, arms=2),
        {**SOUND, "exclusions": [{"mouse": f"{arm} 0", "reason": "escaped"} for arm in ("vehicle", "A")]}, "no volume"),
    "one cage an arm": (lambda: study().assign(cage=lambda t: t["arm"]), SOUND, None),
    "blocks of one mouse": (lambda: study().assign(block=lambda t: t["mouse"]), SOUND, None),
    "every mouse found dead at once": (lambda: study(exit_reason="found_dead").query("day <= 7"), SOUND, None),
}  # fmt: skip


@cache
def outcome(name: str) -> tuple[dict | None, AnalysisError | None, float]:
    table, plan, _ = STUDIES[name]
    made, began = table(), time.process_time()
    try:
        return analyze_study(made, plan).to_dict(), None, time.process_time() - began
    except AnalysisError as error:
        return None, error, time.process_time() - began


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", STUDIES)
def test_a_result_or_a_plain_refusal(name):
    expected = STUDIES[name][2]
    result, refusal, seconds = outcome(name)
    assert seconds < SECONDS
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 < BYTES
    if expected is None:
        assert refusal is None, refusal
        json.dumps(result, allow_nan=False)
    else:
        assert expected in str(refusal)


@pytest.mark.parametrize("name", [name for name, (_, _, refusal) in STUDIES.items() if refusal is None])
def test_what_could_not_be_fitted_has_its_reason(name):
    result, _, _ = outcome(name)
    if result["mixed_model"] is None:
        assert any(note.startswith("mixed_model is null: ") for note in result["notes"])


def test_one_model_against_one_is_blocked_with_a_reason():
    result, _, _ = outcome("one loss-of-function model against one wild-type")
    for row in result["map2k4"]["interaction"]:
        assert (row["p_value"], row["claim"]) == (None, False)
        assert "no test" in row["reason"]
