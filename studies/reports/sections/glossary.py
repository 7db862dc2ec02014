"""The statistics this report uses, each in one line. Only what is on its pages is explained."""

from collections.abc import Callable

import pandas as pd

from studies.reports.blocks import Facts, Section
from studies.reports.sections.study import Study

Used = Callable[[Study], object]


def section(study: Study, table: pd.DataFrame) -> Section:
    return Section(
        "glossary", "Glossary", [Facts([(term, text) for term, text, used in TERMS if used(study)])]
    )


def _has(key: str) -> Used:
    return lambda study: study.get(key)


TERMS: tuple[tuple[str, str, Used], ...] = (
    ("V, V₀", "tumor volume in mm³, and that at baseline", lambda study: True),
    ("n", "mice, unless a column says PDX models", lambda study: True),
    (
        "Interval",
        "the range of effects the data do not contradict at the stated confidence",
        lambda study: True,
    ),
    (
        "TGI",
        "tumor growth inhibition in percent: 0 grows as the control, 100 does not grow, above 100 shrinks",
        _has("tgi"),
    ),
    (
        "Fieller's interval",
        "the interval of a ratio of means; unbounded where the control hardly grew",
        _has("tgi"),
    ),
    ("T/C", "mean of the treated arm over that of the control", _has("growth_comparison")),
    (
        "SEM",
        "standard error of a mean, standard deviation over the root of n; it is not the spread of mice",
        lambda study: True,
    ),
    (
        "SMD",
        "standardized mean difference, difference of two means over their common standard deviation",
        _has("baseline"),
    ),
    (
        "Mixed model",
        "growth of all mice at once, with variation between mice and PDX models as random effects",
        _has("mixed_model"),
    ),
    ("Growth rate", "slope of ln volume on days; ln 2 over it is the doubling time", _has("mixed_model")),
    ("Kenward-Roger df", "degrees of freedom that few mice or PDX models call for", _has("mixed_model")),
    ("p adjusted", "p that allows for all comparisons of its family at once", _has("mixed_model")),
    ("eGaIT", "average growth over the window, by the area under ln V less ln V₀", _has("growth")),
    (
        "Interaction",
        "effect in PDX models whose biomarker is altered or lost minus effect in wild type",
        lambda study: (study.get("map2k4") or {}).get("interaction"),
    ),
    (
        "τ²",
        "variance of the true effects between PDX models",
        lambda study: (study.get("map2k4") or {}).get("model_level"),
    ),
    (
        "Prediction interval",
        "where the effect in one more PDX model is expected",
        lambda study: (study.get("map2k4") or {}).get("model_level"),
    ),
    (
        "mRECIST",
        "categories CR, PR, SD, PD after Gao et al. 2015 by best and best average response; NE: not evaluable",
        _has("responses"),
    ),
    ("ORR, DCR", "share of mice with CR or PR, and with CR, PR or SD", _has("response_rates")),
    ("Bliss", "the null of independent action: effects on the log scale add", _has("synergy")),
    ("HSA", "the null that the combination is as good as its better part", _has("synergy")),
    (
        "Combination index",
        "geometric mean volume over that the null expects; below 1 more than the null",
        _has("synergy"),
    ),
    (
        "Kaplan-Meier",
        "share of mice without an event, allowing for those followed less long",
        _has("survival"),
    ),
    ("Log-rank test", "compares times to event of arms over the whole follow-up", _has("survival")),
    (
        "Hazard ratio",
        "rate of events over that in the control",
        lambda study: any(row.get("cox") or row.get("firth") for row in study.get("survival") or []),
    ),
    (
        "Restricted mean",
        "mean days without an event up to the day named",
        lambda study: any(row.get("restricted_means") for row in study.get("survival") or []),
    ),
    (
        "Cumulative incidence",
        "share of mice that left by one cause while others compete (Aalen and Johansen)",
        _has("survival"),
    ),
    ("Cook's distance", "how far the effects move without one mouse", _has("mixed_model")),
    (
        "Holm, mvt",
        "ways to adjust p: step-down, and by the joint distribution of the contrasts",
        _has("mixed_model"),
    ),
    (
        "q",
        "expected share of false among the discoveries down to this one (Benjamini and Hochberg)",
        _has("families"),
    ),
)
