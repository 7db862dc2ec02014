"""Rules about body weight: R11 to R14."""

from collections.abc import Iterator
from decimal import Decimal

from studies.validation.expected import weight_window
from studies.validation.findings import Finding, hard, notice, soft
from studies.validation.rows import Checked

G_PER_MM3 = Decimal("0.001")


def weight_range(row: Checked) -> Iterator[Finding]:
    """R11"""
    weight = row.reading.weight_g
    if weight is None:
        return
    low, high = row.limits.weights_of(row.mouse.strain, row.mouse.sex)
    if not row.limits.weight_min_g <= weight <= row.limits.weight_max_g:
        span = f"{row.limits.weight_min_g} to {row.limits.weight_max_g} g"
        yield hard("R11", "weight_g", f"is outside {span}")
    elif not low <= weight <= high:
        yield soft("R11", "weight_g", f"is outside {low} to {high} g, usual for this strain and sex")


def weight_change(row: Checked) -> Iterator[Finding]:
    """R12"""
    weight, day = row.reading.weight_g, row.reading.day
    if not weight or day is None:
        return
    window = weight_window(row.mouse, day, row.limits)
    if window is not None and not window[0] <= weight <= window[1]:
        last = row.mouse.weights[-1][1]
        percent = (weight - last) / last * 100
        hint = ": typo?" if max(weight, last) > 5 * min(weight, last) else ""
        yield soft("R12", "weight_g", f"changed by {percent:+.0f} % since the last weighing{hint}")


def weight_endpoint(row: Checked) -> Iterator[Finding]:
    """R13"""
    weight, baseline = row.reading.weight_g, row.mouse.baseline_weight_g
    if weight is None or not baseline:
        return
    loss_percent = (baseline - weight) * 100 / baseline
    if loss_percent >= row.limits.weight_loss_limit_percent:
        yield notice("R13", "weight_g", f"the loss reached {row.limits.weight_loss_limit_percent} %")
    elif loss_percent >= row.limits.weight_loss_warning_percent:
        yield notice("R13", "weight_g", f"the loss reached {row.limits.weight_loss_warning_percent} %")


def burden(row: Checked) -> Iterator[Finding]:
    """R14"""
    weight = row.reading.weight_g or row.mouse.weight_today_g
    found = row.reading.volume_mm3
    if weight is None or found is None:
        return
    tumors_g = (found + row.mouse.other_tumors_mm3) * G_PER_MM3
    if tumors_g * 100 > row.limits.burden_cap_percent * weight:
        percent = row.limits.burden_cap_percent
        yield notice("R14", "length_mm", f"all tumors weigh more than {percent} % of the mouse")
