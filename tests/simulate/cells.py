"""What is simulated: every cell's truth, fixed beforehand. A cell is one truth and one design of study.

Slopes are per day on ln V; a vehicle tumor grows 8-fold in 21 days, so that with culls at 1,500 mm3 a fifth of the
mice leave early. Readings err by 0.15 on ln V, mice differ by 0.02 per day in slope and by 0.2 in ln V at the start.
"""

from dataclasses import dataclass, field, replace
from itertools import product
from zlib import crc32

import numpy as np
import pandas as pd

from studies.analysis.plan import Plan, resolve_plan
from studies.analysis.simulation_design import ArmTruth, Design, Limits, PdxModelTruth, Variation
from studies.analysis.simulation_many import ModelSpread, simulate_many
from studies.analysis.tables import COLUMNS, normalize_table

SEED = 20180101
DAYS = (-1, 0, 3, 7, 10, 14, 17, 21)
LAST = 21.0
GROWTH, EFFECT = 0.099, -0.04
NEVER = 1e12
CULL_MM3 = 1500.0
STATUSES = ("wild_type", "loss_of_function")
READ_ON_LOG = Variation(
    log_reading_sd=0.15, caliper_sd_mm=0.0, missed_visit=0.0, found_dead=0.0, accident=0.0, ulceration=0.0
)
FOUR_ARMS = (ArmTruth("Vehicle", "vehicle"), ArmTruth("A"), ArmTruth("B"), ArmTruth("A+B", "combination"))
MICE = (3, 4, 5, 8)


@dataclass(frozen=True)
class Cell:
    """One cell. `kind`: "effects" (A does nothing, B and A+B do, and add), "null" (nothing does), "program".

    `biases` asks for every TGI against its truth. `bounded` tells whether the rule is held against it, `zero` which
    variance is truly 0 (then it may be conservative).
    """

    name: str
    kind: str
    design: Design
    spread: ModelSpread = field(default_factory=ModelSpread)
    bounded: bool = True
    zero: str = ""
    biases: bool = False
    batch: int = 500

    def plan(self, frame: pd.DataFrame) -> Plan:
        """The plan every study is analyzed by: control, and dosing to day 21, which is the analysis window."""
        first = frame[frame["study"] == 0].drop(columns="cage").assign(study="S")
        adjust = (
            "mvt" if self.kind == "null" else "none"
        )  # elsewhere plain sizes are asked, one comparison each
        asked = {"control": "Vehicle", "dosing": [0, LAST], "adjust": adjust}
        return resolve_plan(normalize_table(first), asked)

    def draw(self, piece: int) -> pd.DataFrame:
        """The studies of one piece; the same piece holds the same studies on every machine."""
        seed = np.random.SeedSequence([SEED, crc32(self.name.encode()), piece])
        frame = simulate_many(self.design, self.batch, np.random.default_rng(seed), self.spread)
        # Drawn as `normalize_table` would leave it; with every column named, nothing reads the table over again.
        return frame.assign(**dict.fromkeys(name for name in COLUMNS if name not in frame))

    def slope(self, arm: str) -> float:
        return self.design.models[0].slopes[arm]


def limits(culls: bool) -> Limits:
    return Limits((1 / NEVER, NEVER), volume_cap_mm3=CULL_MM3 if culls else NEVER, diameter_cap_mm=NEVER)


def one_model(
    kind: str, mice: int, culls: bool, correlation: float = 0.0, variation: Variation = READ_ON_LOG
) -> Design:
    effect = EFFECT if kind == "effects" else 0.0
    slopes = {"Vehicle": GROWTH, "A": GROWTH, "B": GROWTH + effect, "A+B": GROWTH + effect}
    return Design(
        (PdxModelTruth("P", "wild_type", slopes),), FOUR_ARMS, mice, DAYS, "S",
        replace(variation, slope_correlation=correlation), limits(culls),
    )  # fmt: skip


def program(models: int, mice: int, culls: bool, correlation: float = 0.0) -> Design:
    slopes = {"Vehicle": GROWTH, "A": GROWTH + EFFECT}
    truths = tuple(
        PdxModelTruth(f"{status}-{place}", status, slopes) for status in STATUSES for place in range(models)
    )
    variation = replace(READ_ON_LOG, slope_correlation=correlation)
    return Design(truths, FOUR_ARMS[:2], mice, DAYS, "S", variation, limits(culls))


def said(culls: bool, correlation: float) -> str:
    return f"{'culls' if culls else 'no culls'}, correlation {correlation:g}"


def primary_cells() -> list[Cell]:
    return [
        Cell(
            f"one model, {n} mice an arm, {said(culls, r)}", "effects", one_model("effects", n, culls, r),
            biases=n in (5, 8) and r == 0,
        )
        for n, culls, r in product(MICE, (False, True), (0.0, -0.6))
    ]  # fmt: skip


def family_cells() -> list[Cell]:
    return [
        Cell(f"nothing acts, {n} mice an arm, {said(culls, 0.0)}", "null", one_model("null", n, culls))
        for n, culls in product(MICE, (False, True))
    ]


def other_cells() -> list[Cell]:
    """Where an assumption does not hold: equal mice, calipers, dropout, curves that bend."""
    still = replace(READ_ON_LOG, mouse_slope_sd=0.0)
    calipers = Variation(missed_visit=0.05, found_dead=0.004, accident=0.004, ulceration=0.004)
    enrolled = Limits(volume_cap_mm3=CULL_MM3, diameter_cap_mm=NEVER)
    flagging = replace(one_model("effects", 5, False), slowing_per_day=0.05)
    culled_flagging = replace(flagging, limits=limits(True))
    late = one_model("effects", 5, False)
    arms = tuple(replace(arm, delay_days=7.0) if arm.name in ("B", "A+B") else arm for arm in FOUR_ARMS)
    zero = "mouse slopes"
    return [
        Cell("equal mice, 4 mice an arm, no culls", "effects", one_model("effects", 4, False, 0.0, still), zero=zero),
        Cell("equal mice, 8 mice an arm, no culls", "effects", one_model("effects", 8, False, 0.0, still), zero=zero),
        Cell("calipers, missed visits and deaths, 5 mice an arm, culls", "effects",
             replace(one_model("effects", 5, True, 0.0, calipers), limits=enrolled), bounded=False),
        Cell("growth flags (Gompertz, 0.05 per day), 5 mice an arm, no culls", "effects", flagging, bounded=False,
             biases=True),
        Cell("growth flags (Gompertz, 0.05 per day), 5 mice an arm, culls", "effects", culled_flagging, bounded=False,
             biases=True),
        Cell("drugs act from day 7, 5 mice an arm, no culls", "effects", replace(late, arms=arms), bounded=False,
             biases=True),
    ]  # fmt: skip


def program_cells() -> list[Cell]:
    plain = product((3, 6), MICE, (0.025, 0.01, 0.0), (False, True), (0.0,))
    tied = product((3, 6), (3, 5), (0.025, 0.01, 0.0), (False,), (-0.6,))
    return [
        Cell(
            f"{models}+{models} models, {n} mice an arm, tau {tau:g}, {said(culls, r)}", "program",
            program(models, n, culls, r), ModelSpread(0.15, 0.015, tau), zero="" if tau else "tau",
            batch=250,
        )
        for models, n, tau, culls, r in [*plain, *tied]
    ]  # fmt: skip


def all_cells() -> list[Cell]:
    return [*primary_cells(), *family_cells(), *other_cells(), *program_cells()]
