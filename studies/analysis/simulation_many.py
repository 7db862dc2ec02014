"""Many studies of one design drawn at once, for power by simulation and for measuring error rates.

Each study draws its own PDX models too: their growth and what a drug does to them differ from model to model.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from studies.analysis.simulation import balanced_arms, draw_mice, follow_mice
from studies.analysis.simulation_design import Design
from studies.terms import MeasurementStatus

COLUMNS = ["study", "source_study", "pdx_model", "map2k4_status", "arm", "role", "mouse", "cage", "day",
           "volume_mm3", "exit_reason"]  # fmt: skip


@dataclass(frozen=True)
class ModelSpread:
    """How PDX models of one status differ: in ln V at enrollment, in growth, and (tau) in an arm's effect, per day.

    As in M4 every arm of a model, the control too, has a slope of its own; tau is the spread of their difference.
    """

    log_volume_sd: float = 0.0
    growth_sd: float = 0.0
    effect_sd: float = 0.0


def simulate_many(
    design: Design, studies: int, rng: np.random.Generator, spread: ModelSpread | None = None
) -> pd.DataFrame:
    """`studies` studies in one table, the analysis's columns, one row a mouse and day read; `study` is 0, 1, ...

    A tumor below detection stands as 0, a missed reading has no row.
    """
    many = replace(design, models=_drawn_models(design, studies, rng, spread or ModelSpread()))
    mice = draw_mice(many, rng)
    drawn = follow_mice(many, mice, balanced_arms(many, rng), rng)
    table = drawn.table
    volume = (table["length_mm"] * table["width_mm"] ** 2 / 2).to_numpy()
    absent = table["status"].isin([MeasurementStatus.NOT_PALPABLE, MeasurementStatus.TOO_SMALL])
    volume = np.where(absent, 0.0, volume)
    study = mice["model_number"].to_numpy() // len(design.models)
    place = table["mouse"].map(dict(zip(mice["mouse"], study, strict=True))).to_numpy()
    frame = table.assign(study=place, source_study="S", cage="", volume_mm3=volume)[COLUMNS]
    return frame[~np.isnan(volume)].reset_index(drop=True)


def _drawn_models(design: Design, studies: int, rng: np.random.Generator, spread: ModelSpread) -> tuple:
    count, names = len(design.models), [arm.name for arm in design.arms]
    volume = rng.normal(0, spread.log_volume_sd, (studies, count))
    growth = rng.normal(0, spread.growth_sd, (studies, count))
    effect = rng.normal(0, spread.effect_sd / np.sqrt(2), (studies, count, len(names)))
    drawn = []
    for study in range(studies):
        for place, model in enumerate(design.models):
            own = growth[study, place] + effect[study, place]
            slopes = {name: model.slopes[name] + float(own[arm]) for arm, name in enumerate(names)}
            median = model.enrollment_mm3 * float(np.exp(volume[study, place]))
            drawn.append(replace(model, code=f"{study}-{model.code}", slopes=slopes, enrollment_mm3=median))
    return tuple(drawn)
