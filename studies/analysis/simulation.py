"""Studies drawn from a declared truth: for the demo, for power by simulation, for testing the analysis.

What is true stands in a `Design` (studies.analysis.simulation_design). Here mice are drawn, followed and
read: calipers give each of the tumor's two lengths its own error, to 0.1 mm, visits are missed, and mice
leave by humane limits or by chance. The random generator is an argument: the same state, the same study.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from studies.analysis.errors import AnalysisError
from studies.analysis.simulation_design import Design, enrollment_scores
from studies.terms import ExitReason, MeasurementStatus, YesNoUnknown

GRAMS_PER_MM3 = 0.001
ENROLLING_READINGS = 100
# Where several causes meet at one visit, the first of these is the mouse's exit.
EXIT_ORDER = (
    ExitReason.FOUND_DEAD,
    ExitReason.ACCIDENT,
    ExitReason.TUMOR_SIZE,
    ExitReason.BODY_WEIGHT,
    ExitReason.ULCERATION,
)


@dataclass(frozen=True)
class SimulatedStudy:
    """`table`: a row a mouse and visit, as `studies.analysis.tables` reads them, until the mouse left.

    `mice`: a row a mouse with its arm, exit (reason, day, treatment_related; empty while it lives), true
    slope and true volume at enrollment.
    """

    design: Design
    table: pd.DataFrame
    mice: pd.DataFrame


def simulate_study(
    design: Design, rng: np.random.Generator, arms: Sequence[str] | None = None
) -> SimulatedStudy:
    """One study drawn from a design. Without `arms` (one a mouse, in the order of `draw_mice`) the mice of
    each model are shared among the arms at random, `mice_per_arm` to each."""
    mice = draw_mice(design, rng)
    return follow_mice(design, mice, balanced_arms(design, rng) if arms is None else arms, rng)


def draw_mice(design: Design, rng: np.random.Generator) -> pd.DataFrame:
    """Mice on the day they are enrolled, before any arm: a row each, model by model.

    `first_length_mm`, `first_width_mm` and `first_weight_g` are the readings of that day.
    """
    per_model = design.mice_per_arm * len(design.arms)
    n, model_number = per_model * len(design.models), np.repeat(np.arange(len(design.models)), per_model)
    spread = design.variation
    medians = np.array([model.enrollment_mm3 for model in design.models])[model_number]
    mice = pd.DataFrame(
        {
            "mouse": [f"M{number:03d}" for number in range(1, n + 1)],
            "pdx_model": [design.models[number].code for number in model_number],
            "map2k4_status": [str(design.models[number].status) for number in model_number],
            "tumor_type": [design.models[number].tumor_type for number in model_number],
            "model_number": model_number,
            "enrollment_mm3": _enrolled_mm3(medians, design, rng.random(n)),
            "slope_deviation": rng.normal(0, spread.mouse_slope_sd, n),
            "aspect": np.exp(np.abs(rng.normal(spread.log_aspect_mean, spread.log_aspect_sd, n))),
            "weight_g": rng.normal(spread.weight_mean_g, spread.weight_sd_g, n),
            "weight_score": rng.normal(0, 1, n),
        }
    )
    length, width = _enrolling_readings(mice, design, rng)
    weight = mice["weight_g"] + GRAMS_PER_MM3 * mice["enrollment_mm3"]
    if spread.slope_correlation:
        mice["slope_deviation"] = _tied_to_volume(mice, medians, design)
    return mice.assign(
        first_length_mm=length,
        first_width_mm=width,
        first_weight_g=np.round(weight + rng.normal(0, spread.weighing_sd_g, n), 1),
    )


def _tied_to_volume(mice: pd.DataFrame, median_mm3: np.ndarray, design: Design) -> np.ndarray:
    """Slopes of their own that correlate with ln volume at enrollment as far as the window leaves it uncut."""
    spread, own = design.variation, mice["slope_deviation"].to_numpy()
    if spread.log_enrollment_sd == 0:
        return own
    score = np.log(mice["enrollment_mm3"].to_numpy() / median_mm3) / spread.log_enrollment_sd
    rest = (1 - spread.slope_correlation**2) ** 0.5
    return spread.slope_correlation * spread.mouse_slope_sd * score + rest * own


def _enrolling_readings(
    mice: pd.DataFrame, design: Design, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Readings of the enrollment day, read again while outside the window: mice are enrolled on what is read.

    Nothing but this day's reading depends on it.
    """
    low, high = design.limits.enrollment_mm3
    true_mm3, aspect = mice["enrollment_mm3"].to_numpy(), mice["aspect"].to_numpy()
    length, width = _caliper(true_mm3, aspect, design, rng)
    for _ in range(ENROLLING_READINGS):
        volume = length * width**2 / 2
        outside = (volume < low) | (volume > high)
        if not outside.any():
            break
        length[outside], width[outside] = _caliper(true_mm3[outside], aspect[outside], design, rng)
    return length, width


def balanced_arms(design: Design, rng: np.random.Generator) -> list[str]:
    """An arm for each mouse of `draw_mice`: within each model as many of every arm, in random order."""
    once = np.repeat([arm.name for arm in design.arms], design.mice_per_arm)
    return [str(arm) for _ in design.models for arm in rng.permutation(once)]


def follow_mice(
    design: Design, mice: pd.DataFrame, arms: Sequence[str], rng: np.random.Generator
) -> SimulatedStudy:
    """Every visit of every mouse from enrollment until it leaves or the days are over."""
    names = [arm.name for arm in design.arms]
    if len(arms) != len(mice) or not set(arms) <= set(names):
        raise AnalysisError(f"each of {len(mice)} mice needs one of the arms {', '.join(names)}")
    mice = mice.assign(arm=list(arms), role=[str(design.arms[names.index(arm)].role) for arm in arms])
    visits = _visits(design, mice, rng)
    exit_visit, reasons = _exits(design, visits, rng)
    last = len(design.days) - 1
    left = np.where(exit_visit <= last, exit_visit, last)
    if design.ends:
        reasons = np.where(exit_visit > last, str(ExitReason.SCHEDULED_END), reasons)
    mice["exit_reason"] = reasons
    mice["exit_day"] = np.where(reasons != "", np.array(design.days)[left], np.nan)
    mice["treatment_related"] = [
        _relation(reason, arm == design.control) for reason, arm in zip(reasons, arms, strict=True)
    ]
    return SimulatedStudy(design, _table(design, mice, visits, left), mice)


@dataclass
class _Visits:
    """Readings of every mouse (rows) on every day (columns), as if none had left."""

    length_mm: np.ndarray
    width_mm: np.ndarray
    weight_g: np.ndarray
    status: np.ndarray

    @property
    def volume_mm3(self) -> np.ndarray:
        return self.length_mm * self.width_mm**2 / 2


def _visits(design: Design, mice: pd.DataFrame, rng: np.random.Generator) -> _Visits:
    true_mm3 = _true_mm3(design, mice, rng)
    seen_mm3 = true_mm3
    if design.variation.log_reading_sd:
        seen_mm3 = true_mm3 * np.exp(rng.normal(0, design.variation.log_reading_sd, true_mm3.shape))
    length, width = _caliper(seen_mm3, mice["aspect"].to_numpy()[:, None], design, rng)
    length[:, 0], width[:, 0] = mice["first_length_mm"], mice["first_width_mm"]
    weight = _weights(design, mice, true_mm3, rng)
    weight[:, 0] = mice["first_weight_g"]
    visits = _Visits(length, width, weight, np.full(length.shape, str(MeasurementStatus.MEASURED), object))
    true_width = np.cbrt(2 * true_mm3 / mice["aspect"].to_numpy()[:, None])
    visits.status[visits.volume_mm3 < design.limits.lod_mm3] = str(MeasurementStatus.TOO_SMALL)
    visits.status[true_width < design.limits.palpable_mm] = str(MeasurementStatus.NOT_PALPABLE)
    missed = (rng.random(length.shape) < design.variation.missed_visit) & (np.array(design.days) > 0)
    visits.status[missed] = str(MeasurementStatus.NOT_DONE)
    return visits


def _true_mm3(design: Design, mice: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    days, first = np.array(design.days, dtype=float), design.days[0]
    fractions = {arm.name: arm.resistant_fraction for arm in design.arms}
    arms = mice["arm"].to_numpy(object)
    if any(fractions.values()):
        resistant = rng.random(len(mice)) < mice["arm"].map(fractions).to_numpy()
        arms = np.where(resistant, design.control, arms)
    growth = np.empty((len(mice), len(days)))
    for (number, arm), rows in (
        pd.Series(arms).groupby([mice["model_number"].to_numpy(), arms]).indices.items()
    ):
        growth[rows] = design.growth(design.models[number].slopes, arm, days)
    own = mice["slope_deviation"].to_numpy()[:, None] * (days - first)
    return mice["enrollment_mm3"].to_numpy()[:, None] * np.exp(growth + own)


def _caliper(
    true_mm3: np.ndarray, aspect: np.ndarray, design: Design, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Length and width as read: each with its error, to 0.1 mm, the larger one first."""
    width = np.cbrt(2 * true_mm3 / aspect)
    read = [
        np.maximum(np.round(true + rng.normal(0, design.variation.caliper_sd_mm, width.shape), 1), 0.1)
        for true in (aspect * width, width)
    ]
    return np.maximum(*read), np.minimum(*read)


def _weights(
    design: Design, mice: pd.DataFrame, true_mm3: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Weights as the scale shows them, the tumor's own mass included."""
    days, by_name = np.array(design.days, dtype=float), {arm.name: arm for arm in design.arms}
    arms = [by_name[name] for name in mice["arm"]]
    toxicity = np.array([arm.weight_percent_per_day for arm in arms]) + mice["weight_score"].to_numpy() * (
        np.array([arm.weight_sd_percent_per_day for arm in arms])
    )
    percent = design.variation.weight_gain_percent_per_day * (days - days[0])
    percent = percent + toxicity[:, None] * np.maximum(days, 0)
    body = mice["weight_g"].to_numpy()[:, None] * np.maximum(1 + percent / 100, 0.4)
    noise = rng.normal(0, design.variation.weighing_sd_g, body.shape)
    return np.round(body + GRAMS_PER_MM3 * true_mm3 + noise, 1)


def _exits(design: Design, visits: _Visits, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The visit at which each mouse leaves (one past the last where it does not) and why ("" if not).

    Marks what that last visit shows: a dead mouse has no reading, an ulcerated tumor says so.
    """
    chances, limits, treated = design.variation, design.limits, np.array(design.days) > 0
    seen = visits.status != MeasurementStatus.NOT_DONE
    read = visits.status == MeasurementStatus.MEASURED
    start = visits.weight_g[:, [int(np.flatnonzero(np.array(design.days) <= 0)[-1])]]
    shape = read.shape
    causes = {
        ExitReason.FOUND_DEAD: rng.random(shape) < chances.found_dead,
        ExitReason.ACCIDENT: rng.random(shape) < chances.accident,
        ExitReason.ULCERATION: (rng.random(shape) < chances.ulceration) & read,
        ExitReason.TUMOR_SIZE: read
        & ((visits.volume_mm3 >= limits.volume_cap_mm3) | (visits.length_mm >= limits.diameter_cap_mm)),
        ExitReason.BODY_WEIGHT: seen & (visits.weight_g <= (1 - limits.weight_loss_percent / 100) * start),
    }
    why = np.full(shape, "", dtype=object)
    for reason in reversed(EXIT_ORDER):
        why[causes[reason] & treated] = str(reason)
    leaves = why != ""
    visit = np.where(leaves.any(axis=1), leaves.argmax(axis=1), shape[1])
    reasons = np.array([why[row, at] if at < shape[1] else "" for row, at in enumerate(visit)], dtype=object)
    for row in np.flatnonzero(visit < shape[1]):
        if reasons[row] in (ExitReason.FOUND_DEAD, ExitReason.ACCIDENT):
            visits.status[row, visit[row]] = str(MeasurementStatus.DEAD)
        elif reasons[row] == ExitReason.ULCERATION:
            visits.status[row, visit[row]] = str(MeasurementStatus.ULCERATED)
    return visit, reasons


def _relation(reason: str, is_control: bool) -> str:
    if reason == ExitReason.BODY_WEIGHT:
        return str(YesNoUnknown.NO if is_control else YesNoUnknown.YES)
    if reason == ExitReason.FOUND_DEAD:
        return str(YesNoUnknown.UNKNOWN)
    return str(YesNoUnknown.NO) if reason else ""


def _table(design: Design, mice: pd.DataFrame, visits: _Visits, last_visit: np.ndarray) -> pd.DataFrame:
    kept = np.arange(len(design.days))[None, :] <= last_visit[:, None]
    mouse, visit = np.nonzero(kept)
    status = visits.status[mouse, visit]
    measured = np.isin(status, [str(MeasurementStatus.MEASURED), str(MeasurementStatus.ULCERATED)])
    weighed = ~np.isin(status, [str(MeasurementStatus.NOT_DONE), str(MeasurementStatus.DEAD)])
    facts = ["pdx_model", "map2k4_status", "tumor_type", "arm", "role", "mouse"]
    table: dict[str, Any] = {"study": design.study}
    table |= {name: mice[name].to_numpy()[mouse] for name in facts}
    table |= {
        "day": np.array(design.days, dtype=float)[visit],
        "length_mm": np.where(measured, visits.length_mm[mouse, visit], np.nan),
        "width_mm": np.where(measured, visits.width_mm[mouse, visit], np.nan),
        "status": status,
        "weight_g": np.where(weighed, visits.weight_g[mouse, visit], np.nan),
        "exit_reason": mice["exit_reason"].to_numpy()[mouse],
        "treatment_related": mice["treatment_related"].to_numpy()[mouse],
    }
    return pd.DataFrame(table)


def _enrolled_mm3(median_mm3: np.ndarray, design: Design, uniform: np.ndarray) -> np.ndarray:
    """Log-normal volumes cut to the enrollment window, by the inverse of their distribution."""
    if design.variation.log_enrollment_sd == 0:
        return median_mm3.astype(float)
    low, high = enrollment_scores(median_mm3, design)
    score = ndtri(ndtr(low) + uniform * (ndtr(high) - ndtr(low)))
    return median_mm3 * np.exp(design.variation.log_enrollment_sd * score)
