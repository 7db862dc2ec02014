"""What is not seen of mice that left before the end of the window, for the sensitivity rows that ask about it."""

from dataclasses import replace

import numpy as np
import pandas as pd

from studies.analysis.growth_models import GrowthData
from studies.analysis.tobit import ABOVE, SEEN
from studies.terms import ExitReason

FOR_THE_TUMOR = (str(ExitReason.TUMOR_SIZE), str(ExitReason.ULCERATION))
# exits that say nothing of the tumor's growth to come and are no event of the animal either
BY_DESIGN = (str(ExitReason.SCHEDULED_END), str(ExitReason.SAMPLED), str(ExitReason.ACCIDENT))


def with_visits_after_culls(frame: pd.DataFrame, data: GrowthData) -> GrowthData | None:
    """The data with a right-censored row for each visit a mouse culled for tumor size did not live to.

    The tumor then is taken to lie above the least volume any mouse of the study was culled for size at. Visits are the
    days of the window on which any mouse was read. None where no mouse was so culled before the last of them.
    """
    culled = frame.loc[frame["exit_reason"] == ExitReason.TUMOR_SIZE, "mouse"].unique()
    rows = data.frame[data.frame["mouse"].isin(culled) & (data.frame["kind"] == SEEN)]
    last = rows.sort_values("day", kind="stable").drop_duplicates("mouse", keep="last")
    limit, days = last["log_volume"].min(), np.unique(data.frame["day"])
    last = last[last["day"] < days[-1]]
    if last.empty:
        return None
    missed = last.merge(pd.DataFrame({"later": days}), how="cross")
    missed = missed[missed["later"] > missed["day"]]
    missed = missed.assign(day=missed["later"], day2=missed["later"] ** 2, log_volume=limit, kind=ABOVE)
    whole = pd.concat([data.frame, missed[data.frame.columns]], ignore_index=True)
    for name in data.frame.columns:
        if isinstance(data.frame[name].dtype, pd.CategoricalDtype):
            whole[name] = pd.Categorical(whole[name], categories=data.frame[name].cat.categories)
    return replace(data, frame=whole)


def early_exits(frame: pd.DataFrame, data: GrowthData) -> dict[str, float]:
    """For each arm, the share of its mouse time to the window's end that is unseen since mice left for toxicity, death,
    or a reason not recorded."""
    end = float(data.frame["day"].max())
    last = data.frame.groupby("mouse")["day"].max()
    reason = frame.drop_duplicates("mouse").set_index("mouse")["exit_reason"].reindex(last.index).fillna("")
    counts = (last < end) & ~reason.isin([*FOR_THE_TUMOR, *BY_DESIGN]).to_numpy()
    unseen = ((end - last) / end if end > 0 else last * 0).where(counts, 0.0)
    arm = data.mice.set_index("mouse")["arm"].astype(str)
    shares = unseen.groupby(arm.reindex(unseen.index)).mean()
    return {name: float(shares.get(name, 0.0)) for name in data.arms}
