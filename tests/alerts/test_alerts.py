"""Each welfare rule at, under and over its limits; the forecast; and several tumors and light mice."""

import math

import pytest

from studies.alerts import RULES, Caps, History, WelfareVisit, alerts
from studies.terms import AlertLevel, Sign

RED, AMBER = AlertLevel.RED, AlertLevel.AMBER
CAPS = Caps()


def levels(history: History, caps: Caps = CAPS) -> dict[str, AlertLevel]:
    return {alert.rule: alert.level for alert in alerts(history, caps)}


def level(rule: str, baseline_g: float | None = None, baseline_mm3: float | None = None, **now) -> str | None:
    found = RULES[rule](History((WelfareVisit(14, **now),), baseline_g, baseline_mm3), CAPS)
    return found.level if found else None


@pytest.mark.parametrize(
    ("rule", "field", "values"),
    [
        (
            "volume",
            "volume_mm3",
            [(1599.9, None), (1600, AMBER), (1999.9, AMBER), (2000, RED), (2000.1, RED)],
        ),
        ("diameter", "longest_mm", [(15.9, None), (16, AMBER), (19.9, AMBER), (20, RED), (20.1, RED)]),
    ],
)
def test_caps_are_amber_at_their_fraction_and_red_at_the_cap(rule, field, values):
    assert [level(rule, **{field: value}) for value, _ in values] == [expected for _, expected in values]


def test_burden_is_of_the_body_weight_the_last_known_where_not_weighed():
    at = [level("burden", volume_mm3=v, weight_g=20) for v in (1599, 1600, 1999, 2000, 2001)]
    assert at == [None, AMBER, AMBER, RED, RED]
    history = History((WelfareVisit(7, 500, weight_g=12), WelfareVisit(14, 1300)))
    assert levels(history)["burden"] == RED  # a light mouse, far below the volume cap
    assert "burden" not in levels(History((WelfareVisit(14, 1300),)))


def test_weight_loss_warns_at_the_warning_and_is_red_at_the_limit():
    found = [level("weight_loss", 21.0, weight_g=w) for w in (17.86, 17.85, 16.81, 16.8, 16.7, 22)]
    assert found == [None, AMBER, AMBER, RED, RED, None]
    assert level("weight_loss", None, weight_g=10) is None
    for grams, limit in ((17, 15), (16, 20)):
        (alert,) = alerts(History((WelfareVisit(14, weight_g=grams),), 20), CAPS)
        assert (alert.value, alert.limit) == ((20 - grams) * 5, limit)


def test_a_growing_tumor_does_not_hide_a_loss():
    """25 g with 0.2 g tumor become 23 g with 3 g tumor: 8 % by the scale, 19 % without the tumor."""
    now = {"weight_g": 23.0, "volume_mm3": 3000}
    assert level("weight_loss", 25, 200, **now) is None
    assert level("net_weight_loss", 25, 200, **now) == AMBER
    limits = [level("net_weight_loss", 20, 0, weight_g=w, volume_mm3=1000) for w in (18.01, 18, 17.01, 17)]
    assert limits == [None, AMBER, AMBER, RED]


def test_signs_add_up():
    def of(*signs: Sign) -> str | None:
        return level("sign_score", signs=signs)

    assert of(Sign.LETHARGIC) is None  # 3 points
    assert of(Sign.HUNCHED, Sign.RUFFLED, Sign.THIN) == AMBER  # 4
    assert of(Sign.HUNCHED, Sign.LETHARGIC) == RED  # 5
    assert of(Sign.HUNCHED, Sign.RUFFLED, Sign.UNDERCONDITIONED) is None  # 3: a body condition has no points
    assert of(Sign.BREATHING) == RED and of() is None


def test_the_points_of_each_sign():
    one = {sign: alerts(History((WelfareVisit(1, signs=(sign,)),)), Caps(sign_score_cap=1)) for sign in Sign}
    points = {
        sign: alert.value for sign, found in one.items() for alert in found if alert.rule == "sign_score"
    }
    assert points == {Sign.HUNCHED: 2, Sign.RUFFLED: 1, Sign.LETHARGIC: 3, Sign.THIN: 1, Sign.BREATHING: 5}


def test_an_open_ulcer_is_red():
    assert level("ulceration", is_ulcerated=True) == RED and level("ulceration") is None
    (alert,) = alerts(History((WelfareVisit(14, is_ulcerated=True),)), CAPS)
    assert (alert.value, alert.limit) == (1, 0)  # one ulcer, none allowed


def test_body_condition_is_red_below_the_floor():
    assert level("body_condition", signs=(Sign.EMACIATED,)) == RED
    assert level("body_condition", signs=(Sign.UNDERCONDITIONED,)) == AMBER
    assert level("body_condition", signs=(Sign.THIN,)) is None
    deep = Caps(body_condition_floor=1)
    assert levels(History((WelfareVisit(1, signs=(Sign.UNDERCONDITIONED,)),)), deep) == {}


def growing(doubling_days: float, now_mm3: float, next_day: float | None = 17) -> History:
    days = (7, 10, 14)
    sizes = [now_mm3 * 2 ** ((day - 14) / doubling_days) for day in days]
    return History(tuple(WelfareVisit(d, v) for d, v in zip(days, sizes, strict=True)), next_day=next_day)


def test_the_forecast_is_amber_where_the_cap_comes_by_the_next_session():
    assert "predicted_volume" not in levels(growing(3, 999.9))  # 1,999.8 mm3 on day 17
    (alert,) = alerts(growing(3, 1000.0), CAPS)
    assert (alert.rule, alert.level) == ("predicted_volume", AMBER)
    assert math.isclose(alert.value, 2000, rel_tol=1e-9)
    assert levels(growing(3, 1000.0, next_day=None)) == {}


def test_no_forecast_from_one_visit_from_shrinking_or_beside_the_red_itself():
    assert levels(History((WelfareVisit(14, 1500),), next_day=100)) == {}
    assert levels(growing(-3, 1500)) == {}
    assert levels(growing(3, 2100)) == {"volume": RED}


def test_diameter_and_burden_are_forecast_too():
    visits = (WelfareVisit(10, 500, 10, 20), WelfareVisit(14, 900, 14, 20))
    found = levels(History(visits, next_day=18))  # 19.6 mm and 8.1 %; volume 1,620
    assert found == {}
    found = levels(History(visits, next_day=19))
    assert found == {"predicted_diameter": AMBER}
    found = levels(History(visits, next_day=20))
    assert found == {"predicted_diameter": AMBER, "predicted_volume": AMBER, "predicted_burden": AMBER}
    value = {alert.rule: alert.value for alert in alerts(History(visits, next_day=20), CAPS)}
    assert value["predicted_burden"] == pytest.approx(900 * 1.8**1.5 / 200)


def test_an_elongated_tumor_is_caught_by_its_length_alone():
    assert levels(History((WelfareVisit(14, 0.5 * 21 * 8**2, 21, 25),))) == {"diameter": RED}


def test_red_comes_first_and_no_text_is_without_its_numbers():
    now = WelfareVisit(14, 1700, 20, 22, (Sign.EMACIATED,))
    found = alerts(History((now,), 30, 100), CAPS)
    assert [alert.level for alert in found] == sorted((a.level for a in found), key=lambda one: one != RED)
    assert all(any(character.isdigit() for character in alert.message) for alert in found)
