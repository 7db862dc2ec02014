"""Mice added to a draft: numbered on from those there are, and refused row by row."""

from dataclasses import replace
from datetime import date

import pytest
from django.utils import timezone

from studies.actions.mice import Batch, Housing, add_mice, generated_rows
from studies.actions.set_up import By, SetUpRefused
from studies.imports import ImportRefused
from studies.imports.mice import MouseRow
from studies.models import Cage, Passage, Study, StudyPdxModel
from tests.factories import make_mouse, make_pdx_model, make_study

pytestmark = pytest.mark.django_db
ROW = MouseRow(2, "M1", "BR-1", cage="C1", ear_tag="1", rfid="985", born_on=date(2026, 1, 1))


@pytest.fixture
def by(people) -> By:
    return By(people.study_director, timezone.now())


@pytest.fixture
def draft(db) -> Study:
    study, model = make_study("PDX-DRAFT-01", state="draft"), make_pdx_model("BR-1")
    Passage.objects.create(pdx_model=model, number=4)
    StudyPdxModel.objects.create(study=study, pdx_model=model)
    return study


def refused(study: Study, by: By, *rows: MouseRow) -> list[tuple]:
    with pytest.raises(ImportRefused) as caught:
        add_mice(study, rows, by, "list")
    return [(error.line, error.column, error.value, error.reason) for error in caught.value.errors]


def test_a_mouse_is_implanted_after_its_birth(draft, by):
    reason = "is not after the birth date"
    for day in (date(2025, 12, 31), date(2026, 1, 1)):
        assert refused(draft, by, replace(ROW, implanted_on=day)) == [(2, "implanted_on", str(day), reason)]
    (mouse,) = add_mice(draft, [replace(ROW, implanted_on=date(2026, 1, 2))], by, "list")
    assert mouse.tumors.get().implanted_on == date(2026, 1, 2)


def test_what_is_in_the_study_already_is_refused_at_its_place(draft, by):
    add_mice(draft, [replace(ROW, passage=4)], by, "list")
    again = replace(ROW, mouse="M1", pdx_model="BR-9"), replace(ROW, line=3, mouse="M2", rfid="", passage=5)
    assert refused(draft, by, *again) == [
        (2, "pdx_model", "BR-9", "is no PDX model of this study (BR-1)"),
        (2, "mouse", "M1", "is in this study already"),
        (2, "ear_tag", "1", "another mouse of cage C1 has it"),
        (2, "rfid", "985", "is mouse M1 of this study"),
        (3, "passage", "5", "PDX model BR-1 has no such passage on record"),
        (3, "ear_tag", "1", "another mouse of cage C1 has it"),
    ]
    assert draft.mice.count() == 1


def test_a_mouse_of_another_study_is_told_without_naming_the_study(draft, by):
    make_mouse(make_study("PDX-SECRET-01"), "X1", rfid="985")
    reason = "this mouse is in another study already; a mouse takes part in one study"
    assert refused(draft, by, ROW) == [(2, "rfid", "985", reason)]


def test_no_mouse_and_a_study_that_takes_none(draft, by):
    with pytest.raises(SetUpRefused, match="No mouse is listed"):
        add_mice(draft, [], by, "list")
    closed = make_study("PDX-SHUT-01", state="data_locked")
    with pytest.raises(SetUpRefused, match="Study PDX-SHUT-01 is .* and takes no mice"):
        add_mice(closed, [ROW], by, "list")


def test_mice_are_numbered_on_and_caged_by_pdx_model(draft):
    make_mouse(draft, "M001")
    make_mouse(draft, "M003")
    Cage.objects.create(study=draft, code="C01")
    rows = generated_rows(draft, [Batch("A", 3, "female"), Batch("B", 1, "male")], Housing(mice_per_cage=2))
    told = [(row.line, row.mouse, row.pdx_model, row.sex, row.cage, row.ear_tag) for row in rows]
    assert told == [
        (1, "M004", "A", "female", "C02", "1"),
        (2, "M005", "A", "female", "C02", "2"),
        (3, "M006", "A", "female", "C03", "1"),
        (4, "M007", "B", "male", "C04", "1"),
    ]
