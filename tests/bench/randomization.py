"""What randomization promises, measured on simulated cohorts and printed: `make randomization-figures`.

Volumes are log-normal with median 150 mm³ and sigma 0.35, weights 22 ± 1.6 g. |SMD| is the range of arm means over
the pooled within-arm SD.
"""

import sys
import time
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from studies.randomization import ArmShare, Candidate, Plan, balance, draw, redraw
from studies.randomization.exchange import meetings

SIZES = ((4, 8), (6, 10))


@dataclass(frozen=True)
class BalanceFigures:
    """Medians over cohorts of the largest |SMD| and variance ratio over log volume and weight."""

    smd: float
    smd_worst: float
    variance_ratio: float
    rejected: float
    seconds: float


@dataclass(frozen=True)
class FairnessFigures:
    """Over seeds of one cohort: each mouse in each arm, each two mice together, and how many allocations differ.

    `least_p` is the smallest of the mice's chi-square p values, `extremes` how often the two largest tumors
    meet, `meeting` quantiles (least, 5, 50, 95 %, most) over pairs, `widened` the factor on the limits.
    """

    least_p: float
    meeting: tuple[float, ...]
    extremes: float
    distinct: float
    widened: float


def simulated_cohort(mice: int, rng: np.random.Generator) -> list[Candidate]:
    volumes = 150 * np.exp(0.35 * rng.standard_normal(mice))
    weights = 22 + 1.6 * rng.standard_normal(mice)
    return [
        Candidate(f"M{number:03d}", float(volume), float(weight))
        for number, (volume, weight) in enumerate(zip(volumes, weights, strict=True), start=1)
    ]


def plan_of(arms: int, **options) -> Plan:
    return Plan(tuple(ArmShare(f"arm {number}") for number in range(1, arms + 1)), **options)


def balance_figures(arms: int, per_arm: int, cohorts: int, **options) -> BalanceFigures:
    rng, rows = np.random.default_rng(20), []
    started = time.perf_counter()
    for seed in range(cohorts):
        mice, plan = simulated_cohort(arms * per_arm, rng), plan_of(arms, **options)
        drawing = draw(mice, plan, f"{seed:x}")
        found = balance(mice, drawing.arms, plan.names)
        ratio = max(one.variance_ratio for one in found.covariates)
        rows.append((found.largest_smd, ratio, drawing.rejected))
    seconds = (time.perf_counter() - started) / cohorts
    smd, ratio, rejected = np.array(rows).T
    medians = [float(np.median(column)) for column in (smd, ratio, rejected)]
    return BalanceFigures(medians[0], float(smd.max()), medians[1], medians[2], seconds)


def fairness_figures(mice: list[Candidate], plan: Plan, labels: np.ndarray) -> FairnessFigures:
    """`labels`: seeds x mice, places in the plan."""
    arms = len(plan.arms)
    counts = np.stack([(labels == arm).sum(axis=0) for arm in range(arms)])
    expected = len(labels) / arms
    p = chi2.sf(((counts - expected) ** 2 / expected).sum(axis=0), arms - 1)
    shares = meetings(labels)
    largest = np.argsort([-mouse.volume_mm3 for mouse in mice])[:2]
    pairs = shares[np.triu_indices(len(mice), k=1)]
    factor = draw(mice, plan, "1").limits["factor"]
    return FairnessFigures(
        least_p=float(p.min()),
        meeting=tuple(float(value) for value in np.quantile(pairs, (0, 0.05, 0.5, 0.95, 1))),
        extremes=float(shares[largest[0], largest[1]]),
        distinct=len(np.unique(labels, axis=0)) / len(labels),
        widened=factor,
    )


def by_seed(mice: list[Candidate], plan: Plan, seeds: int) -> np.ndarray:
    """The drawing of every seed in full, as a director would press the button."""
    rows = [draw(mice, plan, f"{seed:x}").arms for seed in range(seeds)]
    place = {arm: number for number, arm in enumerate(plan.names)}
    return np.array([[place[arm] for arm in row] for row in rows])


def print_balance(cohorts: int) -> None:
    print(f"median over {cohorts} cohorts of the largest |SMD| over log volume and weight")
    ways = (
        ("simple", {"method": "simple"}),
        ("sorted block", {"method": "sorted_block"}),
        ("balanced exchange, means", {"balance_variances": False}),
        ("balanced exchange, means and variances", {}),
    )
    for arms, per_arm in SIZES:
        for name, options in ways:
            found = balance_figures(arms, per_arm, cohorts, **options)
            print(
                f"  {arms} x {per_arm:<2} {name:<39} |SMD| {found.smd:.3f} (worst {found.smd_worst:.3f}), "
                f"variance ratio {found.variance_ratio:.2f}, rejected {found.rejected:.0f} of 200, "
                f"{found.seconds:.2f} s",
                flush=True,
            )


def print_fairness(cohorts: int, seeds: int) -> None:
    for variances in (False, True):
        for arms, per_arm in SIZES:
            rng, found = np.random.default_rng(21), []
            for cohort in range(cohorts):
                mice = simulated_cohort(arms * per_arm, rng)
                plan = plan_of(arms, balance_variances=variances)
                labels = redraw(mice, plan, seeds, np.random.default_rng(cohort))
                found.append(fairness_figures(mice, plan, labels))
            _print_fairness(found, arms, per_arm, seeds, "means and variances" if variances else "means")


def _print_fairness(found: list[FairnessFigures], arms: int, per_arm: int, seeds: int, what: str) -> None:
    mice, tests = arms * per_arm, arms * per_arm * len(found)
    spread = np.array([one.meeting for one in found])
    least = min(one.least_p for one in found)
    print(f"{arms} x {per_arm}, {what}: {seeds} seeds in each of {len(found)} cohorts")
    print(f"  smallest chi-square p of {tests} mice: {least:.2g} (by chance about {1 / tests:.2g})")
    print(f"  two mice share an arm, chance {(per_arm - 1) / (mice - 1):.0%}: least {spread[:, 0].min():.0%}, "
          f"5 % of pairs {np.median(spread[:, 1]):.0%}, median {np.median(spread[:, 2]):.0%}, "
          f"95 % {np.median(spread[:, 3]):.0%}, most {spread[:, 4].max():.0%}")  # fmt: skip
    print(
        f"  the two largest tumors meet in {np.mean([one.extremes for one in found]):.0%}: balance keeps them apart"
    )
    print(f"  different allocations: {min(one.distinct for one in found):.1%} of seeds at least; limits widened in "
          f"{sum(one.widened > 1 for one in found)} cohorts, at most {max(one.widened for one in found):.2g} times",
          flush=True)  # fmt: skip


def print_seeds_in_full(seeds: int) -> None:
    for arms, per_arm in SIZES:
        mice, plan = simulated_cohort(arms * per_arm, np.random.default_rng(22)), plan_of(arms)
        found = fairness_figures(mice, plan, by_seed(mice, plan, seeds))
        print(f"each of {seeds} seeds drawn in full, one cohort:", end=" ")
        _print_fairness([found], arms, per_arm, seeds, "means and variances")


def main(scale: float = 1.0) -> int:
    print_balance(round(200 * scale))
    print_fairness(max(2, round(20 * scale)), round(2000 * scale))
    print_seeds_in_full(round(2000 * scale))
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(float, sys.argv[1:])))
