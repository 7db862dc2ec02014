"""A study's whole analysis against one default lme4 fit of the same table, and its growth with the rows."""

import numpy as np

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
    return [*ratios, Ratio("analyze_study of 240 mice", "that of 60", seconds[240], seconds[60], at_most=4.4)]


def main() -> list[Ratio]:
    return against_r(study)
