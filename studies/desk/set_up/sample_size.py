"""How many mice or PDX models the question needs, beside the analysis plan."""

from dataclasses import dataclass

from django import forms

from studies.actions.arms import CONTROLS
from studies.models import Study
from studies.terms import ArmRole

DEFAULT_DAYS = (0.0, 3.0, 7.0, 10.0, 14.0, 17.0, 21.0)


class SampleSizeForm(forms.Form):
    """What is to be shown, and how variable mice of such studies are."""

    tgi_percent = forms.FloatField(
        label="Smallest TGI worth showing (%)", min_value=5, max_value=99, initial=60
    )
    power_percent = forms.FloatField(label="Power (%)", min_value=50, max_value=99, initial=80)
    alpha = forms.FloatField(label="Significance level", min_value=0.001, max_value=0.2, initial=0.05)
    dropout_percent = forms.FloatField(label="Mice lost (%)", min_value=0, max_value=60, initial=10)
    mouse_slope_sd = forms.FloatField(
        label="Spread of growth rates between mice (per day)", min_value=0.001, max_value=0.2, initial=0.02,
        help_text="Standard deviation of slopes of log volume; 0.02 to 0.03 is usual.",
    )  # fmt: skip
    residual_sd = forms.FloatField(
        label="Spread of one reading (log volume)", min_value=0.01, max_value=1, initial=0.15
    )


@dataclass(frozen=True)
class Need:
    """One question and what it needs: `n` units of `unit`, `mice` in all; or why that cannot be said."""

    question: str
    n: int | None = None
    unit: str = ""
    mice: int | None = None
    refused: str = ""


def needs(study: Study, told: dict) -> list[Need]:
    """For each treated arm against its vehicle, for a combination beyond Bliss, for the biomarker."""
    from studies.analysis import power  # brings SciPy, which no other page waits for

    days = [float(day) for day in study.schedule_days if day >= 0] or list(DEFAULT_DAYS)
    roles = list(study.arms.values_list("role", flat=True))
    treated = max(1, sum(role not in CONTROLS for role in roles))
    spread = power.Variability(told["mouse_slope_sd"], told["residual_sd"])
    asked = {
        "power": told["power_percent"] / 100,
        "alpha": told["alpha"],
        "dropout": told["dropout_percent"] / 100,
    }
    tgi, last = told["tgi_percent"], max(days)
    found = [
        _need(
            f"Each treated arm ({treated}) against the vehicle, TGI {tgi:g} % by day {last:g}",
            lambda: power.mice_per_arm(
                power.slope_effect(tgi, last), spread, days, treated_arms=treated, **asked
            ),
        )
    ]
    if ArmRole.COMBINATION in roles:
        found.append(
            _need(
                f"The combination beyond Bliss, {tgi:g} % more than expected by day {last:g}",
                lambda: power.mice_per_arm_for_bliss(power.slope_effect(tgi, last), spread, days, **asked),
            )
        )
    for mice in (3, 5):
        found.append(
            _need(
                f"{study.biomarker}: TGI {tgi:g} % in one status and none in the other, {mice} mice an arm",
                lambda mice=mice: power.models_per_status(
                    power.slope_effect(tgi, last), mice, spread, days, **asked
                ),
            )
        )
    return found


def _need(question: str, compute) -> Need:
    from studies.analysis.errors import AnalysisError

    try:
        size = compute()
    except AnalysisError as error:
        return Need(question, refused=str(error))
    return Need(question, size.n, size.unit, size.mice)
