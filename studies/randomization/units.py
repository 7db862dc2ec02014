"""What is exchanged: mice, or whole cages, with their covariates as whole numbers.

Covariates are standardized and rounded to 1/256 of a standard deviation; from there on only whole numbers are
added and compared. A sum of floats may differ in its last bit between two processors, and one such bit would
be enough to choose another allocation: whole numbers make the replay the same on every machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studies.randomization.blocks import keys_of
from studies.randomization.dealing import Labels, strata_of
from studies.randomization.roster import COVARIATES, Candidate, Plan

Floats = NDArray[np.float64]
SCALE = 256


@dataclass(frozen=True)
class Units:
    """The exchangeable units of a cohort.

    `z` are sums of standardized covariates (units x covariates, 256 a standard deviation), `squares` those
    of their squares, `size` the mice of a unit, `stratum` within which it may be exchanged, `members` the
    unit of each mouse. `names` are the covariates kept, `notes` why one was left out.
    """

    z: Floats
    squares: Floats
    size: Floats
    keys: list[tuple[str, ...]]
    stratum: Labels
    members: Labels
    names: tuple[str, ...]
    weights: Floats
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.size)


def covariate(name: str, mice: Sequence[Candidate]) -> NDArray[np.float64]:
    """The values of one covariate; NaN where a mouse has none."""
    read = {
        "log_volume": lambda mouse: np.log(mouse.volume_mm3) if mouse.volume_mm3 > 0 else None,
        "weight": lambda mouse: mouse.weight_g,
        "growth_rate": lambda mouse: mouse.growth_rate_per_day,
    }[name]
    return np.array([np.nan if (value := read(mouse)) is None else value for mouse in mice], dtype=float)


def units_of(mice: Sequence[Candidate], plan: Plan, by_cage: bool = False) -> Units:
    """The units of a cohort: its mice, or its cages where a cage gets one arm."""
    columns: list[Floats] = []
    names: list[str] = []
    notes: list[str] = []
    for name in COVARIATES:
        if not plan.weights.get(name):
            continue
        values = covariate(name, mice)
        if reason := _unusable(name, values, mice):
            notes.append(reason)
        else:
            names.append(name)
            columns.append(np.rint((values - values.mean()) / values.std(ddof=1) * SCALE))
    z = np.column_stack(columns) if columns else np.zeros((len(mice), 0))
    cages = [(mouse.cage or f"no cage, {mouse.mouse}",) for mouse in mice] if by_cage else None
    members = strata_of(cages) if cages else np.arange(len(mice))
    count = int(members.max()) + 1
    size = np.bincount(members, minlength=count).astype(float)
    first = [int(np.flatnonzero(members == unit)[0]) for unit in range(count)]
    strata = [factor for factor in plan.strata if not (by_cage and factor == "cage")]
    keys = keys_of([mice[mouse] for mouse in first], strata)
    if by_cage:
        keys = [(*key, f"{mice_in:g} mice") for key, mice_in in zip(keys, size, strict=True)]
    weights = np.array([float(round(4 * plan.weights[name])) for name in names])
    return Units(
        _summed(z, members, count),
        _summed(np.rint(z * z / SCALE), members, count),
        size,
        keys,
        strata_of(keys),
        members,
        tuple(names),
        weights,
        tuple(notes),
    )


def _unusable(name: str, values: NDArray[np.float64], mice: Sequence[Candidate]) -> str:
    plain = name.replace("_", " ")
    missing = [mouse.mouse for mouse, value in zip(mice, values, strict=True) if np.isnan(value)]
    if len(missing) == len(mice):
        return f"{plain} is not balanced: it is known of no mouse"
    if missing:
        shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        return f"{plain} is not balanced: it is not known of {shown}"
    if len(mice) < 2 or np.ptp(values) == 0:
        return f"{plain} is not balanced: it is the same in every mouse"
    return ""


def _summed(rows: Floats, members: Labels, count: int) -> Floats:
    out = np.zeros((count, rows.shape[1]))
    np.add.at(out, members, rows)
    return out
