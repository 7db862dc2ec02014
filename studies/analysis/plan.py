"""The analysis plan of one study: what was asked, what the table says, and what stands by default.

Every value is echoed with where it came from, so that a report shows what was planned and what was chosen
here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from studies.analysis.biomarker_status import Biomarker, biomarker_of
from studies.analysis.errors import AnalysisError
from studies.analysis.tables import NormalizedTable
from studies.columns import ROLE_WORDS, fold
from studies.terms import ArmRole, ExpectedSign
from studies.volumes import DEFAULT_FORMULA, FORMULAS

DEFAULTS: dict[str, Any] = {
    "primary": {"estimand": "slope"},
    "model": "auto",
    "df": "kenward-roger",
    "alpha": 0.05,
    "adjust": "mvt",
    "dosing": None,
    "endpoint": {"fold": 4.0},
    "volume_formula": DEFAULT_FORMULA,
    "lod_mm3": 13.5,
    "biomarker": "map2k4",
    "expected_sign": {},
    "exclusions": [],
    "sample_size": None,
    "random_seed": 20180101,
}
FROM_TABLE = ("control", "controls", "roles", "combinations", "day", "window", "blocks")
KEYS = (*FROM_TABLE, *DEFAULTS)
CHOICES = {
    "df": ("kenward-roger", "satterthwaite"),
    "adjust": ("mvt", "holm", "none"),
    "volume_formula": tuple(FORMULAS),
}
TARGET = ("tgi_percent", "power", "alpha", "mice_per_arm", "source")
ESTIMANDS = ("slope", "egait", "day_difference")
CONTROL_WORDS = {word for word, is_control in ROLE_WORDS.items() if is_control} | {
    "ctrl",
    "ctl",
    "veh",
    "placebo",
    "none",
    "no_treatment",
    "mock",
    "pbs",
    "saline",
    "vehicle_control",
    "untreated_control",
}
VEHICLE_FOLLOWED, ARM_FOLLOWED = 0.8, 0.5


@dataclass(frozen=True)
class Plan:
    """The plan as used. `values` holds every key; `sources` says given, default, table or guessed for
    each.
    """

    values: Mapping[str, Any]
    sources: Mapping[str, str]
    notes: tuple[str, ...] = ()

    def __getitem__(self, key: str) -> Any:
        return self.values[key]

    def control_of(self, arm: str) -> str:
        return self.values["controls"].get(arm, self.values["control"])

    @cached_property
    def biomarker(self) -> Biomarker:
        return biomarker_of(self.values["biomarker"])

    @property
    def treated_arms(self) -> list[str]:
        """Every arm compared with a control, in the table's order."""
        return [arm for arm in self.values["roles"] if arm != self.values["control"]]

    def to_dict(self) -> dict[str, dict[str, Any]]:
        return {key: {"value": self.values[key], "from": self.sources[key]} for key in KEYS}


@dataclass
class _Draft:
    values: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def put(self, key: str, value: Any, source: str) -> None:
        self.values[key], self.sources[key] = value, source


def check_plan(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """The plan's own faults, found before any table is seen: unknown keys, values of the wrong kind."""
    given = dict(given or {})
    if unknown := sorted(set(given) - set(KEYS)):
        raise AnalysisError(
            f"the plan has unknown keys: {', '.join(unknown)} (known: {', '.join(sorted(KEYS))})"
        )
    for key, choices in CHOICES.items():
        if key in given and given[key] not in choices:
            raise AnalysisError(f'plan: {key} "{given[key]}" is not one of {", ".join(choices)}')
    for key, (is_right, wanted) in _SHAPES.items():
        if given.get(key) is not None and not is_right(given[key]):
            raise AnalysisError(f"plan: {key} is {given[key]!r}, but must be {wanted}")
    return given


def resolve_plan(table: NormalizedTable, given: Mapping[str, Any] | None = None) -> Plan:
    """The whole plan for a table of one study: given values first, then what the table tells, then the
    defaults.

    Refuses unknown keys, arms and mice the table does not have, and a table whose control cannot be told.
    """
    given = check_plan(given)
    draft = _Draft()
    for key, default in DEFAULTS.items():
        value = given.get(key)
        draft.put(key, default if value is None else value, "default" if value is None else "given")
    frame = table.frame
    arms = list(pd.unique(frame["arm"]))
    _resolve_control(draft, frame, arms, given)
    _resolve_combinations(draft, arms, given)
    _resolve_roles(draft, frame, arms, given)
    _resolve_exclusions(draft, frame)
    kept = frame[~frame["mouse"].isin([row["mouse"] for row in draft.values["exclusions"]])]
    _resolve_days(draft, kept, given)
    blocks = ["block"] if (frame["block"] != "").any() else []
    draft.put("blocks", given.get("blocks", blocks), "given" if "blocks" in given else "table")
    for arm in draft.values["expected_sign"]:
        _require_arm(arm, arms, "expected_sign")
    return Plan(draft.values, draft.sources, tuple(draft.notes))


def day_rule(
    frame: pd.DataFrame, control: str, last_day: float | None = None, fallback: bool = False
) -> float | None:
    """The last day at which 80 % of the control mice and half of each other arm are still followed.

    A mouse is followed to its last reading. Days are those on which any mouse of the study was read,
    after day 0 and to `last_day` (the end of dosing, where known). None where no such day exists.
    `fallback` asks for half of the control too, in place of 80 %.
    """
    shares = dict.fromkeys(pd.unique(frame["arm"]), ARM_FOLLOWED)
    shares[control] = ARM_FOLLOWED if fallback else VEHICLE_FOLLOWED
    return days_followed(frame, shares, last_day)


def days_followed(
    frame: pd.DataFrame, shares: Mapping[str, float], last_day: float | None = None
) -> float | None:
    """The last day after day 0 on which each arm's share of its mice is still followed; None where there is none."""
    read = frame[frame["volume_mm3"].notna()]
    last = read.groupby("mouse")["day"].max()
    mice = frame[["arm", "mouse"]].drop_duplicates()
    mice = mice.assign(last=mice["mouse"].map(last).fillna(-np.inf))
    days = np.unique(
        read.loc[(read["day"] > 0) & (read["day"] <= (np.inf if last_day is None else last_day)), "day"]
    )
    allowed = np.ones(len(days), dtype=bool)
    for arm, ends in mice.groupby("arm")["last"]:
        followed = 1 - np.searchsorted(np.sort(ends.to_numpy()), days) / len(ends)
        allowed &= followed >= shares[str(arm)] - 1e-12
    return float(days[allowed][-1]) if allowed.any() else None


def _resolve_control(draft: _Draft, frame: pd.DataFrame, arms: list[str], given: dict) -> None:
    marked = [arm for arm in arms if (frame.loc[frame["arm"] == arm, "role"] == ArmRole.VEHICLE).any()]
    worded = [arm for arm in arms if fold(arm) in CONTROL_WORDS]
    if given.get("control") is not None:
        _require_arm(str(given["control"]), arms, "control")
        draft.put("control", str(given["control"]), "given")
    elif marked or worded:
        candidates, source = (marked, "table") if marked else (worded, "guessed")
        mice = frame.groupby("arm")["mouse"].nunique()
        control = max(candidates, key=lambda arm: int(mice[arm]))
        draft.put("control", control, source if len(candidates) == 1 else "guessed")
        if len(candidates) > 1 or source == "guessed":
            draft.notes.append(f'"{control}" was taken for the control; the plan can name another')
    else:
        raise AnalysisError(f"name the control: no arm is marked as one (arms: {', '.join(arms)})")
    controls = {str(arm): str(control) for arm, control in (given.get("controls") or {}).items()}
    for arm, control in controls.items():
        _require_arm(arm, arms, "controls")
        _require_arm(control, arms, "controls")
    draft.put("controls", controls, "given" if controls else "default")


def _resolve_combinations(draft: _Draft, arms: list[str], given: dict) -> None:
    if given.get("combinations") is not None:
        for row in given["combinations"]:
            for arm in (row["arm"], *row["parts"]):
                _require_arm(arm, arms, "combinations")
        draft.put("combinations", given["combinations"], "given")
        return
    found = [{"arm": arm, "parts": parts} for arm in arms if (parts := _parts_of(arm, arms))]
    for row in found:
        draft.notes.append(f'"{row["arm"]}" was read as the combination of {" and ".join(row["parts"])}')
    draft.put("combinations", found, "guessed" if found else "default")


def _parts_of(arm: str, arms: list[str]) -> list[str] | None:
    """The arms a name like "A+B" or "A_B" joins, if every one of them is an arm."""
    for mark in ("+", "_"):
        parts = [part.strip() for part in arm.split(mark)]
        if (
            len(parts) > 1
            and all(part in arms and part != arm for part in parts)
            and len(set(parts)) == len(parts)
        ):
            return parts
    return None


def _resolve_roles(draft: _Draft, frame: pd.DataFrame, arms: list[str], given: dict) -> None:
    asked = given.get("roles") or {}
    for arm, role in asked.items():
        _require_arm(arm, arms, "roles")
        if role not in ArmRole.values():
            raise AnalysisError(
                f'plan: role "{role}" of arm "{arm}" is not one of {", ".join(ArmRole.values())}'
            )
    told = dict(zip(frame["arm"], frame["role"], strict=True))
    combined = {row["arm"] for row in draft.values["combinations"]}
    controls = set(draft.values["controls"].values())
    roles = {
        arm: asked.get(arm) or _role(arm, told[arm], draft.values["control"], combined, controls)
        for arm in arms
    }
    draft.put("roles", roles, "given" if asked else "table")


def _role(arm: str, told: str, control: str, combined: set[str], controls: set[str]) -> str:
    if arm == control:
        return str(ArmRole.VEHICLE)
    if told == ArmRole.VEHICLE or arm in controls:
        return str(ArmRole.OTHER_CONTROL)
    if told in ArmRole.values():
        return told
    return str(ArmRole.COMBINATION if arm in combined else ArmRole.SINGLE_AGENT)


def _resolve_exclusions(draft: _Draft, frame: pd.DataFrame) -> None:
    mice = set(frame["mouse"])
    for row in draft.values["exclusions"]:
        if row["mouse"] not in mice:
            raise AnalysisError(f'plan: excluded mouse "{row["mouse"]}" is not in the table')


def _resolve_days(draft: _Draft, frame: pd.DataFrame, given: dict) -> None:
    dosing = draft.values["dosing"]
    end = None if dosing is None else float(dosing[1])
    if given.get("day") is not None:
        draft.put("day", float(given["day"]), "given")
    else:
        draft.put("day", *_day_by_rule(draft, frame, end))
    if given.get("window") is not None:
        draft.put("window", [float(day) for day in given["window"]], "given")
    elif end is not None:
        draft.put("window", [0.0, end], "given")
    else:
        day = draft.values["day"]
        draft.put("window", [0.0, day] if day is not None and day > 0 else None, "table")


def _day_by_rule(draft: _Draft, frame: pd.DataFrame, end: float | None) -> tuple[float | None, str]:
    control = draft.values["control"]
    if (day := day_rule(frame, control, end)) is not None:
        return day, "table"
    if (day := day_rule(frame, control, end, fallback=True)) is not None:
        draft.notes.append(
            f"on no day after day 0 are 80 % of the control mice still followed; day {day:g}, the last at "
            "which half of every arm is, was taken instead"
        )
        return day, "guessed"
    draft.notes.append("on no day after day 0 is half of every arm still followed: no day to compare arms at")
    return None, "table"


def _require_arm(arm: str, arms: list[str], key: str) -> None:
    if arm not in arms:
        raise AnalysisError(
            f'plan: {key} names arm "{arm}", which the table does not have (arms: {", ".join(arms)})'
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and np.isfinite(value)


def _is_span(value: Any) -> bool:
    return (
        isinstance(value, (list, tuple))
        and len(value) == 2
        and all(map(_is_number, value))
        and value[0] < value[1]
    )


def _is_endpoint(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and len(value) == 1
        and (
            (_is_number(value.get("fold")) and value["fold"] > 1)
            or (_is_number(value.get("volume_mm3")) and value["volume_mm3"] > 0)
        )
    )


def _is_target(value: Any) -> bool:
    """What the mice were to show and with what chance, how many were planned an arm, and where that comes from."""
    if not isinstance(value, Mapping) or set(value) != set(TARGET):
        return False
    mice, source = value["mice_per_arm"], value["source"]
    return (
        _is_number(value["tgi_percent"])
        and 0 < value["tgi_percent"] < 100
        and all(_is_number(value[key]) and 0 < value[key] < 1 for key in ("power", "alpha"))
        and isinstance(mice, Mapping)
        and bool(mice)
        and all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in mice.values())
        and isinstance(source, str)
        and bool(source.strip())
    )


def _is_gene(value: Any) -> bool:
    return isinstance(value, str) and fold(value).isidentifier() and "/" not in value


def _rows_with(*keys: str) -> Callable[[Any], bool]:
    def is_right(value: Any) -> bool:
        return isinstance(value, (list, tuple)) and all(
            isinstance(row, Mapping) and set(row) == set(keys) for row in value
        )

    return is_right


_SHAPES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "control": (lambda value: isinstance(value, str), "the name of an arm"),
    "controls": (lambda value: isinstance(value, Mapping), "{arm: control}"),
    "roles": (lambda value: isinstance(value, Mapping), "{arm: role}"),
    "combinations": (_rows_with("arm", "parts"), "[{arm, parts}]"),
    "exclusions": (_rows_with("mouse", "reason"), "[{mouse, reason}]"),
    "primary": (
        lambda value: (
            isinstance(value, Mapping)
            and set(value) <= {"estimand", "contrast"}
            and value.get("estimand", "slope") in ESTIMANDS
        ),
        f"{{estimand: {' | '.join(ESTIMANDS)}, contrast}}",
    ),
    "model": (lambda value: isinstance(value, str), '"auto" or a formula'),
    "alpha": (lambda value: _is_number(value) and 0 < value < 1, "between 0 and 1"),
    "day": (_is_number, "a study day"),
    "window": (_is_span, "[first day, last day]"),
    "dosing": (_is_span, "[first day, last day]"),
    "endpoint": (_is_endpoint, "{fold} above 1 or {volume_mm3} above 0"),
    "lod_mm3": (lambda value: _is_number(value) and value >= 0, "a volume in mm3"),
    "blocks": (lambda value: isinstance(value, (list, tuple)), "a list of columns"),
    "biomarker": (
        lambda value: (
            _is_gene(value)
            or (
                isinstance(value, Mapping)
                and set(value) == {"gene", "altered"}
                and _is_gene(value["gene"])
                and isinstance(value["altered"], (list, tuple))
                and bool(value["altered"])
                and all(isinstance(word, str) for word in value["altered"])
            )
        ),
        "the name of a gene, or {gene, altered: [words of its altered class]}",
    ),
    "expected_sign": (
        lambda value: isinstance(value, Mapping) and set(value.values()) <= set(ExpectedSign.values()),
        f"{{arm: {' | '.join(ExpectedSign.values())}}}",
    ),
    "sample_size": (
        _is_target,
        "{tgi_percent: below 100, power, alpha: below 1, mice_per_arm: {arm: mice}, source: in words}",
    ),
    "random_seed": (lambda value: isinstance(value, int) and not isinstance(value, bool), "a whole number"),
}
