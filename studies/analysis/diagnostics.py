"""Does a mixed model of growth hold? Normality of residuals and random effects, equal spread, readings far off,
observed against predicted, and how much each mouse bends the answer.

Readings far off are listed and one sensitivity row leaves them out; none is ever deleted.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from studies.analysis.growth_models import GrowthData, GrowthFit
from studies.analysis.influence import influence_of_mice

FAR_OFF = 3.0
MOST_LISTED = 20
MOST_FOR_SHAPIRO = 5000
QUANTILES = 41
MOST_POINTS = 300
FEWEST_IN_GROUP, MOST_GROUPS = 3, 500
LEAST_RANGE = 1e-6  # random effects of a variance at 0 differ by rounding only


def diagnostics(fit: GrowthFit, whole: bool = True) -> dict[str, Any]:
    """What the JSON tells of a fit's soundness, beside its size and likelihood; not `whole`: without its long parts."""
    residuals = scaled_residuals(fit)
    seen = ~np.isnan(residuals)
    data = replace(fit.data, frame=fit.data.frame[seen])
    residuals = residuals[seen]
    return {
        "loglik": fit.fit.loglik,
        "sigma": fit.fit.sigma,
        "is_singular": bool(fit.fit.is_singular),
        "n_rows": fit.fit.n_rows,
        "n_mice": len(fit.data.mice),
        "n_models": int(fit.data.mice["pdx_model"].nunique()),
        "df_cap": fit.df_cap,
        "left_out": fit.data.left_out,
        "residual_normality": _shapiro(residuals),
        "random_effect_normality": _random_effects(fit),
        "residual_spread_by_arm": _spread(residuals, data),
        "residual_spread": {
            name: _equal_spread(residuals, data.frame[name]) for name in ("arm", "day", "mouse")
        },
        "qq": _quantiles(residuals),
        **(_at_length(fit, seen) if whole else {}),
        "far_off": _far_off(residuals, data),
        "n_far_off": int((np.abs(residuals) > FAR_OFF).sum()),
    }


def scaled_residuals(fit: GrowthFit) -> np.ndarray:
    """Residuals about each mouse's own fitted line, in residual standard deviations."""
    return np.asarray(fit.fit.residuals, dtype=float)


def without_far_off(fit: GrowthFit) -> GrowthData | None:
    """The data without the readings far off, or None where there is none."""
    kept = ~(np.abs(scaled_residuals(fit)) > FAR_OFF)
    if kept.all():
        return None
    data = fit.data
    left_out = {**data.left_out, "far off": int((~kept).sum())}
    return replace(data, frame=data.frame[kept].reset_index(drop=True), left_out=left_out)


def _shapiro(values: np.ndarray) -> dict[str, Any] | None:
    """Shapiro and Wilk's W and p; a large study shows departures too small to matter, so read the QQ plot too."""
    if not 3 <= len(values) <= MOST_FOR_SHAPIRO or np.ptp(values) < LEAST_RANGE:
        return None
    from scipy.stats import shapiro

    result = shapiro(values)
    return {"w": float(result.statistic), "p_value": float(result.pvalue), "n": len(values)}


def _random_effects(fit: GrowthFit) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for effects in fit.fit.random_effects:
        for name in effects.columns:
            test = _shapiro(effects[name].to_numpy(float)) or {"w": None, "p_value": None, "n": len(effects)}
            rows.append({"group": effects.attrs["group"], "term": name, **test})
    return rows


def _spread(residuals: np.ndarray, data: GrowthData) -> dict[str, Any] | None:
    """Brown and Forsythe's test (Levene's about medians) of equal residual spread over arms, with each arm's SD."""
    arms = data.frame["arm"].to_numpy()
    groups = [residuals[arms == arm] for arm in data.arms]
    if any(len(group) < 2 for group in groups) or not _deviate_unequally(groups):
        return None
    from scipy.stats import levene

    result = levene(*groups, center="median")
    sds = {arm: float(group.std(ddof=1)) for arm, group in zip(data.arms, groups, strict=True)}
    return {"statistic": float(result.statistic), "p_value": float(result.pvalue), "sd": sds}


def _at_length(fit: GrowthFit, seen: np.ndarray) -> dict[str, Any]:
    return {
        "random_effect_qq": _random_effect_quantiles(fit),
        "observed_predicted": _observed_predicted(fit, seen),
        "influence": influence_of_mice(fit),
    }


def _equal_spread(residuals: np.ndarray, groups: pd.Series) -> dict[str, Any] | None:
    """Brown and Forsythe's and Fligner and Killeen's tests of equal residual spread over arms, days or mice.

    Groups of fewer than three residuals take no part; None below two groups, or above MOST_GROUPS of them.
    """
    codes = pd.factorize(groups)[0]
    sizes = np.bincount(codes)
    order = np.argsort(codes, kind="stable")
    parts = [
        part for part in np.split(residuals[order], np.cumsum(sizes)[:-1]) if len(part) >= FEWEST_IN_GROUP
    ]
    if not 2 <= len(parts) <= MOST_GROUPS or any(np.ptp(part) < LEAST_RANGE for part in parts):
        return None
    if not _deviate_unequally(parts):
        return None
    from scipy.stats import fligner, levene

    levene_result, fligner_result = levene(*parts, center="median"), fligner(*parts)
    return {
        "n_groups": len(parts), "levene": float(levene_result.statistic), "levene_p_value": float(levene_result.pvalue),
        "fligner": float(fligner_result.statistic), "fligner_p_value": float(fligner_result.pvalue),
    }  # fmt: skip


def _deviate_unequally(groups: list[np.ndarray]) -> bool:
    """Whether distances to the medians differ within some group, as two residuals' never do: tests of spread divide by
    how much they do."""
    distances = [np.abs(group - np.median(group)) for group in groups]
    return any(np.ptp(distance) > LEAST_RANGE for distance in distances)


def _random_effect_quantiles(fit: GrowthFit) -> list[dict[str, Any]]:
    """QQ data of each predicted random effect, divided by its standard deviation over the groups."""
    rows = []
    for effects in fit.fit.random_effects:
        for name in effects.columns:
            values = effects[name].to_numpy(float)
            if len(values) >= FEWEST_IN_GROUP and np.ptp(values) >= LEAST_RANGE:
                points = _quantiles(
                    (values - values.mean()) / values.std(ddof=1), min(QUANTILES, len(values))
                )
                rows.append({"group": effects.attrs["group"], "term": name, "points": points})
    return rows


def _observed_predicted(fit: GrowthFit, seen: np.ndarray) -> dict[str, Any]:
    """ln V observed and predicted (each mouse's own line), in columns; evenly thinned to MOST_POINTS readings."""
    places = np.flatnonzero(seen)
    shown = places[
        np.unique(np.linspace(0, len(places) - 1, min(len(places), MOST_POINTS)).round().astype(int))
    ]
    frame = fit.data.frame.iloc[shown]
    return {
        "n": int(seen.sum()), "arm": frame["arm"].astype(str).tolist(), "day": frame["day"].tolist(),
        "observed": np.round(frame["log_volume"].to_numpy(), 4).tolist(),
        "predicted": np.round(fit.fit.fitted[shown], 4).tolist(),
    }  # fmt: skip


def _quantiles(residuals: np.ndarray, count: int = QUANTILES) -> list[dict[str, float]]:
    """Residuals against the normal distribution at evenly spread probabilities, for a QQ plot."""
    from scipy.special import ndtri

    shares = (np.arange(count) + 0.5) / count
    observed = np.quantile(residuals, shares)
    return [
        {"normal": float(normal), "observed": float(value)}
        for normal, value in zip(ndtri(shares), observed, strict=True)
    ]


def _far_off(residuals: np.ndarray, data: GrowthData) -> list[dict[str, Any]]:
    far = np.flatnonzero(np.abs(residuals) > FAR_OFF)
    far = far[np.argsort(-np.abs(residuals[far]), kind="stable")][:MOST_LISTED]
    rows: pd.DataFrame = data.frame.iloc[far]
    return [
        {"mouse": row.mouse, "arm": str(row.arm), "day": float(row.day), "volume_mm3": float(np.exp(row.log_volume)),
         "scaled_residual": float(residuals[place])}
        for place, row in zip(far, rows.itertuples(), strict=True)
    ]  # fmt: skip
