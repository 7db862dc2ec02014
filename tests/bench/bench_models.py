"""Mixed models against lme4 and pbkrtest, both warm, on the same tables in the same run.

Seconds are processor time on both sides. lme4's "tight" fit is its default one gone on with in small steps, since the
default stops short of the optimum; Kenward-Roger is vcovAdj and then Lb_ddf for every coefficient.
"""

import numpy as np
import pandas as pd

from studies.analysis import fit_lmm, fit_lmm_each, normalize_table, responses, tgi
from tests.bench.growth import ALONE, growth
from tests.bench.r import R, against_r
from tests.bench.ratio import Ratio, processor_seconds

BY_MOUSE = "log_volume ~ day * arm * map2k4 + (1 + day | mouse)"
NESTED = "log_volume ~ day * arm * map2k4 + (1 + day | pdx_model/mouse)"


def fit_and_test(formula: str, table: pd.DataFrame) -> None:
    fit = fit_lmm(formula, table)
    fit.coefficients()
    fit.coefficients("satterthwaite")


def small(r: R) -> list[Ratio]:
    table = growth(40, 1, 4)
    r.hand_over("S", table)
    ours, theirs = [], []
    for _ in range(10):
        theirs.append(r.ask("time_fit", table="S", formula=BY_MOUSE, tight=False, df=False)["default"])
        ours.append(processor_seconds(lambda: fit_lmm(BY_MOUSE, table), 3))
    return [
        Ratio(
            f"S, {len(table)} rows: the fit", "lme4's default fit alone", min(ours), min(theirs), at_least=1
        )
    ]


def medium_nested(r: R) -> list[Ratio]:
    table = growth(800, 40, 4)
    r.hand_over("M", table)
    answer = r.ask("time_fit", table="M", formula=NESTED)
    same(NESTED, table, answer["loglik"])
    ours = processor_seconds(lambda: fit_lmm(NESTED, table).coefficients())
    theirs = answer["default"] + answer["tight"] + answer["kenward_roger"]
    what = f"nested M, {len(table):,} rows: fit and Kenward-Roger"
    return [Ratio(what, "tight lme4 with pbkrtest", ours, theirs, at_least=200)]


def large(r: R) -> list[Ratio]:
    """L; and what a whole program costs against one fit of it."""
    table = growth(4800, 250, 20)
    r.hand_over("L", table)
    answer = r.ask("time_fit", table="L", formula=BY_MOUSE)
    same(BY_MOUSE, table, answer["loglik"])
    ours = processor_seconds(lambda: fit_and_test(BY_MOUSE, table))
    theirs = answer["default"] + answer["tight"] + answer["kenward_roger"]
    what = f"L, {len(table):,} rows: fit, Satterthwaite, Kenward-Roger for {len(answer['df'])} coefficients"
    return [
        Ratio(what, "tight lme4 with pbkrtest, without Satterthwaite", ours, theirs, at_least=200),
        Ratio(what, "lme4's default fit alone", ours, answer["default"]),
        program(answer["default"]),
        nested_large(r, table),
    ]


def nested_large(r: R, table: pd.DataFrame) -> Ratio:
    answer = r.ask("time_fit", table="L", formula=NESTED, tight=False, df=False)
    ours = processor_seconds(lambda: fit_and_test(NESTED, table), 3)
    yardstick = "lme4's default fit alone (pbkrtest would need minutes and some 7 GB there: not run)"
    return Ratio("nested L: fit, Satterthwaite, Kenward-Roger", yardstick, ours, answer["default"])


def program(one_fit: float) -> Ratio:
    table = growth(4800, 250, 4).drop(columns="map2k4")
    volumes = normalize_table(table.assign(study="bench", volume_mm3=np.exp(table["log_volume"])))

    def everything() -> None:
        tgi(volumes, "A0000", 20.0)
        responses(volumes)
        fit_lmm_each(ALONE, table, "pdx_model").coefficients()
        fit_lmm("log_volume ~ day * arm + (1 + day | pdx_model/mouse)", table).coefficients()

    what = "a program of 4,800 mice: TGI, mRECIST, 250 models, the nested one with Kenward-Roger"
    return Ratio(what, "lme4's default fit at L", processor_seconds(everything, 3), one_fit, at_most=1)


def same(formula: str, table: pd.DataFrame, loglik: float) -> None:
    ours = fit_lmm(formula, table).loglik
    if not loglik - 1e-8 <= ours <= loglik + 1e-4:
        raise AssertionError(f"{formula}: log-likelihood {ours:.9f} here, {loglik:.9f} in R")


def main() -> list[Ratio]:
    return against_r(lambda r: [*small(r), *medium_nested(r), *large(r)])
