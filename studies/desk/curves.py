"""A study's growth curves as the page's script wants them. Arms and biomarker come masked from frames."""

from typing import Any

from django.db.models import Max, Min

from studies import access
from studies.forecast import LAST_VISITS, crossing_day
from studies.frames import MouseCurve, growth_curves
from studies.models import ArmAgent, Study, User
from studies.plots.style import arm_colors

HORIZON_DAYS = 28  # no tumor grows on as it does today for longer than that


def curves_document(study: Study, viewer: User) -> dict[str, Any]:
    """JSON for the charts: `mice` with days, volumes (mm³) and weight change (%); `arms` when open."""
    limits = study.welfare_limits.order_by("-version").first()
    cap = limits.volume_cap_mm3 if limits else None
    return {
        "gene": study.biomarker,
        "lod_mm3": study.lod_mm3,
        "cap_mm3": cap,
        "amber_fraction": limits.amber_fraction if limits else None,
        "weight_loss_warning_percent": limits.weight_loss_warning_percent if limits else None,
        "weight_loss_limit_percent": limits.weight_loss_limit_percent if limits else None,
        "arms": _arms(study, viewer),
        "last_day": max(study.schedule_days, default=None),
        "dosing_days": _dosing_days(study),
        "forecast_visits": LAST_VISITS,
        "mice": [_mouse(curve, cap) for curve in growth_curves(study, viewer)],
    }


def _arms(study: Study, viewer: User) -> list[dict[str, str]]:
    names = access.arm_names(viewer, study)
    if names is None:
        return []
    if access.sees_masks(viewer, study):  # by letter: their own order and roles would tell which is which
        arms = [{"arm": letter, "role": ""} for letter in sorted(names.values())]
    else:
        arms = [{"arm": arm.name, "role": arm.role} for arm in study.arms.order_by("position", "name")]
    colors = arm_colors(arms)
    return [{"name": arm["arm"], "role": arm["role"], "color": colors[arm["arm"]]} for arm in arms]


def _dosing_days(study: Study) -> list[int] | None:
    """First and last day on which any arm is dosed; which arm is not told."""
    found = ArmAgent.objects.filter(arm__study=study).aggregate(first=Min("first_day"), last=Max("last_day"))
    return None if None in found.values() else [found["first"], found["last"]]


def _mouse(curve: MouseCurve, cap_mm3: float | None) -> dict[str, Any]:
    order = sorted(range(len(curve.days)), key=curve.days.__getitem__)
    days = [curve.days[i] for i in order]
    weights = [curve.weights_g[i] for i in order]
    return {
        "label": curve.label,
        "pdx_model": curve.pdx_model,
        "status": curve.map2k4_status,
        "arm": curve.arm,
        "days": days,
        "volumes_mm3": [_rounded(curve.volumes_mm3[i]) for i in order],
        "weight_change_percent": weight_change_percent(days, weights),
        "cap_day": _cap_day(curve, cap_mm3),
        "exit_day": curve.exit_day,
        "exit_reason": curve.exit_reason.replace("_", " ") if curve.exit_reason else None,
    }


def _cap_day(curve: MouseCurve, cap_mm3: float | None) -> float | None:
    """The study day on which a mouse still on study is forecast at the volume cap."""
    if cap_mm3 is None or curve.exit_reason or not curve.days:
        return None
    day = crossing_day(curve.days, curve.volumes_mm3, cap_mm3)
    return None if day is None or day > max(curve.days) + HORIZON_DAYS else _rounded(day)


def weight_change_percent(days: list[float], weights_g: list[float | None]) -> list[float | None] | None:
    """Percent change from the last weight up to day 0, else from the first; None when none was taken."""
    taken = [(day, weight) for day, weight in zip(days, weights_g, strict=True) if weight]
    if not taken:
        return None
    reference = next((weight for day, weight in reversed(taken) if day <= 0), taken[0][1])
    return [_rounded(100 * weight / reference - 100) if weight else None for weight in weights_g]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
