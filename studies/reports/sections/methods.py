"""The methods paragraph, written from the plan as it was used and the versions that computed."""

import pandas as pd

from studies.reports import words
from studies.reports.blocks import Paragraph, Section
from studies.reports.sections.study import Study, confidence, plan
from studies.volumes import FORMULAS


def section(study: Study, table: pd.DataFrame) -> Section:
    return Section("methods", "Methods", [Paragraph(text) for text in paragraphs(study)])


def paragraphs(study: Study) -> list[str]:
    """Each statistic of the report with its rule; the same text stands in methods.txt."""
    parts = [_volumes(study), _tgi(study), _responses(study), _curves(study)]
    if study.get("mixed_model"):
        parts.append(_mixed_model(study))
    if study.get("survival"):
        parts.append(_survival(study))
    return [*parts, _software(study)]


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
        f"{fit['df_method']}; "
        f"adjustment over arms: {plan(study, 'adjust')}."
    )


def _survival(study: Study) -> str:
    return (
        "Time to event. Kaplan-Meier medians, log-rank test and Cox proportional hazards, stratified where said. "
        "Leaving for tumor size or ulceration is an event; deaths by treatment and weight exits are competing events."
    )


def _software(study: Study) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in study["versions"].items())
    seed, sha256 = plan(study, "random_seed"), study["input"]["sha256"]
    return f"Software. PDX tracker; {versions}. Seed {seed}. Input SHA-256 {sha256}."
