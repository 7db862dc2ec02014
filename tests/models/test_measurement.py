"""What a measurement row may hold, and which revision counts."""

import pytest
from django.db import IntegrityError, transaction

from studies.models import Measurement
from tests.factories import make_measurement, make_mouse, make_session

pytestmark = pytest.mark.django_db


@pytest.fixture
def place(study):
    return make_session(study), make_mouse(study)


def refused(place, **fields) -> bool:
    try:
        with transaction.atomic():
            make_measurement(*place, **fields)
    except IntegrityError:
        return True
    return False


BARE = {"length_mm": None, "width_mm": None, "weight_g": None}


@pytest.mark.parametrize(
    "fields",
    [
        {**BARE},  # measured, and nothing to show for it
        {**BARE, "weight_g": 22.0},
        {"width_mm": None},
        {"length_mm": 0.0},
        {"width_mm": -1.0},
        {"weight_g": 0.0},
        {"height_mm": 0.0},
        {**BARE, "reported_volume_mm3": 0.0, "volume_method": "reported"},
        {**BARE, "reported_volume_mm3": 120.0},  # from where?
        {"status": "not_palpable"},  # with lengths
        {"status": "gone"},
        {"revision": 0},
        {"replicate": 0},
        {"tumor_number": 0},
        {"revision": 2},  # a correction without a reason
        {"is_void": True},  # a void that is no revision
    ],
    ids=str,
)
def test_a_row_that_cannot_be_true_is_refused_by_the_database(place, fields):
    assert refused(place, **fields)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"height_mm": 5.0},
        {**BARE, "reported_volume_mm3": 0.1234567890123456, "volume_method": "reported"},
        {"reported_volume_mm3": 320.0, "volume_method": "imaging"},
        {**BARE, "status": "not_palpable", "weight_g": 21.5},
        {**BARE, "status": "not_done"},
        {"status": "ulcerated"},
        {"revision": 2, "reason": "digits swapped"},
        {"revision": 2, "reason": "wrong mouse", "is_void": True},
    ],
    ids=str,
)
def test_a_row_that_can_be_true_is_kept_to_the_last_digit(place, fields):
    stored = Measurement.objects.get(pk=make_measurement(*place, **fields).pk)
    for name, value in fields.items():
        assert getattr(stored, name) == value


def test_the_same_revision_is_stored_once(place):
    make_measurement(*place)
    assert refused(place)
    assert not refused(place, replicate=2)
    assert not refused(place, tumor_number=2)


def test_the_highest_revision_counts_and_a_void_takes_the_reading_away(place):
    make_measurement(*place)
    corrected = make_measurement(*place, revision=2, length_mm=11.0, reason="digits swapped")
    assert list(Measurement.objects.valid()) == [corrected]
    void = make_measurement(*place, revision=3, is_void=True, reason="wrong mouse")
    assert list(Measurement.objects.current()) == [void]
    assert not Measurement.objects.valid().exists()


def test_a_reported_volume_outranks_the_formula(place):
    reading = make_measurement(*place, reported_volume_mm3=321.5, volume_method="imaging")
    assert reading.volume_mm3("half_lw2") == 321.5


def test_lengths_give_the_volume_of_the_study_formula_whichever_is_longer(study):
    reading = make_measurement(make_session(study), make_mouse(study), length_mm=8.0, width_mm=10.0)
    assert reading.volume_mm3("half_lw2") == 10 * 8 * 8 / 2
    assert reading.volume_mm3("pi6_lwh") is None  # no height was taken


def test_not_palpable_is_zero_and_not_done_is_unknown(study):
    session, mouse = make_session(study), make_mouse(study)
    assert make_measurement(session, mouse, **BARE, status="not_palpable").volume_mm3("half_lw2") == 0
    assert (
        make_measurement(session, mouse, **BARE, status="not_done", replicate=2).volume_mm3("half_lw2")
        is None
    )
