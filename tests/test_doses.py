import pytest

from studies.doses import dose_mg_per_kg, volume_ml_per_kg


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
