"""Log-likelihoods of 500 random, unbalanced and singular data sets: never below those of lme4."""

import time

import numpy as np
import pandas as pd

from studies.analysis import fit_lmm
from tests.bench.corpus import SETS, corpus_set
from tests.bench.r import R, against_r
from tests.bench.ratio import Ratio


def corpus(r: R) -> list[Ratio]:
    sets = [corpus_set(number) for number in range(SETS)]
    r.hand_over("corpus", pd.concat([table for _, table in sets]))
    started = time.process_time()
    fits = [fit_lmm(formula, table) for formula, table in sets]
    seconds = time.process_time() - started
    formulas = {str(number): formula for number, (formula, _) in enumerate(sets)}
    answer = r.ask("optima", table="corpus", formulas=formulas, by="set")
    order = np.argsort([int(name) for name in answer["set"]])
    default, tight = (np.array(answer[name], dtype=float)[order] for name in ("default", "tight"))
    ours = np.array([fit.loglik for fit in fits])
    below = np.flatnonzero(~((ours >= default - 1e-9) & (ours >= tight - 1e-8)))
    if below.size:
        number = int(below[0])
        raise AssertionError(
            f"set {number}: {ours[number]:.10f} here, {default[number]:.10f} and {tight[number]:.10f} in R"
        )
    singular, certain = sum(fit.at_boundary for fit in fits), sum(fit.optimum.converged for fit in fits)
    print(f"  {SETS} sets, {singular} singular, {certain} with their certificate. Log-likelihood less lme4's default:"
          f" {np.min(ours - default):.1e} to {np.max(ours - default):.1e}; less the best found in small steps from"
          f" three starts: {np.min(ours - tight):.1e} to {np.max(ours - tight):.1e}")  # fmt: skip
    return [
        Ratio(
            f"{SETS} sets with their certificates", "lme4's default fits", seconds, answer["default_seconds"]
        )
    ]


def main() -> list[Ratio]:
    return against_r(corpus)
