"""Power by simulation: what formulas leave out, analyzed by the very procedure the study will be analyzed by."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any

import numpy as np
import pandas as pd

from studies.analysis.intervals import wilson
from studies.analysis.many_studies import BLISS, INTERACTION, analyze_many
from studies.analysis.plan import Plan, resolve_plan
from studies.analysis.power import Variability
from studies.analysis.simulation_design import Design, Variation
from studies.analysis.simulation_many import ModelSpread, simulate_many
from studies.analysis.tables import normalize_table
from studies.terms import BiomarkerStatus

TYPICAL_MM3 = 300.0
CALIPER_MM = 0.35


@dataclass(frozen=True)
class SimulatedPower:
    """How often one effect was shown, in percent of the studies simulated, with Wilson's 95 % interval.

    `question` and `arm` name the effect, `truth_per_day` what it is. `covered_percent`: intervals that hold the truth;
    `mean_width_per_day` theirs. A study refused or without the effect (`not_estimated`) counts as not showing it.
    """

    question: str
    arm: str
    truth_per_day: float
    studies: int
    shown_percent: float
    ci_low: float
    ci_high: float
    covered_percent: float | None
    mean_estimate_per_day: float | None
    mean_width_per_day: float | None
    not_estimated: int
    singular: int


@dataclass(frozen=True)
class Simulation:
    """Every effect's power, the mice a study takes, and how they left, in percent of the mice by exit reason."""

    effects: list[SimulatedPower]
    mice: int
    exits_percent: dict[str, float]
    refused: dict[int, str]


def simulated_power(
    design: Design,
    plan: Mapping[str, Any],
    studies: int,
    rng: np.random.Generator,
    spread: ModelSpread | None = None,
    batch: int = 250,
) -> Simulation:
    """Simulate studies of a design and analyze each by the plan.

    A contrast counts as shown where its adjusted p is below alpha, a Bliss excess and an interaction likewise by
    theirs. Run again with `without_effects(design)` the same share is the procedure's type I error.
    """
    found: list[pd.DataFrame] = []
    exits: pd.Series = pd.Series(dtype=float)
    refused: dict[int, str] = {}
    singular, resolved = 0, None
    for start in range(0, studies, batch):
        frame = simulate_many(design, min(batch, studies - start), rng, spread)
        resolved = resolved or _plan(frame, plan)
        outcomes = analyze_many(frame, resolved)
        found.append(outcomes.effects)
        refused |= {start + study: reason for study, reason in outcomes.refused.items()}
        singular += int(outcomes.singular.sum())
        exits = exits.add(frame.drop_duplicates("mouse")["exit_reason"].value_counts(), fill_value=0)
    assert resolved is not None
    effects = pd.concat(found)
    mice = design.mice_per_arm * len(design.arms) * len(design.models)
    return Simulation(
        [
            _power(rows, question, arm, true_effect(design, resolved, question, arm), studies, resolved, singular)
            for (question, arm), rows in effects.groupby(level=["question", "arm"], sort=False)
        ],
        mice, {str(reason): 100 * float(n) / (mice * studies) for reason, n in exits.items()}, refused,
    )  # fmt: skip


def without_effects(design: Design) -> Design:
    """The design in which no drug does anything: every arm of a PDX model grows as its control."""
    models = tuple(
        replace(model, slopes=dict.fromkeys(model.slopes, model.slopes[design.control]))
        for model in design.models
    )
    return replace(design, models=models)


def true_effect(design: Design, plan: Plan, question: str, arm: str) -> float:
    """The difference of slopes an effect stands for, as declared: mean over PDX models, resistance and delay apart."""

    def slope(name: str, status: str | None = None) -> float:
        return float(np.mean([m.slopes[name] for m in design.models if status in (None, m.status)]))

    control = plan.control_of(arm)
    if question == INTERACTION:
        loss, wild = str(BiomarkerStatus.LOSS_OF_FUNCTION), str(BiomarkerStatus.WILD_TYPE)
        return slope(arm, loss) - slope(control, loss) - slope(arm, wild) + slope(control, wild)
    if question == BLISS:
        parts = next(row["parts"] for row in plan["combinations"] if row["arm"] == arm)
        return slope(arm) - sum(slope(part) for part in parts) + (len(parts) - 1) * slope(control)
    return slope(arm) - slope(control)


def variation_of(variability: Variability, **other: float) -> Variation:
    """How mice vary where a lab's own studies have told: calipers err by 0.35 mm, and a reading by what then lacks.

    A 300 mm3 tumor stands for all in setting the two apart.
    """
    side = (2 * TYPICAL_MM3) ** (1 / 3)
    calipers = 5 * (CALIPER_MM / side) ** 2  # (s / L)^2 + 4 (s / W)^2
    rest = sqrt(max(variability.residual_sd**2 - calipers, 0.0))
    share = min(1.0, variability.residual_sd / sqrt(calipers))
    return Variation(
        mouse_slope_sd=variability.mouse_slope_sd,
        caliper_sd_mm=share * CALIPER_MM,
        log_reading_sd=rest,
        **other,
    )


def _plan(frame: pd.DataFrame, given: Mapping[str, Any]) -> Plan:
    first = frame[frame["study"] == 0].drop(columns="cage").assign(study="S")
    last = float(frame["day"].max())
    return resolve_plan(normalize_table(first), {"dosing": [0, last], **given})


def _power(
    rows: pd.DataFrame, question: str, arm: str, truth: float, studies: int, plan: Plan, singular: int
) -> SimulatedPower:
    p = rows["p_value"] if question == BLISS else rows["p_adjusted"]
    shown = int((p < plan["alpha"]).sum())
    low, high = wilson(shown, studies)
    known = rows[rows["se"].notna()]
    held = known["ci_low"].le(truth) & known["ci_high"].ge(truth)
    return SimulatedPower(
        question, arm, truth, studies, 100 * shown / studies, low or 0.0, high or 0.0,
        100 * float(held.mean()) if len(known) else None,
        float(known["estimate"].mean()) if len(known) else None,
        float((known["ci_high"] - known["ci_low"]).mean()) if len(known) else None,
        studies - len(known), singular,
    )  # fmt: skip
