"""Steps between the states of a study: who may, from where, and with which signature."""

from datetime import UTC, datetime, timedelta

import pytest

from studies.actions.audit import broken_link, study_chain
from studies.actions.set_up_gaps import set_up_gaps
from studies.actions.sign import Signer
from studies.actions.study_states import (
    StateRefused,
    activate_study,
    archive_study,
    data_record,
    lock_data,
    unblind_study,
)
from studies.models import ArmMask, Study
from studies.terms import Role, StudyState
from tests.factories import make_arm, make_measurement, make_mouse, make_session
from tests.people import join, make_user

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture
def director(study):
    return join(make_user("head"), study, Role.STUDY_DIRECTOR)


@pytest.fixture
def qa(study):
    return join(make_user("qa"), study, Role.QUALITY_ASSURANCE)


def state(study) -> str:
    return Study.objects.get(pk=study.pk).state


def test_a_study_is_locked_unblinded_and_archived(study, director, qa):
    arm = make_arm(study)
    make_measurement(make_session(study), make_mouse(study, arm=arm))
    lock_data(study, Signer(director, NOW), "All visits are recorded.")
    assert state(study) == StudyState.DATA_LOCKED
    mask = ArmMask.objects.get()  # what the arm is called for those who analyze it masked
    assert (mask.arm, mask.generation, mask.drawn_at) == (arm, 1, NOW)
    unblind_study(study, Signer(director, NOW + timedelta(hours=4)), "Final analysis.")
    archive_study(study, Signer(director, NOW + timedelta(hours=5)), "Reported.")
    assert state(study) == StudyState.ARCHIVED
    assert [s.act for s in study.signatures.all()] == ["data_lock", "unblinding", "archiving"]
    assert broken_link(study_chain(study)) is None


@pytest.mark.parametrize("step", [lock_data, unblind_study, archive_study])
def test_each_step_leaves_from_its_own_state_and_has_a_reason(study, director, step):
    if step is lock_data:
        with pytest.raises(StateRefused, match="reason"):
            step(study, Signer(director, NOW), " ")
        Study.objects.filter(pk=study.pk).update(state=StudyState.DRAFT)
    with pytest.raises(StateRefused, match="not "):
        step(study, Signer(director, NOW), "Because.")
    assert not study.signatures.exists()


def test_only_the_director_locks_and_activates(people):
    for name, person in people.everyone().items():
        if name == Role.STUDY_DIRECTOR:
            continue
        for step in (
            lambda s: lock_data(people.study, s, "Done."),
            lambda s: activate_study(people.study, s),
        ):
            with pytest.raises(StateRefused, match="no role"):
                step(Signer(person, NOW))
    assert state(people.study) == StudyState.ACTIVE


def test_the_lock_is_signed_over_every_revision(study):
    mouse, session = make_mouse(study), make_session(study)
    make_measurement(session, mouse)
    before = data_record(study)
    make_measurement(session, mouse, revision=2, length_mm=11, reason="slip")
    after = data_record(study)
    assert (before["revisions"], after["revisions"]) == (1, 2)
    assert before["revisions_sha256"] != after["revisions_sha256"]


def test_an_empty_draft_lacks_something_in_every_step(study):
    Study.objects.filter(pk=study.pk).update(state=StudyState.DRAFT)
    lacking = {gap.step for gap in set_up_gaps(study) if gap.is_missing}
    assert lacking == {"protocol", "pdx-models", "arms", "mice", "criteria", "plan", "blinding"}
