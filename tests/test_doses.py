import pytest

from studies.doses import amount, dose_mg_per_kg, doses_due, volume_ml_per_kg


@pytest.mark.parametrize(
    ("text", "mg_per_kg"),
    [
        ("10 mg/kg", 10),
        ("10mg/kg", 10),
        ("2,5 mg / kg", 2.5),
        ("0.03 g/kg", 30),
        ("500 µg/kg", 0.5),
        ("500 ug/kg", 0.5),
    ],
)
def test_a_dose_is_read_with_its_unit(text, mg_per_kg):
    assert dose_mg_per_kg(text) == mg_per_kg


def test_ten_microliters_a_gram_are_ten_milliliters_a_kilogram():
    assert volume_ml_per_kg("10 µL/g") == volume_ml_per_kg("10 mL/kg") == 10
    assert volume_ml_per_kg("0.01 L/kg") == volume_ml_per_kg("10000 µL/kg") == 10


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("10", "the dose 10 has no unit; write it as 10 mg/kg"),
        ("10 mg", 'the dose "10 mg" cannot be read'),
        ("10 mg/mouse", "has the unit mg/mouse; known are mg/kg"),
        ("0 mg/kg", "the dose is above 0"),
        ("", "cannot be read"),
        ("-3 mg/kg", "cannot be read"),
        ("1e9 mg/kg", "cannot be read"),
    ],
)
def test_a_dose_without_unit_or_number_is_refused(text, told):
    with pytest.raises(ValueError, match=told.replace("(", r"\(")):
        dose_mg_per_kg(text)


@pytest.mark.parametrize(
    ("frequency", "expected"),
    [
        ("qd", [1, 1, 1, 1, 1, 1, 1, 1]),
        ("bid", [2, 2, 2, 2, 2, 2, 2, 2]),
        ("5_on_2_off", [1, 1, 1, 1, 1, 0, 0, 1]),
        ("q2d", [1, 0, 1, 0, 1, 0, 1, 0]),
        ("q7d", [1, 0, 0, 0, 0, 0, 0, 1]),
        ("day_list", [0, 0, 0, 1, 0, 0, 0, 1]),
        ("", [1, 1, 1, 1, 1, 1, 1, 1]),
    ],
)
def test_doses_follow_their_pattern_from_the_first_dosing_day(frequency, expected):
    assert [doses_due(day, frequency, (5, 9), 2) for day in range(2, 10)] == expected


def test_no_dose_outside_the_window():
    assert [doses_due(day, "qd", (), 1, 3) for day in range(-1, 5)] == [0, 0, 1, 1, 1, 0]
    assert doses_due(-1, "qd") == 0 and doses_due(400, "qd") == 1 == doses_due(0, "q2d")


def test_mg_per_kg_becomes_mg_becomes_ml():
    """30 mg/kg for 22 g are 0.66 mg, at 3 mg/mL 0.22 mL."""
    found = amount(22, 30, 3, None)
    assert (found.mg, found.ml) == (pytest.approx(0.66), pytest.approx(0.22))
    assert amount(21.3, 30, 3.7, None).ml == 0.172703  # to a nanoliter
    assert amount(22, None, None, 10).mg is None and amount(22, 30, None, 10).ml == pytest.approx(0.22)


def test_the_maximum_volume_refuses_above_it_alone():
    assert amount(20, 30, 3, None, 10).ml == pytest.approx(0.2)
    with pytest.raises(ValueError, match="above the maximum of 9.9 mL/kg"):
        amount(20, 30, 3, None, 9.9)
    assert amount(20, 30.0000000006, 3, None, 10).ml == pytest.approx(0.2)  # 10.0000000002 mL/kg
    with pytest.raises(ValueError, match="10 mL/kg is above the maximum of 10 mL/kg"):
        amount(20, 30.000000006, 3, None, 10)
    with pytest.raises(ValueError, match="no concentration"):
        amount(20, 30, None, None)
