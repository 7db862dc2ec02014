"""250 mixed models side by side against a loop of lmer, and against their own optima."""

import numpy as np

from studies.analysis import fit_lmm_each
from tests.bench.growth import ALONE, growth
from tests.bench.r import R, against_r
from tests.bench.ratio import Ratio, processor_seconds


def separate(r: R) -> list[Ratio]:
    table = growth(8000, 250, 4).drop(columns="map2k4")
    r.hand_over("separate", table)
    answer = r.ask("time_each", table="separate", formula=ALONE, by="pdx_model")
    ours = processor_seconds(lambda: fit_lmm_each(ALONE, table, "pdx_model"), 10)
    tested = processor_seconds(lambda: fit_lmm_each(ALONE, table, "pdx_model").coefficients())
    short = np.min(fit_lmm_each(ALONE, table, "pdx_model").loglik.to_numpy() - np.array(answer["loglik"]))
    if short < -1e-8:
        raise AssertionError(f"one of 250 models lies {-short:.2g} below lme4's log-likelihood")
    what = f"250 separate models, {len(table):,} rows"
    return [
        Ratio(f"{what}: the fits", "a loop of lmer", ours, answer["seconds"], at_least=60),
        Ratio(f"{what}: fits and Kenward-Roger", "a loop of lmer without", tested, answer["seconds"]),
    ]


def main() -> list[Ratio]:
    return against_r(separate)
