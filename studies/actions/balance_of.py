"""The balance of a stored randomization: by arm, and what of it may be told while arms are hidden."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from studies.models import Randomization

if TYPE_CHECKING:
    from studies.randomization import Balance


@dataclass(frozen=True)
class Band:
    """One covariate of all arms together: between which limits its largest |SMD| and its variance ratio lie."""

    name: str
    smd: str
    variance_ratio: str
    grade: str


def balance_of(randomization: Randomization) -> "Balance":
    """Balance of the mice drawn, by arm, from the stored input."""
    from studies.randomization import balance, from_rows

    mice = [mouse for mouse in from_rows(randomization.ordered_input) if not mouse.arm]
    arm_of = dict(randomization.allocations.values_list("mouse__label", "arm__name"))
    order = list(randomization.study.arms.order_by("position", "name").values_list("name", flat=True))
    factors = randomization.parameters["plan"]["strata"]
    return balance(mice, [arm_of[mouse.mouse] for mouse in mice], order, factors)


def bands(found: "Balance") -> list[Band]:
    """What a blinded reader is told: between which limits the arms differ.

    Means of unnamed groups would be too much: whoever reads the volumes of twelve mice finds the three of them
    with a given mean and spread, and so which mice share an arm.
    """
    from studies.randomization.balance import SMD_LIMITS, VARIANCE_RATIO_LIMITS

    return [
        Band(
            one.name,
            _band(one.largest_smd, SMD_LIMITS, 2),
            _band(one.variance_ratio, VARIANCE_RATIO_LIMITS, 0),
            one.grade,
        )
        for one in found.covariates
    ]


def _band(value: float | None, limits: tuple[float, float], decimals: int) -> str:
    if value is None:
        return "not to be had"
    low, high = (f"{limit:.{decimals}f}" for limit in limits)
    if value <= limits[0]:
        return f"at most {low}"
    return f"{low} to {high}" if value <= limits[1] else f"above {high}"
