"""Body weight: how far mice and arms fell from their weight at the first dose, gross and without the
tumor.

Net weight is body weight less the tumor's, taken as 1 g per cm3: a tumor of 1500 mm3 hides a loss of 7 %
in a mouse of 22 g. Both the least of the arm's mean curve and the mean of each mouse's own least are
given, since the first hides mice that left.
"""

import numpy as np
import pandas as pd

from studies.analysis.curves import BASELINE_LAST_DAY
from studies.analysis.tables import NormalizedTable, normalize_table
from studies.terms import ExitReason, YesNoUnknown

TUMOR_G_PER_MM3 = 0.001
LOSS_LIMITS_PERCENT = (10, 15, 20)
MTD_MEAN_LOSS_PERCENT = 20.0
MTD_DEATHS_SHARE = 0.1
DEATHS = {str(ExitReason.FOUND_DEAD), str(ExitReason.TREATMENT_TOXICITY), str(ExitReason.BODY_WEIGHT),
          str(ExitReason.CLINICAL_SIGNS)}  # fmt: skip


def weight_change(table: pd.DataFrame | NormalizedTable, net: bool = False) -> pd.DataFrame:
    """Percent change from baseline weight, a row a weighing at or after day 0: mouse, pdx_model, arm,
    day, weight_g, percent.

    Baseline is the mouse's last weight at or before day 0, else its first. `net` takes the tumor's weight
    off; a weighing without a known volume then has none.
    """
    frame = table.frame if isinstance(table, NormalizedTable) else table
    if "mouse_id" not in frame:
        frame = normalize_table(frame).frame
    weight = frame["weight_g"] - (TUMOR_G_PER_MM3 * frame["volume_mm3"] if net else 0.0)
    weighed = frame.assign(weight_g=weight)[weight.notna() & (weight > 0)]
    weighed = weighed.sort_values(["mouse", "day"], kind="stable")
    before = weighed[weighed["day"] <= BASELINE_LAST_DAY].groupby("mouse", sort=False)["weight_g"].last()
    first = weighed.groupby("mouse", sort=False)["weight_g"].first()
    baseline = before.reindex(first.index).fillna(first)
    kept = weighed[weighed["day"] >= BASELINE_LAST_DAY]
    start = baseline.reindex(kept["mouse"]).to_numpy()
    percent = 100 * (kept["weight_g"].to_numpy() - start) / start
    columns = ["mouse", "pdx_model", "map2k4_status", "arm", "day", "weight_g"]
    return kept[columns].assign(percent=percent).reset_index(drop=True)


def weight_summary(table: pd.DataFrame | NormalizedTable) -> pd.DataFrame:
    """One row an arm with weights:

    - n_mice weighed; max_mean_loss_percent and nadir_day of the mean curve; mean_max_loss_percent, the
      mean of each mouse's own greatest loss; the same net of the tumor (net_...);
    - n_loss_10, n_loss_15, n_loss_20: mice that ever lost that many percent;
    - n_exits_weight: mice that left for weight; n_deaths_treatment, n_deaths_unknown: deaths and culls
      for health by attribution, unknown counted as treatment-related for `over_mtd`;
    - over_mtd: mean loss above 20 % or more than one treatment-related death in ten mice.

    A loss is positive; 0 where an arm never fell below its start.
    """
    frame = table.frame if isinstance(table, NormalizedTable) else normalize_table(table).frame
    gross, net = weight_change(frame), weight_change(frame, net=True)
    rows = []
    for arm in pd.unique(gross["arm"]):
        row = {"arm": arm, "n_mice": int(gross.loc[gross["arm"] == arm, "mouse"].nunique())}
        row |= _losses(gross[gross["arm"] == arm])
        row |= {
            f"net_{name}": value
            for name, value in _losses(net[net["arm"] == arm]).items()
            if not name.startswith("n_loss")
        }
        row |= _deaths(frame[frame["arm"] == arm])
        row["over_mtd"] = _over_mtd(row)
        rows.append(row)
    return pd.DataFrame(rows)


def _losses(changes: pd.DataFrame) -> dict[str, float | int | None]:
    if changes.empty:
        return {
            "max_mean_loss_percent": None,
            "nadir_day": None,
            "n_at_nadir": 0,
            "mean_max_loss_percent": None,
        }
    by_day = changes.groupby("day")["percent"].agg(["mean", "size"])
    day = by_day["mean"].idxmin()
    least = changes.groupby("mouse")["percent"].min()
    return {
        "max_mean_loss_percent": max(0.0, -float(by_day.loc[day, "mean"])),
        "nadir_day": float(day),
        "n_at_nadir": int(by_day.loc[day, "size"]),
        "mean_max_loss_percent": float(np.maximum(0.0, -least).mean()),
        **{f"n_loss_{limit}": int((least <= -limit).sum()) for limit in LOSS_LIMITS_PERCENT},
    }


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
        "n_deaths_unknown": int((died & unknown).sum()),
    }


def _over_mtd(row: dict) -> bool:
    deaths = row["n_deaths_treatment"] + row["n_deaths_unknown"]
    loss = row["max_mean_loss_percent"] or 0.0
    return loss > MTD_MEAN_LOSS_PERCENT or deaths > MTD_DEATHS_SHARE * row["n_enrolled"]
