"""A study's whole analysis against one default lme4 fit of the same table, and its growth with the rows."""

import numpy as np
import pandas as pd

from studies.analysis import analyze_study
from tests.bench.growth import ALONE, growth
from tests.bench.r import R, against_r
from tests.bench.ratio import Ratio, processor_seconds

DAYS = np.arange(0, 60, 3.0)


def study(r: R) -> list[Ratio]:
    seconds, ratios = {}, []
    for mice in (60, 240):
        table = growth(mice, 1, 4, DAYS, leaving=0).drop(columns="map2k4")
        readings = table.assign(study="bench", volume_mm3=np.exp(table["log_volume"]))
        readings = readings.drop(columns="log_volume")
        r.hand_over("study", table)
        theirs = min(
            r.ask("time_fit", table="study", formula=ALONE, tight=False, df=False)["default"]
            for _ in range(5)
        )
        seconds[mice] = processor_seconds(
            lambda readings=readings: analyze_study(readings, {"control": "A0000"}), 3
        )
        what = f"analyze_study, {mice} mice x {len(DAYS)} days"
        ratios.append(
            Ratio(what, "one default lme4 fit", seconds[mice], theirs, at_most=60 if mice == 60 else None)
        )
    ratios += [
        Ratio(
            f"analyze_study, 60 mice x {len(DAYS)} days, {what}",
            "one default lme4 fit",
            taken,
            alone,
            at_most=60,
        )
        for what, taken, alone in ((what, *_against(r, table)) for what, table in _harder().items())
    ]
    return [*ratios, Ratio("analyze_study of 240 mice", "that of 60", seconds[240], seconds[60], at_most=4.4)]


def _harder() -> dict[str, pd.DataFrame]:
    """The same size with tumors that fall below detection, and with six PDX models."""
    shrinking = growth(60, 1, 4, DAYS, leaving=0).drop(columns="map2k4")
    fall = np.where(shrinking["arm"] == "A0003", 0.12 * shrinking["day"], 0.0)
    volume = np.exp(shrinking["log_volume"] - fall)
    several = growth(60, 6, 2, DAYS, leaving=0)
    status = several["map2k4"].map({"K0000": "wild_type", "K0001": "loss_of_function"}).astype(str)
    return {
        "with zeros": shrinking.assign(log_volume=np.log(np.where(volume < 13.5, 1e-300, volume))),
        "six PDX models": several.assign(map2k4=status),
    }


def _against(r: R, table: pd.DataFrame) -> tuple[float, float]:
    """Processor seconds of the whole analysis, and of lme4's default fit of the same readings."""
    readings = table.assign(study="bench", volume_mm3=np.exp(table["log_volume"])).drop(columns="log_volume")
    readings.loc[readings["volume_mm3"] < 1e-200, "volume_mm3"] = 0.0
    r.hand_over("study", table[table["log_volume"] > -600])
    asked = {"table": "study", "formula": ALONE, "tight": False, "df": False}
    alone = min(r.ask("time_fit", **asked)["default"] for _ in range(5))
    return processor_seconds(lambda: analyze_study(readings, {"control": "A0000"}), 3), alone


def main() -> list[Ratio]:
    return against_r(study)
