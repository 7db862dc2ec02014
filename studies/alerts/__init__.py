"""The welfare rules: a mouse's history and its study's limits in, alerts out. No arm is ever asked for.

Any single rule misses elongated tumors or light mice, so volume, longest diameter and percent of body
weight are all tested. Amber comes at a fraction of a cap, red at the cap itself.
"""

from collections.abc import Callable
from dataclasses import dataclass

from studies.forecast import course
from studies.terms import AlertLevel, Sign

G_PER_MM3 = 0.001
# Points of a sign; all signs of one visit are added up.
SIGN_POINTS = {Sign.HUNCHED: 2, Sign.RUFFLED: 1, Sign.LETHARGIC: 3, Sign.THIN: 1, Sign.BREATHING: 5}
BODY_CONDITION = {Sign.EMACIATED: 1.0, Sign.UNDERCONDITIONED: 2.0}


@dataclass(frozen=True)
class WelfareVisit:
    """One mouse on one day: all its tumors in mm3, the longest diameter in mm, its weight in g, its signs."""

    day: float
    volume_mm3: float | None = None
    longest_mm: float | None = None
    weight_g: float | None = None
    signs: tuple[str, ...] = ()
    is_ulcerated: bool = False


@dataclass(frozen=True)
class History:
    """Visits, the oldest first and the present one last; the baseline; the day of the next planned session."""

    visits: tuple[WelfareVisit, ...]
    baseline_weight_g: float | None = None
    baseline_volume_mm3: float | None = None
    next_day: float | None = None

    @property
    def now(self) -> WelfareVisit:
        return self.visits[-1]


@dataclass(frozen=True)
class Caps:
    """The humane limits of a study (`WelfareLimits` holds them by version)."""

    volume_cap_mm3: float = 2000
    diameter_cap_mm: float = 20
    burden_cap_percent: float = 10
    weight_loss_warning_percent: float = 15
    weight_loss_limit_percent: float = 20
    sign_score_cap: float = 5
    body_condition_floor: float = 2
    amber_fraction: float = 0.8


@dataclass(frozen=True)
class Alert:
    """What a rule found: `value` against `limit`, in words that name no arm."""

    rule: str
    level: AlertLevel
    value: float
    limit: float
    message: str


Rule = Callable[[History, Caps], Alert | None]


def alerts(history: History, caps: Caps) -> list[Alert]:
    """Every alert of the present visit, red before amber; a forecast is left out where its cap is reached."""
    found = [alert for rule in RULES.values() if (alert := rule(history, caps))]
    reached = {alert.rule for alert in found if alert.level == AlertLevel.RED}
    kept = [alert for alert in found if alert.rule.removeprefix("predicted_") not in reached - {alert.rule}]
    return sorted(kept, key=lambda alert: alert.level != AlertLevel.RED)


def volume(history: History, caps: Caps) -> Alert | None:
    value = history.now.volume_mm3
    return _capped("volume", value, caps.volume_cap_mm3, caps, "tumor volume {:.0f} mm³, cap {:g} mm³")


def diameter(history: History, caps: Caps) -> Alert | None:
    value = history.now.longest_mm
    return _capped("diameter", value, caps.diameter_cap_mm, caps, "longest diameter {:.1f} mm, cap {:g} mm")


def burden(history: History, caps: Caps) -> Alert | None:
    """All tumors at 1 mg/mm3 as percent of the body weight; of the last one known where it was not weighed."""
    now, weight = history.now, _last_weight(history)
    if now.volume_mm3 is None or not weight:
        return None
    percent = now.volume_mm3 * G_PER_MM3 * 100 / weight
    return _capped(
        "burden", percent, caps.burden_cap_percent, caps, "tumor {:.1f} % of body weight, cap {:g} %"
    )


def weight_loss(history: History, caps: Caps) -> Alert | None:
    weight, baseline = history.now.weight_g, history.baseline_weight_g
    if not weight or not baseline:
        return None
    return _lost("weight_loss", (baseline - weight) * 100 / baseline, caps, "weight loss {:.1f} %")


def net_weight_loss(history: History, caps: Caps) -> Alert | None:
    """Loss of the body without its tumors, which a growing tumor hides from the scale."""
    now, baseline = history.now, history.baseline_weight_g
    if not now.weight_g or not baseline or now.volume_mm3 is None or history.baseline_volume_mm3 is None:
        return None
    before = baseline - history.baseline_volume_mm3 * G_PER_MM3
    after = now.weight_g - now.volume_mm3 * G_PER_MM3
    return _lost(
        "net_weight_loss", (before - after) * 100 / before, caps, "weight loss net of tumor {:.1f} %"
    )


def sign_score(history: History, caps: Caps) -> Alert | None:
    score = sum(SIGN_POINTS.get(Sign(sign), 0) for sign in history.now.signs)
    words = ", ".join(Sign(sign).label for sign in history.now.signs)
    return _capped(
        "sign_score", score, caps.sign_score_cap, caps, f"clinical score {{:g}}, cap {{:g}} ({words})"
    )


def ulceration(history: History, caps: Caps) -> Alert | None:
    if not history.now.is_ulcerated:
        return None
    return Alert("ulceration", AlertLevel.RED, 1, 0, "open ulcer of the tumor")


def body_condition(history: History, caps: Caps) -> Alert | None:
    """Red below the floor, amber on it."""
    scores = [BODY_CONDITION[Sign(sign)] for sign in history.now.signs if Sign(sign) in BODY_CONDITION]
    if not scores or min(scores) > caps.body_condition_floor:
        return None
    level = AlertLevel.RED if min(scores) < caps.body_condition_floor else AlertLevel.AMBER
    told = f"body condition score {min(scores):g}, floor {caps.body_condition_floor:g}"
    return Alert("body_condition", level, min(scores), caps.body_condition_floor, told)


def predicted_volume(history: History, caps: Caps) -> Alert | None:
    series = [(visit.day, visit.volume_mm3) for visit in history.visits]
    return _predicted("volume", "tumor volume", series, history, caps.volume_cap_mm3, "mm³")


def predicted_diameter(history: History, caps: Caps) -> Alert | None:
    series = [(visit.day, visit.longest_mm) for visit in history.visits]
    return _predicted("diameter", "longest diameter", series, history, caps.diameter_cap_mm, "mm")


def predicted_burden(history: History, caps: Caps) -> Alert | None:
    weight = _last_weight(history)
    if not weight:
        return None
    share = G_PER_MM3 * 100 / weight
    series = [(v.day, None if v.volume_mm3 is None else v.volume_mm3 * share) for v in history.visits]
    return _predicted("burden", "tumor", series, history, caps.burden_cap_percent, "% of body weight")


RULES: dict[str, Rule] = {
    rule.__name__: rule
    for rule in (
        volume, diameter, burden, weight_loss, net_weight_loss, sign_score, ulceration, body_condition,
        predicted_volume, predicted_diameter, predicted_burden,
    )
}  # fmt: skip


def _level(value: float, amber: float, red: float) -> AlertLevel | None:
    """Red at the cap, amber at its own mark; 19.999999999999996 % is 20 %."""
    value, amber, red = (round(number, 9) for number in (value, amber, red))
    if value >= red:
        return AlertLevel.RED
    return AlertLevel.AMBER if value >= amber else None


def _capped(rule: str, value: float | None, cap: float, caps: Caps, words: str) -> Alert | None:
    if not value:
        return None
    level = _level(value, caps.amber_fraction * cap, cap)
    return Alert(rule, level, value, cap, words.format(value, cap)) if level else None


def _lost(rule: str, percent: float, caps: Caps, words: str) -> Alert | None:
    warning, limit = caps.weight_loss_warning_percent, caps.weight_loss_limit_percent
    level = _level(percent, warning, limit)
    if not level:
        return None
    told = f"{words.format(percent)}, warning {warning:g} %, limit {limit:g} %"
    return Alert(rule, level, percent, limit if level == AlertLevel.RED else warning, told)


def _last_weight(history: History) -> float | None:
    return next((visit.weight_g for visit in reversed(history.visits) if visit.weight_g), None)


def _predicted(
    rule: str,
    what: str,
    series: list[tuple[float, float | None]],
    history: History,
    cap: float,
    unit: str,
) -> Alert | None:
    """Amber where the last visits, extrapolated on the log scale, reach the cap by the next planned session."""
    heading = course(*zip(*series, strict=True))
    now, ahead = history.now.day, history.next_day
    if heading is None or heading.day != now or ahead is None or ahead <= now:
        return None
    value = heading.value_on(ahead)
    if heading.rate_per_day <= 0 or round(value, 9) < cap:
        return None
    told = (
        f"{what} forecast {value:.0f} {unit} at the next session in {ahead - now:g} days, cap {cap:g} {unit}"
    )
    return Alert(f"predicted_{rule}", AlertLevel.AMBER, value, cap, told)
