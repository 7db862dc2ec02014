"""The declared truth of a simulated study: arms, PDX models, how mice vary, and what follows from them.

Mouse i of PDX model p in arm a, on day t, enrolled on day e (the first of `Design.days`, not after day 0):

    ln V_i(t) = v_i + k_p,control (min(t, 0) - e) + k_p,a max(t, 0) + b_i (t - e)

v_i: ln volume at enrollment, normal, cut to the enrollment window; b_i: the mouse's own slope,
normal(0, mouse_slope_sd); k: `PdxModelTruth.slopes`, per day on the natural log. Treatment starts on
day 0, acts after its arm's delay, and not at all on a resistant mouse: until then, and there, the tumor grows
as the control's. With `slowing_per_day` r growth flags as Gompertz had it: days after 0 count (1 - exp(-r t)) / r.
Volumes are in mm3, lengths in mm, weights in g, days from the first dose.
`studies.analysis.simulation` draws studies from it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy.special import ndtr

from studies.analysis.errors import AnalysisError
from studies.terms import ArmRole

STATUS_ALL = "all"


@dataclass(frozen=True)
class ArmTruth:
    """An arm, and what it does to body weight: percent of the weight at enrollment, per day of treatment.

    `weight_sd_percent_per_day` is how much mice differ in it. `delay_days`: when the drug begins to act;
    `resistant_fraction`: the share of mice it never acts on.
    """

    name: str
    role: str = ArmRole.SINGLE_AGENT
    weight_percent_per_day: float = 0.0
    weight_sd_percent_per_day: float = 0.0
    delay_days: float = 0.0
    resistant_fraction: float = 0.0


@dataclass(frozen=True)
class PdxModelTruth:
    """A PDX model: its status, its median volume at enrollment, and its slope in each arm (ln mm3 a day)."""

    code: str
    status: str
    slopes: Mapping[str, float]
    enrollment_mm3: float = 150.0
    tumor_type: str = ""


@dataclass(frozen=True)
class Variation:
    """How mice differ, and how well they are read.

    `missed_visit`, `found_dead`, `accident` and `ulceration` are probabilities a mouse and visit after day 0.
    `slope_correlation` ties a mouse's slope to its ln volume at enrollment; `log_reading_sd` is an error of a
    reading of ln V beside the calipers' own.
    """

    log_enrollment_sd: float = 0.2
    mouse_slope_sd: float = 0.02
    log_aspect_mean: float = 0.2
    log_aspect_sd: float = 0.08
    caliper_sd_mm: float = 0.35
    weight_mean_g: float = 22.0
    weight_sd_g: float = 1.5
    weight_gain_percent_per_day: float = 0.12
    weighing_sd_g: float = 0.2
    missed_visit: float = 0.02
    found_dead: float = 0.001
    accident: float = 0.001
    ulceration: float = 0.002
    slope_correlation: float = 0.0
    log_reading_sd: float = 0.0


@dataclass(frozen=True)
class Limits:
    """The enrollment window, what calipers can tell, and the humane limits that end a mouse's study."""

    enrollment_mm3: tuple[float, float] = (100.0, 200.0)
    lod_mm3: float = 13.5
    palpable_mm: float = 2.0
    volume_cap_mm3: float = 2000.0
    diameter_cap_mm: float = 20.0
    weight_loss_percent: float = 20.0


@dataclass(frozen=True)
class Design:
    """What is simulated. The first arm of role vehicle is the control; the first of `days` is enrollment.

    With `ends` the mice still alive on the last day leave as planned; without it the study goes on.
    """

    models: tuple[PdxModelTruth, ...]
    arms: tuple[ArmTruth, ...]
    mice_per_arm: int
    days: tuple[int, ...] = (-1, 0, 3, 7, 10, 14, 17, 21)
    study: str = "SIMULATED"
    variation: Variation = field(default_factory=Variation)
    limits: Limits = field(default_factory=Limits)
    ends: bool = True
    slowing_per_day: float = 0.0

    def __post_init__(self) -> None:
        names = [arm.name for arm in self.arms]
        if not any(arm.role == ArmRole.VEHICLE for arm in self.arms):
            raise AnalysisError("a simulated study needs an arm of role vehicle")
        if list(self.days) != sorted(set(self.days)) or not self.days or self.days[0] > 0:
            raise AnalysisError("days must rise, from an enrollment day that is not after day 0")
        for model in self.models:
            if missing := [name for name in names if name not in model.slopes]:
                raise AnalysisError(f"PDX model {model.code} has no slope for {', '.join(missing)}")

    @property
    def control(self) -> str:
        return next(arm.name for arm in self.arms if arm.role == ArmRole.VEHICLE)

    def models_of(self, status: str) -> tuple[PdxModelTruth, ...]:
        """The models of a status, or all of them; a status none has is refused."""
        found = tuple(model for model in self.models if status in (STATUS_ALL, model.status))
        if not found:
            raise AnalysisError(f"no PDX model of status {status}")
        return found

    def expected_mm3(self, arm: str, day: float, status: str = STATUS_ALL) -> float:
        """The expected (arithmetic mean) volume at a day, over the models of a status with equal weight."""
        return float(np.mean([self._expected(model, arm, day) for model in self.models_of(status)]))

    def _expected(self, model: PdxModelTruth, arm: str, day: float) -> float:
        span, spread = day - self.days[0], self.variation
        treated = next(one for one in self.arms if one.name == arm)
        shares = ((1 - treated.resistant_fraction, arm), (treated.resistant_fraction, self.control))
        growth = sum(share * float(np.exp(self.growth(model.slopes, name, day))) for share, name in shares)
        own = (spread.mouse_slope_sd * span) ** 2 * (1 - spread.slope_correlation**2) / 2
        power = 1.0
        if spread.log_enrollment_sd > 0:
            power += spread.slope_correlation * spread.mouse_slope_sd * span / spread.log_enrollment_sd
        return _mean_enrolled_mm3(model, self, power) * growth * float(np.exp(own))

    def growth(self, slopes: Mapping[str, float], arm: str, day: Any) -> Any:
        """What a tumor of an arm has grown on ln V from enrollment to a day (or days), beside its own slope."""
        onset = next(one.delay_days for one in self.arms if one.name == arm)
        before, late = np.minimum(day, 0) - self.days[0], self._lived(np.minimum(np.maximum(day, 0), onset))
        after = self._lived(np.maximum(day, 0)) - late
        return slopes[self.control] * (before + late) + slopes[arm] * after

    def _lived(self, day: Any) -> Any:
        rate = self.slowing_per_day
        return -np.expm1(-rate * day) / rate if rate else day


def with_fold(design: Design, arm: str, fold: float, day: float, status: str = STATUS_ALL) -> Design:
    """The design with one constant added to `arm`'s slopes, so that its expected volume at `day` is
    exactly `fold` times that on day 0."""
    return _with_expected(design, arm, fold * design.expected_mm3(arm, 0, status), day, status)


def with_tgi(design: Design, arm: str, percent: float, day: float, status: str = STATUS_ALL) -> Design:
    """The design with one constant added to `arm`'s slopes, so that its true ratio TGI at `day`,
    100 (1 - E T / E C), is exactly `percent`."""
    if not percent < 100:
        raise AnalysisError(f"a ratio TGI of {percent} % cannot be reached: it stays below 100 %")
    control = design.expected_mm3(design.control, day, status)
    return _with_expected(design, arm, (1 - percent / 100) * control, day, status)


def _with_expected(design: Design, arm: str, target_mm3: float, day: float, status: str) -> Design:
    if not day > 0:
        raise AnalysisError("slopes are set by a day after day 0")
    shift = float(np.log(target_mm3 / design.expected_mm3(arm, day, status))) / day
    models = tuple(
        replace(model, slopes={**model.slopes, arm: model.slopes[arm] + shift})
        if status in (STATUS_ALL, model.status)
        else model
        for model in design.models
    )
    return replace(design, models=models)


@dataclass(frozen=True)
class ArmEffect:
    """What is true of one arm in the models of one status, at one day.

    `slope_per_day`: mean over models; `tgi_ratio_percent` and `tgi_delta_percent`: of expected volumes;
    `tgi_model_percent`: 100 (1 - exp(t times the mean slope difference)), which mixed models estimate;
    `fold`: expected volume at the day over that on day 0.
    """

    status: str
    arm: str
    day: float
    n_models: int
    slope_per_day: float
    slope_difference_per_day: float
    fold: float
    tgi_ratio_percent: float
    tgi_delta_percent: float
    tgi_model_percent: float


@dataclass(frozen=True)
class Bliss:
    """k_AB - k_A - k_B + k_V of a combination, mean over the models of a status; negative is synergy."""

    status: str
    arm: str
    parts: tuple[str, ...]
    day: float
    excess_per_day: float
    combination_index: float


def effects(design: Design, day: float) -> list[ArmEffect]:
    """The truth of every arm, for all models and for each status."""
    statuses = [STATUS_ALL, *dict.fromkeys(model.status for model in design.models)]
    return [_effect(design, status, arm.name, day) for status in statuses for arm in design.arms]


def _effect(design: Design, status: str, arm: str, day: float) -> ArmEffect:
    models = design.models_of(status)
    start = design.expected_mm3(arm, 0, status)
    treated, control = design.expected_mm3(arm, day, status), design.expected_mm3(design.control, day, status)
    slope = float(np.mean([model.slopes[arm] for model in models]))
    difference = slope - float(np.mean([model.slopes[design.control] for model in models]))
    return ArmEffect(
        status=status,
        arm=arm,
        day=day,
        n_models=len(models),
        slope_per_day=slope,
        slope_difference_per_day=difference,
        fold=treated / start,
        tgi_ratio_percent=100 * (1 - treated / control),
        tgi_delta_percent=100 * (1 - (treated - start) / (control - start)),
        tgi_model_percent=-100 * float(np.expm1(difference * day)),
    )


def bliss(design: Design, combination: str, parts: Sequence[str], day: float) -> list[Bliss]:
    """The true excess of a combination over Bliss independence on the slope scale, by status."""
    found = []
    for status in [STATUS_ALL, *dict.fromkeys(model.status for model in design.models)]:
        excess = float(
            np.mean(
                [
                    model.slopes[combination]
                    - sum(model.slopes[part] for part in parts)
                    + (len(parts) - 1) * model.slopes[design.control]
                    for model in design.models_of(status)
                ]
            )
        )
        found.append(Bliss(status, combination, tuple(parts), day, excess, float(np.exp(excess * day))))
    return found


def enrollment_scores(median_mm3: np.ndarray, design: Design) -> tuple[np.ndarray, np.ndarray]:
    """The enrollment window in standard deviations of ln volume from the median."""
    low, high = design.limits.enrollment_mm3
    sd = design.variation.log_enrollment_sd
    return (np.log(low) - np.log(median_mm3)) / sd, (np.log(high) - np.log(median_mm3)) / sd


def _mean_enrolled_mm3(model: PdxModelTruth, design: Design, power: float) -> float:
    """The mean of m (x / m)^power over that cut log-normal x of median m."""
    sd = design.variation.log_enrollment_sd
    if sd == 0:
        return model.enrollment_mm3
    low, high = enrollment_scores(np.array(model.enrollment_mm3), design)
    moved = power * sd
    share = (ndtr(high - moved) - ndtr(low - moved)) / (ndtr(high) - ndtr(low))
    return model.enrollment_mm3 * float(np.exp(moved**2 / 2) * share)
