"""What is true in the demo's completed study, written beside it, and how near the analysis comes."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from studies.access import OPERATOR
from studies.actions import demo_design as declared
from studies.actions.demo_people import COMPLETED
from studies.actions.demo_people import TRUTH_FOLDER as FOLDER
from studies.actions.demo_people import TRUTH_JSON as JSON_NAME
from studies.actions.demo_people import TRUTH_TEXT as TEXT_NAME
from studies.analysis import AnalysisError, normalize_table
from studies.analysis.simulation_design import STATUS_ALL, ArmEffect, bliss, effects
from studies.analysis.tgi import tgi
from studies.frames import measurement_table
from studies.models import Study

SCHEMA = "pdx-tracker/demo-truth/1"
# TGI method -> the declared quantity its interval is for.
COMPARED = {"ratio": "tgi_ratio_percent", "delta": "tgi_delta_percent"}
DEFINITION = (
    "ratio TGI is 100 (1 - E T / E C), delta TGI 100 (1 - (E T - E T0) / (E C - E C0)): E is the expected "
    "volume over mice and the PDX models of a status, 0 is day 0, C the vehicle"
)


@dataclass(frozen=True)
class Agreement:
    """One interval of the analysis beside the truth. `holds` is None where the analysis gives no interval."""

    status: str
    arm: str
    method: str
    true_percent: float
    percent: float | None
    ci_low: float | None
    ci_high: float | None
    n: int

    @property
    def holds(self) -> bool | None:
        if self.ci_low is None or self.ci_high is None:
            return None
        return self.ci_low <= self.true_percent <= self.ci_high


def declared_truth() -> dict[str, Any]:
    """The truth as plain values, percents and slopes rounded to what is declared."""
    design = declared.declared_design()
    parts = (declared.BINIMETINIB, declared.HRX_0233)
    synergy = bliss(design, declared.COMBINATION, parts, declared.TRUTH_DAY)
    return {
        "schema": SCHEMA,
        "study": COMPLETED,
        "simulated": True,
        "seed": declared.SEED,
        "day": declared.TRUTH_DAY,
        "definition": DEFINITION,
        "effects": [_rounded(asdict(effect)) for effect in effects(design, declared.TRUTH_DAY)],
        "bliss": [_rounded(asdict(excess)) for excess in synergy],
        "interaction": [_rounded(one) for one in interactions()],
        "expected_sign": {agent: str(sign) for agent, sign in declared.EXPECTED_SIGNS.items()},
        "pdx_models": [
            {"pdx_model": model.code, "map2k4_status": model.status, "tumor_type": model.tumor_type,
             "slopes_per_day": _rounded(dict(model.slopes))}
            for model in design.models
        ],
        "arms": [asdict(arm) for arm in design.arms],
        "variation": asdict(design.variation),
        "limits": asdict(design.limits),
    }  # fmt: skip


def interactions() -> list[dict[str, Any]]:
    """Each arm's effect on the slope in loss of function minus that in wild type, per day."""
    found = effects(declared.declared_design(), declared.TRUTH_DAY)
    effect = {(one.status, one.arm): one.slope_difference_per_day for one in found}
    return [
        {"arm": arm, "difference_per_day": effect[declared.LOSS, arm] - effect[declared.WILD_TYPE, arm]}
        for arm in (declared.BINIMETINIB, declared.HRX_0233, declared.COMBINATION)
    ]


def agreements(study: Study) -> list[Agreement]:
    """The analysis of the study as recorded, beside the truth, by MAP2K4 status and over all models.

    Raises AnalysisError where the study can no longer be analyzed so, PermissionError where it is blinded.
    """
    found = []
    table = normalize_table(measurement_table(study, OPERATOR)).frame
    truth = {(e.status, e.arm): e for e in effects(declared.declared_design(), declared.TRUTH_DAY)}
    for status in (declared.WILD_TYPE, declared.LOSS, STATUS_ALL):
        rows = table if status == STATUS_ALL else table[table["map2k4_status"] == status]
        for method, quantity in COMPARED.items():
            for row in tgi(rows, declared.VEHICLE, declared.TRUTH_DAY, method=method):
                if (status, row.arm) in truth:
                    true_percent = getattr(truth[status, row.arm], quantity)
                    found.append(
                        Agreement(
                            status, row.arm, method, round(true_percent, 4),
                            row.percent, row.ci_low, row.ci_high, row.n,
                        )
                    )  # fmt: skip
    return found


def write_truth(data_folder: Path) -> None:
    """Compare the recorded study with its truth and write truth.json and truth.md into the demo's folder."""
    folder = data_folder / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        compared, reason = agreements(Study.objects.get(code=COMPLETED)), ""
    except (AnalysisError, PermissionError) as error:
        compared, reason = [], str(error)
    analysis = [{**_rounded(asdict(one)), "holds_truth": one.holds} for one in compared]
    truth = declared_truth() | {"analysis": analysis, "summary": _summary(compared, reason)}
    (folder / JSON_NAME).write_text(json.dumps(truth, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / TEXT_NAME).write_text(_text(compared), encoding="utf-8")


def _summary(compared: Sequence[Agreement], reason: str) -> list[str]:
    """What the console says of it, in sentences."""
    if reason:
        return [f"The completed study cannot be compared with its truth: {reason}."]
    held = [one.holds for one in compared if one.holds is not None]
    return [
        *(
            f"Ratio TGI of {one.arm.lower()} at day {declared.TRUTH_DAY}, MAP2K4 {_word(one.status)}: true "
            f"{one.true_percent:.0f} %, found {_number(one.percent, 0)} % (95 % interval {interval(one)}); "
            f"the interval holds the truth: {verdict(one)}."
            for one in headline(compared)
        ),
        f"{sum(held)} of {len(held)} such intervals hold the truth.",
    ]


def headline(compared: Sequence[Agreement]) -> list[Agreement]:
    """Ratio TGI of binimetinib in each status: the two numbers the demo is built around."""
    return [
        one
        for one in compared
        if one.arm == declared.BINIMETINIB and one.method == "ratio" and one.status != STATUS_ALL
    ]


def _text(compared: Sequence[Agreement]) -> str:
    design = declared.declared_design()
    lines = [
        f"# The truth behind {COMPLETED}",
        "",
        "This study is simulated. Its PDX models, patients, genotype calls and doses are made up, and its mice",
        f"were drawn from the numbers below (seed {declared.SEED}). Day {declared.TRUTH_DAY}; {DEFINITION}.",
        "",
        "## What is true",
        "",
        "| MAP2K4 | arm | slope a day (ln mm³) | V at day 21 / V at day 0 | ratio TGI % | delta TGI % |",
        "|---|---|---:|---:|---:|---:|",
        *(_effect_line(effect) for effect in effects(design, declared.TRUTH_DAY)),
        "",
        f"The combination's excess over Bliss independence, in slope a day (negative: synergy), and its index "
        f"at day {declared.TRUTH_DAY}:",
        "",
        *(
            f"- {_word(one.status)}: {_signed(one.excess_per_day)}, index {one.combination_index:.2f}"
            for one in bliss(
                design,
                declared.COMBINATION,
                (declared.BINIMETINIB, declared.HRX_0233),
                declared.TRUTH_DAY,
            )
        ),
        "",
        "Each arm's effect on the slope in loss of function minus that in wild type, a day (negative: more effect",
        "in loss of function):",
        "",
        *(f"- {one['arm']}: {_signed(one['difference_per_day'])}" for one in interactions()),
        "",
        "## What the analysis finds",
        "",
        "From the study as recorded, caliper noise, missed visits and exits included. Of 95 % intervals one in",
        "twenty may miss.",
        "",
        "| MAP2K4 | arm | method | true % | found % | 95 % interval | mice | interval holds the truth |",
        "|---|---|---|---:|---:|---|---:|---|",
        *(_agreement_line(one) for one in compared),
    ]
    return "\n".join(lines) + "\n"


def _effect_line(effect: ArmEffect) -> str:
    ratio, delta = f"{effect.tgi_ratio_percent:.1f}", f"{effect.tgi_delta_percent:.1f}"
    if effect.arm == declared.VEHICLE:
        ratio = delta = ""
    return (
        f"| {_word(effect.status)} | {effect.arm} | {effect.slope_per_day:.4f} | {effect.fold:.2f} "
        f"| {ratio} | {delta} |"
    )


def _agreement_line(one: Agreement) -> str:
    return (
        f"| {_word(one.status)} | {one.arm} | {one.method} | {one.true_percent:.1f} | {_number(one.percent, 1)} "
        f"| {interval(one)} | {one.n} | {verdict(one)} |"
    )


def interval(one: Agreement) -> str:
    return "none" if one.holds is None else f"{one.ci_low:.1f} to {one.ci_high:.1f}"


def verdict(one: Agreement) -> str:
    return {True: "yes", False: "no", None: "no interval"}[one.holds]


def _signed(slope_per_day: float) -> str:
    return f"{round(slope_per_day, 4) + 0.0:+.4f}"


def _number(value: float | None, decimals: int) -> str:
    return "" if value is None else f"{value:.{decimals}f}"


def _word(status: str) -> str:
    return "all models" if status == STATUS_ALL else status.replace("_", " ")


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    """Numbers to ten decimals, which hides the last bits in which platforms differ."""
    return {
        name: round(value, 10) + 0.0 if isinstance(value, float) else value for name, value in values.items()
    }
