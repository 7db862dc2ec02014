"""The limits of the measurement rules: defaults, a study's own, and the JSON the browser runs.

Every limit is a Decimal, so that 25.0 mm stands on the same side of 25 in Python, SQL and a browser
that compares text. Limits hold for a whole study: a limit of one arm would tell who is in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal, InvalidOperation
from typing import Any


@dataclass(frozen=True)
class Limits:
    """Limits of one study in one version. Lengths in mm, volumes in mm3, weights in g, gaps in days."""

    version: str = "0"
    decimals: int = 2
    length_max_mm: Decimal = Decimal("50")
    length_low_mm: Decimal = Decimal("1")
    length_high_mm: Decimal = Decimal("25")
    aspect_max: Decimal = Decimal("8")
    aspect_high: Decimal = Decimal("3")
    volume_max_mm3: Decimal = Decimal("10000")
    volume_high_mm3: Decimal = Decimal("3000")
    growth_factor: Decimal = Decimal("1.5")
    growth_doubling_days: Decimal = Decimal("3")
    shrink_factor: Decimal = Decimal("0.4")
    shrink_days: Decimal = Decimal("3")
    growth_offset_mm3: Decimal = Decimal("30")
    palpable_mm3: Decimal = Decimal("13.5")
    jump_mm: Decimal = Decimal("1.5")
    jump_fraction: Decimal = Decimal("0.3")
    weight_min_g: Decimal = Decimal("5")
    weight_max_g: Decimal = Decimal("80")
    weight_low_g: Decimal = Decimal("14")
    weight_high_g: Decimal = Decimal("40")
    weight_change_fraction: Decimal = Decimal("0.10")
    weight_change_days: int = 3
    weight_median_fraction: Decimal = Decimal("0.09")
    weight_change_any_fraction: Decimal = Decimal("0.20")
    volume_cap_mm3: Decimal = Decimal("2000")
    diameter_cap_mm: Decimal = Decimal("20")
    burden_cap_percent: Decimal = Decimal("10")
    weight_loss_warning_percent: Decimal = Decimal("15")
    weight_loss_limit_percent: Decimal = Decimal("20")
    unit_slip_share: Decimal = Decimal("0.6")
    future_minutes: int = 5
    clock_minutes: int = 2
    late_hours: int = 24
    night_until_hour: int = 4
    copied_run: int = 3
    burst_ms: int = 250
    coded_share: Decimal = Decimal("0.2")
    corrections_high: int = 2
    text_max: int = 2000
    strain_weights_g: Mapping[str, tuple[Decimal, Decimal]] = field(default_factory=dict)

    def weights_of(self, strain: str, sex: str) -> tuple[Decimal, Decimal]:
        """The usual weights of a strain and sex ("NSG|female"), of the strain ("NSG"), or the default."""
        for key in (f"{strain}|{sex}", strain):
            if key in self.strain_weights_g:
                return self.strain_weights_g[key]
        return self.weight_low_g, self.weight_high_g


class LimitsRefused(ValueError):
    """A limit that cannot hold; the message names it."""


def with_overrides(limits: Limits, overrides: Mapping[str, Any], version: str) -> Limits:
    """`limits` with a study's own values, as stored in JSON (numbers as text). Raises LimitsRefused."""
    kinds = {
        limit.name: type(getattr(limits, limit.name)) for limit in fields(Limits) if limit.name != "version"
    }
    read: dict[str, Any] = {}
    for name, value in overrides.items():
        if name not in kinds:
            raise LimitsRefused(f"{name} is no limit of the measurement rules")
        read[name] = _weights(value) if name == "strain_weights_g" else _limit(name, value, kinds[name])
    return replace(limits, version=version, **read)


def _limit(name: str, value: Any, kind: type = Decimal) -> Decimal | int:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise LimitsRefused(f"{name}: {value!r} is no number") from None
    if not number.is_finite() or number < 0:
        raise LimitsRefused(f"{name}: {value!r} is not a number from 0 up")
    if kind is Decimal:
        return number
    if number != int(number):
        raise LimitsRefused(f"{name}: {value!r} is no whole number")
    return int(number)


def _weights(value: Any) -> dict[str, tuple[Decimal, Decimal]]:
    if not isinstance(value, Mapping):
        raise LimitsRefused("strain_weights_g maps a strain, or strain|sex, to its lowest and highest weight")
    table = {}
    for key, pair in value.items():
        low, high = (_limit(f"strain_weights_g {key}", end) for end in pair)
        if low >= high:
            raise LimitsRefused(f"strain_weights_g {key}: {low} is not below {high}")
        table[str(key)] = (Decimal(low), Decimal(high))
    return table
