"""What the guide's fields make of what people write: doses with units, lists of days."""

import pytest
from django import forms
from django.core.files.uploadedfile import SimpleUploadedFile

from studies.desk.set_up.arms import GivenForm
from studies.desk.set_up.fields import DaysField, DoseField, DoseVolumeField
from studies.desk.set_up.mice import ListForm
from studies.desk.signing import SigningForm


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("0, 3, 7", (0, 3, 7)),
        ("[7; 3 0]", (0, 3, 7)),
        ("\N{MINUS SIGN}2, 1000", (-2, 1000)),
        ("9999", (9999,)),
    ],
)
def test_days_are_read_each_once_and_in_order(text, days):
    assert DaysField().clean(text) == days


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("3, 7, 3, 7, 7", "Day 3 stands twice."),
        ("0, three", '"three" is no study day; write days as 0, 3, 7, 10.'),
        ("1.5", '"1.5" is no study day; write days as 0, 3, 7, 10.'),
        ("10000", '"10000" is no study day; write days as 0, 3, 7, 10.'),
    ],
)
def test_what_is_no_list_of_days_is_refused_with_the_day(text, said):
    with pytest.raises(forms.ValidationError) as refused:
        DaysField().clean(text)
    assert refused.value.messages == [said]


def test_what_is_stored_is_shown_as_people_write_it():
    assert DaysField().prepare_value([0, 3.0, 7]) == "0, 3, 7" and DaysField().prepare_value("0,3") == "0,3"
    assert DoseField().prepare_value(10.0) == "10 mg/kg" and DoseVolumeField().prepare_value(5) == "5 mL/kg"
    assert DoseField().prepare_value("ten") == "ten"


def test_a_dose_needs_its_unit():
    assert DoseField().clean("0.03 g/kg") == 30 and DoseVolumeField(required=False).clean("") is None
    with pytest.raises(forms.ValidationError, match="The dose 10 has no unit; write it as 10 mg/kg"):
        DoseField().clean("10")


def given(**data) -> dict[str, list[str]]:
    form = GivenForm({"agent": "binimetinib", **data})
    form.is_valid()
    return {name: list(errors) for name, errors in form.errors.items()}


def test_listed_days_are_asked_for_where_the_schedule_is_a_list_and_an_agent_for_every_dose():
    missing = {"dosing_days": ["List the study days on which it is given."]}
    assert given(frequency="day_list") == missing
    assert given(frequency="day_list", dosing_days="0, 3") == {} == given(frequency="qd") == given()
    assert given(agent="", dose="10 mg/kg") == {"agent": ["Name the agent of this dose."]}
    assert given(agent="") == {}


@pytest.mark.parametrize(
    ("size", "said"), [(2_000_000, []), (2_000_001, ["This file is over 2 MB; a list of mice is smaller."])]
)
def test_a_list_of_mice_has_two_megabytes_at_most(size, said):
    form = ListForm({}, {"file": SimpleUploadedFile("mice.csv", b"x" * size)})
    form.is_valid()
    assert form.errors.get("file", []) == said


def test_a_list_is_pasted_or_chosen():
    form = ListForm({"table": " \n"})
    assert not form.is_valid() and form.non_field_errors() == ["Paste a list or choose a file."]
    assert ListForm({"table": "mouse"}).is_valid()


def test_a_dose_is_thirty_characters_at_most():
    assert DoseField().clean(f"{'0' * 23}1 mg/kg") == 1
    with pytest.raises(forms.ValidationError, match="at most 30 characters"):
        DoseField().clean(f"{'0' * 24}1 mg/kg")


def test_a_pasted_list_keeps_the_empty_cells_at_its_ends():
    form = ListForm({"table": "\tmouse\t\n"})
    assert form.is_valid() and form.cleaned_data["table"] == "\tmouse\t\n"


def test_a_password_is_signed_with_to_its_last_space():
    form = SigningForm({"username": " head ", "password": " secret "})
    assert form.is_valid() and form.cleaned_data == {"username": "head", "password": " secret "}
