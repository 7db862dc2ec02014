"""The masks of arms and the emergency unblindings: what the tables take, and what they call themselves."""

from datetime import UTC, datetime

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from studies.desk.blinding import RevealForm
from studies.models import ArmMask, Reveal, User
from tests.factories import make_arm, make_mouse

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def test_a_mask_is_one_or_two_letters_and_says_of_which_lock_but_not_of_which_arm(study):
    mask = ArmMask(study=study, generation=2, arm=make_arm(study, "canarywing"), letter="AB", drawn_at=NOON)
    mask.full_clean()
    assert str(mask) == "mask AB of PDX-TEST-01, lock 2"
    mask.letter = "ABC"
    with pytest.raises(ValidationError, match="at most 2 characters"):
        mask.full_clean()


@pytest.mark.parametrize(("arm", "letter"), [(0, "B"), (1, "A")], ids=["an arm twice", "a letter twice"])
def test_at_one_lock_an_arm_has_one_letter_and_a_letter_one_arm(study, arm, letter):
    arms = [make_arm(study, "canarywing"), make_arm(study, "canarybeak")]
    of_study = {"study": study, "drawn_at": NOON}
    ArmMask.objects.create(generation=1, arm=arms[0], letter="A", **of_study)
    ArmMask.objects.create(generation=2, arm=arms[arm], letter=letter, **of_study)
    with pytest.raises(IntegrityError), transaction.atomic():
        ArmMask.objects.create(generation=1, arm=arms[arm], letter=letter, **of_study)


def test_an_unblinding_has_a_reason_and_a_second_person_and_names_no_arm(study, people):
    mouse = make_mouse(study, "M1", make_arm(study, "canarywing"))
    facts = {"study": study, "mouse": mouse, "reason": "Seizures", "revealed_to": people.veterinarian,
             "revealed_at": NOON, "notified": people.study_director}  # fmt: skip
    for change in ({"reason": ""}, {"notified": people.veterinarian}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Reveal.objects.create(**facts | change)
    assert str(Reveal.objects.create(**facts)) == f"emergency unblinding of {mouse.pk}"


def test_a_reason_is_held_as_long_as_the_form_takes_it():
    form = RevealForm(second_persons=User.objects.none())
    assert Reveal._meta.get_field("reason").max_length == form.fields["reason"].max_length == 2000
