"""The methods paragraph, written from the plan as it was used and the versions that computed."""

from collections.abc import Callable

import pandas as pd

from studies.reports import words
from studies.reports.blocks import Paragraph, Section
from studies.reports.sections.study import (
    Study,
    altered,
    confidence,
    gene,
    is_pooled,
    plan,
    record,
)
from studies.volumes import FORMULAS


def section(study: Study, table: pd.DataFrame) -> Section:
    return Section("methods", "Methods", [Paragraph(text) for text in paragraphs(study)])


def paragraphs(study: Study) -> list[str]:
    """Each statistic of the report with its rule, if it ran; the same text stands in methods.txt."""
    if is_pooled(study):
        return [_animals(study), _volumes(study), _curves(study), _weight(study), _software(study)]
    parts = [_animals(study), _volumes(study), _tgi(study), _responses(study), _curves(study)]
    parts += [write(study) for key, write in RAN if study.get(key)]
    return [part for part in [*parts, _multiplicity(study), _software(study)] if part]


def _animals(study: Study) -> str:
    """Animals and drawing, where there is a record of them."""
    told = record(study)
    if not told:
        return ""
    window = told["enrollment"]
    drawn = "; ".join(dict.fromkeys(row["method"] for row in told["randomization"])) or "not on record"
    return (
        f"Animals. Mice were enrolled at tumor volumes of {window['min_mm3']:g} to {window['max_mm3']:g} mm³. "
        f"Randomization: {drawn}. Blinding: {told['blinding']}."
    )


def _volumes(study: Study) -> str:
    formula = FORMULAS[plan(study, "volume_formula")]
    return (
        "Volumes. Reported volumes were used as they stand; volumes from calipers follow "
        f"{formula.name}. Baseline V0 is "
        "each mouse's last reading in day \N{MINUS SIGN}3 to 0, else its first reading. A volume at a "
        "day without a visit is "
        "interpolated on the log scale between the readings around it (linearly where one is 0) and "
        "never extrapolated. "
        f"A volume of 0 is a tumor not palpable and stays 0; the limit of detection is {plan(study, 'lod_mm3'):g} mm³."
    )


def _tgi(study: Study) -> str:
    day = plan(study, "day")
    when = f"day {words.day(day)}" if day is not None else "no day (no day had enough mice)"
    return (
        f"Tumor growth inhibition at {when}. TGI delta is 100 (1 \N{MINUS SIGN} dT/dC), with dT and dC "
        "the mean changes from V0 of "
        "the mice known at baseline and at the day; above 100 the mean of the arm lies below its "
        "baseline. Its interval "
        f"is Fieller's ({confidence(study)}); where the set is unbounded none is given. TGI ratio is "
        "100 (1 \N{MINUS SIGN} T/C) of mean "
        "volumes, TGI rtv that of mean relative volumes V/V0. Mice have equal weight. These describe; they are not "
        "adjusted for the number of arms or for mice that left early."
    )


def _responses(study: Study) -> str:
    named = next((row["implementation"] for row in study.get("response_rates") or []), "mRECIST")
    return (
        f"Response. {named}. A mouse that left for its tumor before day 10 counts as early progression, one that left "
        "otherwise as not evaluable. Intervals of rates are Wilson's."
    )


def _curves(study: Study) -> str:
    return (
        "Mean curves. Arithmetic mean and standard error over mice with a known volume, interpolated between visits; "
        "geometric mean with a t interval on the log scale where no volume is 0."
    )


def _mixed_model(study: Study) -> str:
    fit = study["mixed_model"]
    return (
        f"Mixed model. {fit['formula']}, fitted by restricted maximum likelihood; degrees of freedom: "
        f"{words.spoken(fit['df_method'])}; "
        f"adjustment over arms: {ADJUSTMENTS.get(plan(study, 'adjust'), plan(study, 'adjust'))}."
    )


def _survival(study: Study) -> str:
    scopes = [row for row in study["survival"] if row["scope"] != "pdx_model"]
    tests = ["Kaplan-Meier medians with log-log intervals", "log-rank tests"]
    if any(row.get("cox") for row in scopes):
        tests.append("Cox proportional hazards (Efron's ties)")
    if any(not row.get("cox") and row.get("firth") for row in scopes):
        tests.append("Firth's penalized hazard ratios where an arm has no event")
    if any(row.get("exact_logrank") for row in scopes):
        tests.append("log-rank tests by exchanging the mice's arms")
    if any(row.get("restricted_means") for row in scopes):
        tests.append("restricted means")
    if any(row.get("incidence") for row in scopes):
        tests.append("Aalen and Johansen's cumulative incidence of competing exits")
    strata = next((row["strata"] for row in scopes if row.get("strata")), None)
    stratified = f", stratified by {words.spoken(strata)}" if strata else ""
    return (
        f"Time to event. {words.joined(tests)}{stratified}. Leaving for tumor size or ulceration is an event; deaths "
        "by treatment and weight exits are competing events."
    )


def _biomarker(study: Study) -> str:
    found = study["map2k4"]
    if not found.get("interaction"):
        return ""
    return (
        f"{gene(study)}. Effects within {altered(study)} and wild type, and their difference (interaction), are "
        "contrasts of the mixed model with the PDX model as the unit. A difference is claimed from the interaction "
        "alone, with at least three PDX models in each status; effects of single PDX models are pooled by restricted "
        "maximum likelihood with Hartung and Knapp's interval."
    )


def _combination(study: Study) -> str:
    nulls = {row["null"] for row in study["synergy"]}
    told = {
        "bliss": "Bliss independence (additive effects on the log scale)",
        "hsa": "the better part (intersection-union test, one-sided)",
        "response_additivity": "response additivity, by simulation",
    }
    named = words.joined([text for null, text in told.items() if null in nulls])
    return (
        f"Combinations. Contrasts of the mixed model against {named}. The combination index is exp of the Bliss "
        "contrast times the day; its curve describes."
    )


def _weight(study: Study) -> str:
    return (
        "Body weight. Change from baseline, tumor included and net of 1 g per 1000 mm³; an arm's loss is told both as "
        "the lowest mean of mice weighed and as the mean of each mouse's largest loss, which early exits do not hide."
    )


def _sensitivity(study: Study) -> str:
    rows = study["sensitivity"]
    made = dict.fromkeys(row["variant"] for row in rows if row.get("estimate") is not None)
    return f"Sensitivity. The primary contrast was computed again under {len(made) - 1} other assumptions."


def _multiplicity(study: Study) -> str:
    families = sorted({row["family"] for row in study.get("families") or []})
    if not families:
        return ""
    adjusted = ADJUSTMENTS.get(plan(study, "adjust"), plan(study, "adjust"))
    return (
        f"Multiplicity. Tests are made in families ({', '.join(families)}), each opened by the one before it; within "
        f"the first, p is adjusted by {adjusted}. Tests are two-sided "
        f"at {plan(study, 'alpha'):g} unless said otherwise."
    )


ADJUSTMENTS = {"mvt": "the joint (multivariate t) distribution of the contrasts", "holm": "Holm's method",
               "none": "nothing"}  # fmt: skip
RAN: tuple[tuple[str, Callable[[Study], str]], ...] = (
    ("mixed_model", _mixed_model),
    ("map2k4", _biomarker),
    ("synergy", _combination),
    ("survival", _survival),
    ("weight", _weight),
    ("sensitivity", _sensitivity),
)


def _software(study: Study) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in study["versions"].items())
    seed, sha256 = plan(study, "random_seed"), study["input"]["sha256"]
    return f"Software. PDX tracker; {versions}. Seed {seed}. Input SHA-256 {sha256}."
