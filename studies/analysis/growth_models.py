"""The mixed models of growth behind a study's inference.

M1, one PDX model:       log_volume ~ day * arm + (1 + day | mouse) M4, several PDX models:  log_volume ~
day * map2k4 + day:arm + day:arm:map2k4 + (1 + day | pdx_model) + (0 + day | pdx_model:arm) + (1 + day |
mouse)

An effect is the difference of an arm's slope from its control's, per day on ln V, over the analysis
window. Where no model and arm holds two mice, pdx_model:arm is the mouse and that term is left out: the
mouse then carries what the models differ in their response. Blocks and, after pooling, day * source_study
enter as fixed effects.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import permutations

import numpy as np
import pandas as pd
from scipy.special import stdtr, stdtrit

from studies import wording
from studies.analysis.biomarker_status import MAP2K4, Biomarker
from studies.analysis.censored import fit_censored
from studies.analysis.censored_nested import fit_censored_nested
from studies.analysis.errors import AnalysisError
from studies.analysis.lmm.adjust import adjust_p
from studies.analysis.mixed_model import Adjust, DfMethod, LmmFit, fit_lmm_near
from studies.analysis.plan import Plan
from studies.analysis.tables import LENGTHS
from studies.analysis.tobit import BELOW, SEEN

FEWEST_MICE, FEWEST_READINGS = 2, 2
SINGLE_MICE = (
    "one mouse a PDX model and arm: how much models differ in their response cannot be told from how much mice do; "
    "(1 + day | mouse) carries both and tau2 is not given"
)
RESPONSE_GROUP = "pdx_model:arm"
M4_CENSORED = "M4, censored"
FEW_DF = 2
LEAST_RESIDUAL_SD = 1e-5
Weights = dict[str, float]
BELOW_LIMIT = "below the limit of detection"


@dataclass(frozen=True)
class GrowthData:
    """The readings a fit rests on: columns log_volume, day, arm, mouse, pdx_model, map2k4 (the biomarker's status,
    also under the gene's own name), source_study, blocks, and kind, which tells readings seen from those of which only
    a limit is known (log_volume then is that limit's).

    `left_out` counts the readings that took no part, by reason; `limit_mm3` is the limit of detection that censors;
    searches begin at the variances of the fit `near`, else of the first fit to these data.
    """

    frame: pd.DataFrame
    control: str
    window: tuple[float, float]
    left_out: dict[str, int] = field(default_factory=dict)
    limit_mm3: float | None = None
    biomarker: Biomarker = MAP2K4
    near: LmmFit | None = field(default=None, repr=False, compare=False)
    fits: dict[str, LmmFit] = field(init=False, default_factory=dict, repr=False, compare=False)

    @property
    def gene(self) -> str:
        """The column of the statuses, as formulas name it."""
        return self.biomarker.gene

    @property
    def n_censored(self) -> int:
        return int((self.frame["kind"] != SEEN).sum())

    def seen(self) -> "GrowthData":
        """The same without its censored readings."""
        left_out = {**self.left_out, BELOW_LIMIT: self.n_censored}
        return replace(self, frame=self.frame[self.frame["kind"] == SEEN], left_out=left_out)

    @property
    def arms(self) -> list[str]:
        return list(self.frame["arm"].cat.categories)

    @cached_property
    def mice(self) -> pd.DataFrame:
        return self.frame.drop_duplicates("mouse")[["mouse", "pdx_model", "map2k4", "arm"]]

    @cached_property
    def models_of_arm(self) -> dict[str, set[str]]:
        """The PDX models that hold each arm."""
        return {str(arm): set(part) for arm, part in self.mice.groupby("arm", observed=True)["pdx_model"]}

    @cached_property
    def status_of_model(self) -> dict[str, str]:
        """MAP2K4 status by PDX model."""
        models = self.mice.drop_duplicates("pdx_model")
        return dict(zip(models["pdx_model"], models["map2k4"].astype(str), strict=True))

    def count(self, arm: str, status: str | None = None) -> dict[str, int]:
        """Mice and PDX models of an arm, within a MAP2K4 status where one is named."""
        mine = self.mice[self.mice["arm"] == arm]
        mine = mine if status is None else mine[mine["map2k4"] == status]
        return {"n_mice": len(mine), "n_models": int(mine["pdx_model"].nunique())}


@dataclass(frozen=True)
class GrowthFit:
    """A fitted M1 or M4 and the weights that turn its coefficients into effects of arms."""

    data: GrowthData
    formula: str
    fit: LmmFit = field(repr=False)
    name: str
    df_cap: float | None = None
    notes: tuple[str, ...] = ()
    square: float = 0.0
    bends: Mapping[str, float] = field(default_factory=dict)

    @property
    def models_alike(self) -> bool:
        """Whether PDX models differ in their slopes by no more than their mice make them: tau2 is estimated as 0."""
        straight = self.name in ("M4", M4_CENSORED) and not self.square
        return straight and self.fit.variance_is_zero(RESPONSE_GROUP)

    def coefficient(self, name: str) -> float:
        """The estimate of one fixed effect; 0 for one that was dropped."""
        return dict(zip(self.fit.assembled.names, self.fit.beta, strict=True)).get(name, 0.0)

    def slope(self, arm: str, shares: Mapping[str, float] | None = None) -> Weights:
        """Weights of the arm's slope, averaged over MAP2K4 statuses by `shares` and evenly over source studies.

        In a curved fit `square` times the coefficients of day2 come along (see `square_of`), and those of further
        columns of time by the weights of `bends`.
        """
        names = set(self.fit.design.names)
        sources = list(self.data.frame["source_study"].cat.categories)
        weights: Weights = {}
        for day, factor in (("day", 1.0), ("day2", self.square), *self.bends.items()):
            _add(weights, names, (day,), factor)
            _add(weights, names, (day, f"arm[T.{arm}]"), factor)
            for status, share in (shares or {}).items():
                level = f"{self.data.gene}[T.{self.data.biomarker.level(status)}]"
                _add(weights, names, (day, level), factor * share)
                _add(weights, names, (day, level, f"arm[T.{arm}]"), factor * share)
            for source in sources:
                _add(weights, names, (day, f"source_study[T.{source}]"), factor / len(sources))
        return weights

    def effect(self, arm: str, control: str, shares: Mapping[str, float] | None = None) -> Weights:
        """Weights of the difference between the slopes of an arm and its control."""
        shares = self.shares(arm, control) if shares is None else shares
        return difference(self.slope(arm, shares), self.slope(control, shares))

    def shares(self, *arms: str, without: str | None = None) -> dict[str, float]:
        """The share of each status among the PDX models that hold all of these arms, one of them left out."""
        held = set.intersection(*(self.data.models_of_arm.get(arm, set()) for arm in arms)) - {without}
        statuses = Counter(status for model, status in self.data.status_of_model.items() if model in held)
        return {status: count / len(held) for status, count in statuses.items()}

    def estimates(self, weights: list[Weights], df: DfMethod) -> tuple[np.ndarray, np.ndarray]:
        """Weighted sums of the coefficients and their covariance."""
        vcov = self.fit.vcov(df)
        rows = pd.DataFrame(weights).reindex(columns=vcov.columns).fillna(0.0).to_numpy()
        return rows @ self.fit.beta, rows @ vcov.to_numpy() @ rows.T

    def contrasts(
        self, weights: Mapping[str, Weights], plan: Plan, adjust: Adjust | None = None
    ) -> pd.DataFrame:
        """Estimates of weighted coefficients with the plan's df and level; df never above `df_cap`."""
        method, adjust = plan["df"], adjust or plan["adjust"]
        level = 1 - plan["alpha"]
        if self.df_cap is None:
            return self.fit.contrasts(weights, df=method, adjust=adjust, level=level)
        table = self.fit.contrasts(weights, df=method, adjust="none", level=level)
        capped = _capped(table, self.df_cap, plan["alpha"])
        return capped.assign(p_adjusted=self.adjusted(capped, weights, plan, adjust))

    def adjusted(
        self, table: pd.DataFrame, weights: Mapping[str, Weights], plan: Plan, adjust: Adjust
    ) -> np.ndarray:
        """Adjusted p of a table's statistics, which correlate as these contrasts do."""
        covariance = _covariance(self.fit.vcov(plan["df"]), weights)
        p_value, statistic, df = (table[name].to_numpy(float) for name in ("p_value", "statistic", "df"))
        return adjust_p(p_value, statistic, df, covariance, adjust)


def difference(one: Weights, other: Weights) -> Weights:
    """Weights of one linear combination less another."""
    names = [*one, *(name for name in other if name not in one)]
    weights = {name: one.get(name, 0.0) - other.get(name, 0.0) for name in names}
    return {name: weight for name, weight in weights.items() if weight}


def growth_data(
    frame: pd.DataFrame,
    plan: Plan,
    statuses: tuple[str, ...] | None = None,
    censor: bool = True,
) -> GrowthData:
    """Readings within the plan's window, of arms with at least two mice read twice above the limit of detection.

    Readings below the limit are censored, unless told otherwise or the plan names its own formula: readings of 0 are
    left out then. `statuses` keeps the PDX models of these MAP2K4 statuses only. Refuses a study without a window,
    without a control that can be fitted, and without an arm to compare with it.
    """
    if plan["window"] is None:
        raise AnalysisError("there is no analysis window: no day at which arms can be compared")
    first, last = plan["window"]
    read = frame[frame["volume_mm3"].notna()]
    read = read if statuses is None else read[read["map2k4_status"].isin(statuses)]
    inside = read[read["day"].between(first, last)]
    left_out = {"outside the window": len(read) - len(inside)}
    limit = (
        detection_limit(inside["volume_mm3"].to_numpy(), plan) if censor and plan["model"] == "auto" else None
    )
    if limit is None:
        kept = inside[inside["volume_mm3"] > 0]
        left_out["volume of 0"] = len(inside) - len(kept)
        seen = kept
    else:
        kept = inside.assign(volume_mm3=inside["volume_mm3"].clip(lower=limit))
        seen = kept[(inside["volume_mm3"] >= limit)]
    arms = _arms_to_fit(seen, plan, (float(first), float(last)))
    left_out["arm with fewer than 2 mice read twice"] = int((~kept["arm"].isin(arms)).sum())
    chosen = kept["arm"].isin(arms)
    kind = np.where(chosen.index[chosen].isin(seen.index), SEEN, BELOW)
    return GrowthData(
        _columns(kept[chosen], arms, plan).assign(kind=kind), plan["control"], (float(first), float(last)),
        {k: n for k, n in left_out.items() if n}, limit, plan.biomarker,
    )  # fmt: skip


def detection_limit(volumes: np.ndarray, plan: Plan) -> float | None:
    """The volume below which a reading says only that it lies below; None where no reading does.

    The plan's limit. Where it was not given and most tumors measured lie below it, volumes are plainly not in mm3:
    the least volume measured then stands for the limit, and censors readings of 0 only.
    """
    positive = volumes[volumes > 0]
    limit = float(plan["lod_mm3"])
    foreign = plan.sources["lod_mm3"] == "default" and len(positive) and float(np.median(positive)) < limit
    if (foreign or not limit > 0) and len(positive):
        limit = float(positive.min())
    return limit if limit > 0 and (volumes < limit).any() else None


def _arms_to_fit(seen: pd.DataFrame, plan: Plan, window: tuple[float, float]) -> list[str]:
    """The control and every other arm with enough mice read often enough."""
    span = f"in the window (days {window[0]:g} to {window[1]:g})"
    visits = seen.groupby("mouse")["day"].nunique()
    fit_mice = visits.index[visits >= FEWEST_READINGS]
    fitted = seen[seen["mouse"].isin(fit_mice)].groupby("arm")["mouse"].nunique()
    arms = [arm for arm in plan["roles"] if fitted.get(arm, 0) >= FEWEST_MICE]
    control = plan["control"]
    if control not in arms:
        raise AnalysisError(
            f'the control "{control}" has {wording.mice(fitted.get(control, 0))} with two readings above the limit of '
            f"detection {span}; {FEWEST_MICE} are needed: a longer window, or another control (plan: window, control)"
        )
    if len(arms) < 2:
        counts = ", ".join(f"{arm} {fitted.get(arm, 0)}" for arm in plan["roles"] if arm != control)
        raise AnalysisError(
            f"no other arm has {FEWEST_MICE} mice with two readings above the limit of detection {span} "
            f"({counts or 'the control is the only arm'}): a longer window may hold them (plan: window)"
        )
    return [control, *(arm for arm in arms if arm != control)]


def fit_m1(
    data: GrowthData,
    plan: Plan,
    fixed: str = "day * arm",
    random: str = "(1 + day | mouse)",
    square: float = 0.0,
    bends: Mapping[str, float] | None = None,
) -> GrowthFit:
    """M1, or a variant of its fixed or random part; with a `square` or `bends` the curves may bend (M2)."""
    fixed = _bent(fixed, square, bends)
    formula = f"log_volume ~ {fixed}{_blocks(data, plan)}{_sources(data)} + {random}"
    straight = "MC" if data.n_censored else "M1"
    return GrowthFit(
        data, formula, _fit(formula, data), "M2" if square else straight, square=square, bends=bends or {}
    )


def fit_m4(
    data: GrowthData,
    plan: Plan,
    square: float = 0.0,
    by_status: bool = True,
    main_effect: bool = False,
    mouse: str = "(1 + day | mouse)",
    bends: Mapping[str, float] | None = None,
) -> GrowthFit:
    """M4, its terms of the biomarker only where the PDX models have more than one status; with a `square` or `bends`
    bent (M2).

    Variants: arms with intercepts of their own (`main_effect`), another random part of the `mouse`.
    """
    statuses = data.mice.drop_duplicates("pdx_model")["map2k4"]
    several = by_status and statuses.nunique() > 1
    replicated = data.mice.groupby(["pdx_model", "arm"], observed=True).size().max() > 1
    gene = data.gene
    fixed = f"day * {gene} + day:arm + day:arm:{gene}" if several else "day * arm"
    fixed = f"{fixed} + arm" if main_effect and several else fixed
    fixed = _bent(fixed, square, bends)
    random = [
        "(1 + day | pdx_model)",
        *(["(0 + day | pdx_model:arm)"] if replicated else []),
        mouse,
    ]
    formula = f"log_volume ~ {fixed}{_blocks(data, plan)}{_sources(data)} + {' + '.join(random)}"
    cap = max(float(len(statuses) - (statuses.nunique() if several else 1)), 1.0)
    notes = _few_models(len(statuses), cap) if replicated else (SINGLE_MICE, *_few_models(len(statuses), cap))
    straight = M4_CENSORED if data.n_censored else "M4"
    name = "M4, bent" if square else straight
    return GrowthFit(data, formula, _fit(formula, data), name, cap, notes, square, bends or {})


def _bent(fixed: str, square: float, bends: Mapping[str, float] | None) -> str:
    """The fixed part with its terms of day repeated for the squared day, and for other columns of time."""
    times = [*(["day2"] if square else []), *(bends or {})]
    return " + ".join([fixed, *(re.sub(r"\bday\b", time, fixed) for time in times)])


def square_of(estimand: str, day: float) -> float:
    """How much of the squared-day coefficient an estimand takes up at a day, beside the slope.

    slope 0; egait 2/3 of the day, the slope of the straight line with the area of the bent one; day_difference
    the day itself, the rate at which ln V has changed by that day.
    """
    return {"slope": 0.0, "egait": 2 / 3 * day, "day_difference": day}[estimand]


def fit_formula(data: GrowthData, formula: str) -> GrowthFit:
    """A formula of the plan's own, over the columns of `GrowthData`."""
    return GrowthFit(data, formula, _fit(formula, data), "plan")


def fit_primary(data: GrowthData, plan: Plan) -> GrowthFit:
    """The plan's formula, else M1 for one PDX model and M4 for several."""
    if plan["model"] != "auto":
        return fit_formula(data, plan["model"])
    return fit_censoring(data, plan, square_of(plan["primary"].get("estimand", "slope"), tgi_day(plan)))


def fit_censoring(data: GrowthData, plan: Plan, square: float) -> GrowthFit:
    """M1 or M4, its readings below detection censored; where that likelihood has no maximum, without them and said."""
    try:
        return fit_growth(data, plan, square)
    except AnalysisError as error:
        if not data.n_censored:
            raise
        try:
            fit = fit_growth(data.seen(), plan, square)
        except AnalysisError:
            raise error from None
        note = f"readings below the limit of detection could not be censored and were left out: {error}"
        return replace(fit, notes=(*fit.notes, note))


def fit_growth(data: GrowthData, plan: Plan, square: float = 0.0) -> GrowthFit:
    """M1 of one PDX model, M4 of several."""
    if data.mice["pdx_model"].nunique() == 1:
        return fit_m1(data, plan, square=square)
    return fit_m4(data, plan, square)


def tgi_day(plan: Plan) -> float:
    """The day model-based TGI is given for: the plan's, never past the analysis window."""
    last = plan["window"][1]
    return float(last if plan["day"] is None else min(plan["day"], last))


def tgi_percent(effect: float | None, day: float) -> float | None:
    """TGI a difference of slopes makes by `day`, in percent: 100 (1 - exp(effect x day))."""
    if effect is None or not np.isfinite(effect):
        return None
    with np.errstate(over="ignore"):
        value = float(-100 * np.expm1(effect * day))
    return value if np.isfinite(value) else None


def _few_models(models: int, df: float) -> tuple[str, ...]:
    if df > FEW_DF:
        return ()
    return (
        f"{models} PDX models leave {df:g} degrees of freedom for effects over models, so their intervals are wide; "
        "the fits of the single models speak for those models only",
    )


def _columns(kept: pd.DataFrame, arms: list[str], plan: Plan) -> pd.DataFrame:
    present = set(kept["map2k4_status"])
    statuses = [
        status for status in ("wild_type", "loss_of_function", "uncertain", "unknown") if status in present
    ]
    data = pd.DataFrame(
        {
            "log_volume": np.log(kept["volume_mm3"].to_numpy()),
            "day": kept["day"].to_numpy(float),
            "day2": kept["day"].to_numpy(float) ** 2,
            "arm": pd.Categorical(kept["arm"], categories=arms),
            "mouse": kept["mouse"].to_numpy(),
            "pdx_model": kept["pdx_model"].to_numpy(),
            "map2k4": pd.Categorical(kept["map2k4_status"], categories=statuses),
            plan.biomarker.gene: pd.Categorical(
                kept["map2k4_status"].map(plan.biomarker.level),
                categories=[*map(plan.biomarker.level, statuses)],
            ),
            "source_study": pd.Categorical(kept["source_study"]),
            "cage": kept["cage"].to_numpy(),
        }
    )
    for name in LENGTHS:
        if name in kept:
            data[name] = kept[name].to_numpy(float)
    for name in plan["blocks"]:
        if name not in kept:
            raise AnalysisError(f'plan: the table has no column "{name}" to take as a block')
        if name not in data:
            data[name] = pd.Categorical(kept[name].astype(object).map(wording.level))
    return data


def _blocks(data: GrowthData, plan: Plan) -> str:
    """Block effects of one PDX model; over several models a block is one of its model's, so a random intercept."""
    names = [name for name in plan["blocks"] if data.frame[name].nunique() > 1]
    nested = data.mice["pdx_model"].nunique() > 1
    return "".join(f" + (1 | pdx_model:{name})" if nested else f" + {name}" for name in names)


def _sources(data: GrowthData) -> str:
    return " + day * source_study" if data.frame["source_study"].nunique() > 1 else ""


def _fit(formula: str, data: GrowthData) -> LmmFit:
    """A formula fitted once to these data, whoever asks for it again."""
    if formula not in data.fits:
        data.fits[formula] = _fit_anew(formula, data.frame, data.near or next(iter(data.fits.values()), None))
    return data.fits[formula]


def _fit_anew(formula: str, frame: pd.DataFrame, near: LmmFit | None) -> LmmFit:
    kind = frame["kind"].to_numpy()
    try:
        if (kind == SEEN).all():
            fit = fit_lmm_near(formula, frame, near)
        elif frame["pdx_model"].nunique() == 1:
            fit = fit_censored(formula, frame, kind, near)
        else:
            fit = fit_censored_nested(formula, frame, kind, near)
    except np.linalg.LinAlgError as error:
        raise AnalysisError(f"{formula} could not be fitted: {error}") from error
    # ln V has no unit: no caliper reads to a thousandth of a percent, so such data are made, or fitted exactly
    if fit.sigma < LEAST_RESIDUAL_SD or not (np.diag(fit.vcov("satterthwaite")) > 0).all():
        raise AnalysisError("the curves are reproduced without error, which leaves nothing to test against")
    return fit


def _add(weights: Weights, names: set[str], parts: tuple[str, ...], weight: float) -> None:
    """Add the weight of the term made of these parts, in whatever order the fit names them."""
    for order in permutations(parts):
        if (name := ":".join(order)) in names:
            weights[name] = weights.get(name, 0.0) + weight
            return


def _capped(table: pd.DataFrame, cap: float, alpha: float) -> pd.DataFrame:
    """The table at no more than `cap` degrees of freedom."""
    df = np.minimum(table["df"].to_numpy(), cap)
    p = 2 * stdtr(df, -np.abs(table["statistic"].to_numpy()))
    half = stdtrit(df, 1 - alpha / 2) * table["se"].to_numpy()
    estimate = table["estimate"].to_numpy()
    return table.assign(df=df, p_value=p, ci_low=estimate - half, ci_high=estimate + half)


def _covariance(vcov: pd.DataFrame, weights: Mapping[str, Weights]) -> np.ndarray:
    rows = pd.DataFrame([dict(row) for row in weights.values()]).reindex(columns=vcov.columns).fillna(0.0)
    return rows.to_numpy() @ vcov.to_numpy() @ rows.to_numpy().T
