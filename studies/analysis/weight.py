"""Body weight: how far mice and arms fell from their weight at the first dose, gross and without the
tumor.

Net weight is body weight less the tumor's, taken as 1 g per cm3: a tumor of 1500 mm3 hides a loss of 7 %
in a mouse of 22 g. Both the least of the arm's mean curve and the mean of each mouse's own least are
given, since the first hides mice that left.
"""

import numpy as np
import pandas as pd

from studies import wording
from studies.analysis.curves import BASELINE_LAST_DAY
from studies.analysis.tables import COLUMNS, NormalizedTable, normalize_table
from studies.terms import ExitReason, YesNoUnknown

TUMOR_G_PER_MM3 = 0.001
LOSS_LIMITS_PERCENT = (10, 15, 20)
MTD_MEAN_LOSS_PERCENT = 20.0
MTD_MICE_A_DEATH = 10
FEWEST_MICE_OF_A_MEAN, LEAST_SHARE_OF_A_MEAN = 3, 0.5
LONG_LOSS_PERCENT = 15.0
RECOVERED_PERCENT = 5.0
DECIMALS = 9  # of a percent, so that a loss from 22 to 17.6 g is 20 % and not a last bit less
DEATHS = {str(ExitReason.FOUND_DEAD), str(ExitReason.TREATMENT_TOXICITY), str(ExitReason.BODY_WEIGHT),
          str(ExitReason.CLINICAL_SIGNS)}  # fmt: skip


def weight_change(table: pd.DataFrame | NormalizedTable, net: bool = False) -> pd.DataFrame:
    """Percent change from baseline weight, a row a weighing at or after day 0: mouse, pdx_model, arm,
    day, weight_g, percent.

    Baseline is the mouse's last weight at or before day 0, else its first. `net` takes the tumor's weight
    off; a weighing without a known volume then has none.
    """
    frame = frame_of(table)
    weight = frame["weight_g"] - (TUMOR_G_PER_MM3 * frame["volume_mm3"] if net else 0.0)
    weighed = frame.assign(weight_g=weight)[weight.notna() & (weight > 0)]
    weighed = weighed.sort_values(["mouse", "day"], kind="stable")
    before = weighed[weighed["day"] <= BASELINE_LAST_DAY].groupby("mouse", sort=False)["weight_g"].last()
    first = weighed.groupby("mouse", sort=False)["weight_g"].first()
    baseline = before.reindex(first.index).fillna(first)
    kept = weighed[weighed["day"] >= BASELINE_LAST_DAY]
    start = baseline.reindex(kept["mouse"]).to_numpy()
    percent = np.round(100 * (kept["weight_g"].to_numpy() - start) / start, DECIMALS)
    columns = ["mouse", "pdx_model", "map2k4_status", "arm", "day", "weight_g"]
    return kept[columns].assign(percent=percent).reset_index(drop=True)


def weight_summary(table: pd.DataFrame | NormalizedTable) -> pd.DataFrame:
    """One row an arm with weights:

    - n_mice weighed; max_mean_loss_percent and nadir_day (n_at_nadir mice) of the mean curve; mean_max_loss_percent,
      the mean of each mouse's own greatest loss; the same net of the tumor (net_...);
    - tolerated_loss_percent, nadir of the mean curve over days with at least half of the arm's mice and three of them:
      the one that judges the dose, since a mean of the last mouse is no mean;
    - n_loss_10, n_loss_15, n_loss_20: mice that ever lost that many percent; days_below_15: mouse-days spent below
      -15 %, straight lines between weighings; recovery_day: the first after the nadir on which the mean is back within
      5 %, where it was not;
    - n_enrolled; n_exits_weight: mice that left for weight; deaths and culls for health by attribution:
      n_deaths_treatment, n_deaths_other, n_deaths_unknown;
    - over_mtd: tolerated_loss_percent above 20 %, or more treatment-related deaths than one, and than one in ten mice,
      unknown causes counted as treatment-related; over_mtd_attributed: the same without the unknown; mtd_reason.

    A loss is positive; 0 where an arm never fell below its start.
    """
    frame = frame_of(table)
    gross, net = weight_change(frame), weight_change(frame, net=True)
    rows = []
    for arm in pd.unique(gross["arm"]):
        mine = gross[gross["arm"] == arm]
        row = {"arm": arm, "n_mice": int(mine["mouse"].nunique()), **_losses(mine)}
        row |= {
            f"net_{name}": value
            for name, value in _losses(net[net["arm"] == arm]).items()
            if not name.startswith(("n_loss", "days_", "recovery"))
        }
        row |= _deaths(frame[frame["arm"] == arm])
        rows.append(row | _tolerability(row))
    return pd.DataFrame(rows)


def frame_of(table: pd.DataFrame | NormalizedTable) -> pd.DataFrame:
    """The normalized rows of a table, however it came."""
    frame = table.frame if isinstance(table, NormalizedTable) else table
    return frame if set(COLUMNS) <= set(frame.columns) else normalize_table(frame).frame


def _losses(changes: pd.DataFrame) -> dict[str, float | int | None]:
    if changes.empty:
        nothing = ("max_mean_loss_percent", "nadir_day", "mean_max_loss_percent", "tolerated_loss_percent")
        return dict.fromkeys(nothing) | {"n_at_nadir": 0}
    by_day = changes.groupby("day")["percent"].agg(["mean", "size"]).round(DECIMALS)
    day = by_day["mean"].idxmin()
    least = changes.groupby("mouse")["percent"].min()
    fewest = max(FEWEST_MICE_OF_A_MEAN, LEAST_SHARE_OF_A_MEAN * len(least))
    enough = by_day.loc[by_day["size"] >= fewest, "mean"]
    return {
        "max_mean_loss_percent": max(0.0, -float(by_day.loc[day, "mean"])),
        "nadir_day": float(day),
        "n_at_nadir": int(by_day.loc[day, "size"]),
        "mean_max_loss_percent": float(np.maximum(0.0, -least).mean()),
        "tolerated_loss_percent": max(0.0, -float(enough.min())) if len(enough) else None,
        **{f"n_loss_{limit}": int((least <= -limit).sum()) for limit in LOSS_LIMITS_PERCENT},
        "days_below_15": _days_below(changes, -LONG_LOSS_PERCENT),
        "recovery_day": _recovery(by_day["mean"], day),
    }


def _days_below(changes: pd.DataFrame, limit: float) -> float:
    """Mouse-days below a change in percent, along straight lines between a mouse's weighings."""
    ordered = changes.sort_values(["mouse", "day"], kind="stable")
    mouse, day = ordered["mouse"].to_numpy(), ordered["day"].to_numpy(float)
    depth = limit - ordered["percent"].to_numpy(float)
    early, late = depth[:-1], depth[1:]
    span = np.where(mouse[1:] == mouse[:-1], np.diff(day), 0.0)
    spread = np.abs(late - early)
    crossing = np.maximum(early, late) / np.where(spread > 0, spread, 1.0)
    share = np.where(np.minimum(early, late) > 0, 1.0, np.clip(crossing, 0.0, 1.0))
    return float((span * share).sum())


def _recovery(mean: pd.Series, nadir: float) -> float | None:
    if not mean[nadir] < -RECOVERED_PERCENT:
        return None
    later = mean.loc[nadir:]
    back = later.index[later >= -RECOVERED_PERCENT]
    return float(back[0]) if len(back) else None


def _deaths(frame: pd.DataFrame) -> dict[str, int]:
    mice = frame.drop_duplicates("mouse")
    died = mice["exit_reason"].isin(DEATHS)
    related = (mice["treatment_related"] == YesNoUnknown.YES) | (
        mice["exit_reason"] == ExitReason.TREATMENT_TOXICITY
    )
    unknown = ~related & (mice["treatment_related"] != YesNoUnknown.NO)
    return {
        "n_enrolled": len(mice),
        "n_exits_weight": int((mice["exit_reason"] == ExitReason.BODY_WEIGHT).sum()),
        "n_deaths_treatment": int((died & related).sum()),
        "n_deaths_other": int((died & ~related & ~unknown).sum()),
        "n_deaths_unknown": int((died & unknown).sum()),
    }


def _tolerability(row: dict) -> dict[str, bool | str | None]:
    """Is the dose above the maximum tolerated one, and by what?"""
    loss, allowed = row["tolerated_loss_percent"] or 0.0, max(1.0, row["n_enrolled"] / MTD_MICE_A_DEATH)
    proven, counted = row["n_deaths_treatment"], row["n_deaths_treatment"] + row["n_deaths_unknown"]
    reasons = []
    if heavy := loss > MTD_MEAN_LOSS_PERCENT:
        reasons.append(f"mean loss of {loss:.1f} %")
    if counted > allowed:
        reasons.append(
            f"{counted} {wording.noun(counted, 'death')} counted as treatment-related among "
            f"{wording.mice(row['n_enrolled'])}"
        )
    return {
        "over_mtd": heavy or counted > allowed,
        "over_mtd_attributed": heavy or proven > allowed,
        "mtd_reason": "; ".join(reasons) or None,
    }
