"""Every figure of `studies.plots` on a few numbers, made so that each branch of its drawing is taken once."""

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from studies.plots.balance import by_arm, love_plot
from studies.plots.body_weight import body_weight
from studies.plots.diagnostics import diagnostics
from studies.plots.forest import ForestLine, forest
from studies.plots.growth_curves import EXIT_GLYPHS, growth_curves
from studies.plots.mean_growth import geometric_growth, mean_growth
from studies.plots.mice_by_day import mice_by_day
from studies.plots.model_heatmap import model_heatmap
from studies.plots.models_or_mice import models_or_mice_curve
from studies.plots.survival_curves import competing_exits, survival_curves
from studies.plots.swimmer import swimmer
from studies.plots.synergy_curve import synergy_curve
from studies.plots.tgi_by_day import tgi_by_day
from studies.plots.waterfall import waterfall
from studies.randomization.balance import ArmSummary, CovariateBalance, PairDifference

LOSS, WILD, UNCERTAIN, UNKNOWN = "loss_of_function", "wild_type", "uncertain", "unknown"
LONG = "Binimetinib 15 mg/kg twice daily"
Row = dict[str, Any]


def arm(name: str, role: str = "single_agent", control: str | None = "V") -> Row:
    return {"arm": name, "role": role, "control": control}


V = arm("V", "vehicle", None)
ARMS = [arm("A+B", "combination"), arm("A"), V, arm("B")]
MANY = [V, *(arm(f"{LONG} + {number}") for number in range(6))]  # one more than are drawn together


def curve(arm: str, volumes: Sequence[float | None], status: str = WILD, days: Sequence[float] = (0, 7, 14),
          reason: str = "", weight: float | None = 20.0, number: int = 0) -> list[Row]:  # fmt: skip
    """The readings of one mouse."""
    return [
        {"mouse": f"{status} {arm} {number}", "pdx_model": f"P-{status}", "map2k4_status": status, "arm": arm,
         "day": float(day), "volume_mm3": volume, "weight_g": weight and weight + day / 7, "exit_reason": reason}
        for day, volume in zip(days, volumes, strict=False)
    ]  # fmt: skip


def table(*curves: list[Row]) -> pd.DataFrame:
    return pd.DataFrame([row for one in curves for row in one]).astype(
        {"volume_mm3": float, "weight_g": float}
    )


def both_statuses() -> pd.DataFrame:
    return table(
        *(
            curve(
                name,
                [100.0 + number, top / 2, top],
                status,
                reason="tumor_size" if number else "",
                number=number,
            )
            for status in (WILD, LOSS)
            for name, top in (("V", 900.0), ("A", 300.0), ("A+B", 60.0))
            for number in (0, 1)
        )
    )


def ends() -> pd.DataFrame:
    """One mouse for each reason to leave, one read once, one whose tumor vanished, one followed for very long."""
    left = [curve("V", [100.0, 200.0 + 20 * place], UNKNOWN, reason=reason, number=place)
            for place, reason in enumerate(EXIT_GLYPHS)]  # fmt: skip
    many = [curve("A", [150.0, 120.0 + number], UNKNOWN, number=number, weight=None) for number in range(41)]
    return table(
        *left, *many,
        curve("B", [180.0], UNKNOWN, days=[3.0]), curve("B", [50.0, 0.0, 0.0], UNKNOWN, number=1, reason="sampled"),
        curve("B", [90.0, 95.0, 400.0], UNKNOWN, days=(-20.0, 0.0, 90.0), number=2),
    )  # fmt: skip


def one_arm_pages() -> pd.DataFrame:
    return table(*(curve(one["arm"], [100.0, 150.0], UNKNOWN) for one in MANY * 3))


def means(
    arms: Sequence[Row], statuses: Sequence[str | None], tops: Sequence[float], sem: float = 15.0
) -> list[Row]:
    return [
        {"arm": one["arm"], "map2k4_status": status, "day": float(day), "n": 4 - (day > 10),
         "mean_mm3": 100 + (top - 100) * day / 14 + 10 * place, "sem_mm3": sem if day else None,
         "share_followed": {7: 0.8, 14: 0.75}.get(day, 1.0),
         "geometric_mean_mm3": None if one["arm"] == "A" and day == 14 else 90 + (top - 90) * day / 14 + 10 * place,
         "ci_low": 70.0 if day else None, "ci_high": 3 * top if day else None}
        for status, top in zip(statuses, tops, strict=True)
        for place, one in enumerate(arms)
        for day in (0, 7, 14)
    ]  # fmt: skip


def followed(arms: Sequence[Row], last: int = 14) -> list[Row]:
    return [
        {
            **one,
            "n_by_day": [
                {"day": float(day), "n": n}
                for day, n in ((0, 8), (7, 8 - place % 7), (last, 6 * (place == 2)))
            ],
        }
        for place, one in enumerate(arms)
    ]


def times(names: Sequence[str], statuses: Sequence[str] = (WILD,), causes: Sequence[str] = ()) -> list[Row]:
    """Of each arm and status four mice: two with the endpoint, two censored, or as `causes` say."""
    told = causes or ("threshold", "size_cull", "censored", "censored")
    return [
        {"arm": name, "map2k4_status": status, "time": 6.0 + 4 * number + place, "cause": cause,
         "event": int(cause in ("threshold", "size_cull"))}
        for status in statuses
        for place, name in enumerate(names)
        for number, cause in enumerate(told)
    ]  # fmt: skip


def response(percent: float | None, category: str | None, place: int, arm: str = "A", status: str = WILD,
             best: float | None = None, model: str = "") -> Row:  # fmt: skip
    return {
        "arm": arm,
        "mouse": f"m{place}",
        "pdx_model": model or f"P{place}",
        "map2k4_status": status,
        "category": category,
        "best_average_response_percent": percent,
        "best_response_percent": percent if best is None else best,
        "best_response_day": 7.0 + 7 * (place % 2),
    }


RESPONSES = [
    response(400.0, "PD", 0, status=LOSS),
    response(150.0, "PD", 1, best=150.0),
    response(-99.0, "CR", 2, status=UNCERTAIN),
    response(-45.0, "PR", 3, status=LOSS, best=-60.0),
    response(10.0, None, 4, best=160.0),
    response(10.0, "SD", 5, model="PDX-0941 of a patient of 61 years"),
    response(None, None, 6),
]


def waterfall_of(count: int, arms: int = 1, loss: int = 3) -> list[Any]:
    rows = [
        response(
            percent=200.0 - 300 * place / count,
            category="PD" if place else None,
            place=place,
            arm=f"arm {number}",
            status=LOSS if place < loss else WILD,
            model="P",
        )
        for number in range(arms)
        for place in range(count)
    ]
    return waterfall(rows, [f"arm {number}" for number in range(arms)])


def swimmers(count: int, reason: str = "") -> list[Any]:
    rows = [response(-10.0, ["CR", "PD", None][place % 3], place, "A" if place % 2 else "V",
                     (LOSS, WILD, UNKNOWN)[place % 3]) for place in range(count)]  # fmt: skip
    read = [{"mouse": row["mouse"], "day": float(day), "volume_mm3": 100.0, "exit_reason": reason if place % 3 else ""}
            for place, row in enumerate(rows) for day in (0, 14 + place % 4)]  # fmt: skip
    return swimmer(rows, pd.DataFrame(read), ARMS, [0.0, 10.0] if reason else None)


def odd_swimmers() -> list[Any]:
    """A run-in; a mouse without a best response, one whose axis ends before it, one where it ends; one never read."""
    name = f"{LONG} + rabusertib 50 mg/kg"
    rows = [response(-10.0, "SD", place, name) for place in range(47)]
    for place, day in enumerate((None, 60.0, 14.51)):
        rows[place]["best_response_day"] = day
    read = [{"mouse": f"m{place}", "day": day, "volume_mm3": 100.0, "exit_reason": ""}
            for place in range(46) for day in (-3.0, 90.0 if place == 1 else 14.0)]  # fmt: skip
    return swimmer(rows, pd.DataFrame(read), [arm(name)])


def cells(models: int, arms: Sequence[Row], statuses: Sequence[str] = (WILD, LOSS)) -> list[Row]:
    percents = [-95.0, -62.0, -0.4, 62.0, 63.0, None, 180.0]
    return [
        {"pdx_model": f"PDX-{place:03}", "map2k4_status": statuses[place % len(statuses)], "arm": one["arm"],
         "median_best_average_response_percent": percents[(place + 2 * number) % 7]}
        for place in range(models)
        for number, one in enumerate(arms)
    ]  # fmt: skip


TRACKS = {
    "KRAS": {"PDX-000": "G12D", "PDX-001": "a very long call of a gene"},
    "Tissue": {"PDX-001": "pancreas"},
}


def balance() -> list[CovariateBalance]:
    def summary(name: str, mean: float, sd: float | None, values: tuple[float, ...]) -> ArmSummary:
        return ArmSummary(name, 5, mean, sd, values)

    volume = (summary("V", 150.0, 20.0, (170.0, 130.0, 150.0, 160.0, 140.0)), summary(LONG, 160.0, None, ()))
    weight = (summary("V", 21.0, 1.0, (20.0, 22.0)), summary(LONG, 22.0, 2.0, (24.0, 20.0)))
    pairs = (PairDifference("V", LONG, -0.4), PairDifference("V", "A", 0.1))
    return [
        CovariateBalance("log_volume", volume, pairs, None, None),
        CovariateBalance("weight", weight, (PairDifference("V", "A", 0.02),), None, None),
        CovariateBalance("growth_rate", (), (), None, None),
    ]


FOREST = [
    ForestLine("all", 71.0, 56.0, 82.0, "71 (56 to 82), n 3, 3", "#0072B2", None, heading=f"{LONG} and more of it"),
    ForestLine(f"{LONG} in wild type", 150.0, -50.0, 150.0, "150 (-50 to 150)", "#E69F00", WILD),
    ForestLine("far", 500.0, -900.0, 900.0, "500", "#E69F00", LOSS, heading="Next"),
    ForestLine("low", -51.0, -60.0, None, "-51", "#009E73"),
    ForestLine("none", None, None, None, "not defined", "#009E73"),
]  # fmt: skip


def forest_of(lines: list[ForestLine]) -> list[Any]:
    return forest(lines, "TGI (%)", (0, 100), (-50, 150))


def quantiles(*observed: float) -> list[Row]:
    return [{"normal": place - 1.0, "observed": value} for place, value in enumerate(observed)]


def diagnosed(effects: int, observed: bool = True) -> list[Any]:
    shown = {"n": 9, "arm": ["V", "A", "gone"], "observed": [5.0, 6.0, 4.0], "predicted": [5.1, 5.9, 6.5]}
    terms = ["Intercept", "day", "day:pdx_model", "cage", "litter"]
    return diagnostics(
        {"qq": quantiles(-1.5, 0.1, 1.0),
         "random_effect_qq": [{"group": "mouse", "term": term, "points": quantiles(-0.5, 0.0, 0.4)}
                              for term in terms[:effects]],
         "observed_predicted": shown if observed else None}, ARMS)  # fmt: skip


def index(arm: str, null: str, low: float | None, high: float | None) -> list[Row]:
    return [
        {"arm": arm, "null": null, "day": day, "combination_index": 0.6 + day / 100,
         "combination_index_ci_low": low, "combination_index_ci_high": high}
        for day in (4.0, 8.0, 12.0)
    ]  # fmt: skip


def tgi(arm: str, ns: Sequence[tuple[int, int]]) -> list[Row]:
    return [
        {
            "arm": arm,
            "day": 7.0 * place,
            "n": n,
            "n_control": n_control,
            "percent": 30.0 + 9 * place if place else None,
            "ci_low": 20.0 if place > 1 else None,
            "ci_high": None if place == 2 else 60.0,
        }
        for place, (n, n_control) in enumerate(ns)
    ]


def power_rows() -> list[Row]:
    return [
        {"mice_per_arm": mice, "models_per_status": models, "mice": 4 * mice * models, "power": 0.81,
         "power_curve": [{"mice": 4 * mice * of, "power": min(0.1 * of, 1.0)} for of in (2, 4, 8, 30)]}
        for mice, models in ((1, 9), (2, 6), (3, 5))
    ]  # fmt: skip


EXAMPLES: dict[str, Callable[[], list[Any]]] = {
    "growth-both-statuses": lambda: growth_curves(both_statuses(), ARMS, 7.0),
    "growth-ends": lambda: growth_curves(ends(), ARMS),
    "growth-pages": lambda: growth_curves(one_arm_pages(), MANY, blinded=True)[:1],
    "body-weight": lambda: body_weight(both_statuses(), ARMS, 7.0),
    "body-weight-one-arm": lambda: body_weight(
        table(curve("V", [1.0]), *(curve("V", [1.0, 1.0], number=n) for n in range(1, 13))), [V]
    ),
    "mean-growth": lambda: mean_growth(means(ARMS, (LOSS, WILD), (400.0, 900.0)), ARMS, 7.0),
    "mean-growth-unknown": lambda: mean_growth(
        means([V, arm(LONG)], (None, LOSS, UNKNOWN), (900.0, 100.0, 500.0)), [V, arm(LONG)], blinded=True
    ),
    "mean-growth-many-arms": lambda: mean_growth(means(MANY, (LOSS,), (400.0,)), MANY),
    "geometric-means": lambda: geometric_growth(means(ARMS[1:], (None,), (600.0,)), ARMS, 7.0),
    "mice-by-day": lambda: [mice_by_day(followed([*ARMS, arm(LONG)]), 7.0)],
    "mice-by-day-many-arms": lambda: [mice_by_day(followed([*MANY, arm("A"), arm("B")]), blinded=True)],
    "survival": lambda: survival_curves(
        times(("V", "A", LONG), (WILD, LOSS)),
        [*ARMS, arm(LONG)],
        {None: "log-rank p = 0.03", WILD: "too few"},
    ),
    "survival-one-status": lambda: survival_curves(times(("V", "A")), ARMS),
    "survival-many-arms": lambda: survival_curves(
        times([one["arm"] for one in MANY]), MANY, {None: "log-rank p = 0.03"}
    ),
    "competing-exits": lambda: competing_exits(
        times(("V", "A"), causes=("threshold", "toxicity", "found_dead", "censored")), ARMS
    ),
    "competing-exits-many-arms": lambda: competing_exits(
        times(("V", "A", "B"), causes=("other", "size_cull")), ARMS
    ),
    "swimmer": lambda: swimmers(9, "body_weight"),
    "swimmer-odd": odd_swimmers,
    "heatmap": lambda: model_heatmap(cells(3, ARMS), ARMS, TRACKS),
    "heatmap-large": lambda: model_heatmap(cells(25, MANY, (UNKNOWN, WILD, UNCERTAIN)), MANY, {}),
    "forest-column": lambda: forest_of([*FOREST, *[FOREST[4]] * 11]),
    "forest-page": lambda: forest_of([*FOREST, *FOREST[3:] * 6]),
    "waterfall": lambda: waterfall([*RESPONSES, response(20.0, "SD", 7, "B")], ["A", "B", "none"]),
    "waterfall-many-mice": lambda: waterfall_of(61),
    "waterfall-many-arms": lambda: waterfall_of(13, arms=3),
    "tgi-by-day": lambda: tgi_by_day(
        [*tgi("A", [(8, 8), (8, 8), (4, 4), (3, 8), (8, 8)]), *tgi("B", [(2, 2), (2, 1)])], ARMS, 14.0
    ),
    "tgi-by-day-four-arms": lambda: tgi_by_day(
        [row for one in MANY[1:4] for row in tgi(one["arm"], [(2, 2), (2, 2)])], MANY
    ),
    "synergy": lambda: synergy_curve(
        [*index("A+B", "bliss", 0.4, 1.5), *index("A+B", "hsa", 0.001, 90.0)], ARMS, 8.0
    ),
    "synergy-narrow": lambda: synergy_curve(index("A+B", "other", 0.9, 1.1), ARMS),
    "love-plot": lambda: [love_plot(balance())],
    "covariates-by-arm": lambda: [by_arm(balance(), {"V": "#6f6f6f"})],
    "diagnostics": lambda: diagnosed(2),
    "diagnostics-more": lambda: diagnosed(5, observed=False),
    "models-or-mice": lambda: [models_or_mice_curve(power_rows(), 0.85)],
}
