"""The demo loaded again, on a later day and beside studies made since."""

import hashlib
from datetime import timedelta

from studies.actions.audit import broken_link, study_chain
from studies.actions.demo_people import (
    ACTIVE,
)
from studies.actions.load_demo import load_demo
from studies.actions.revisions import HASHED
from studies.models import (
    Measurement,
    MeasurementSession,
    Study,
    User,
)
from studies.terms import StudyState
from studies.worklist import due_sessions
from tests.actions.conftest import NOW, PASSWORD
from tests.factories import make_study


def study(code: str) -> Study:
    return Study.objects.get(code=code)


def everything() -> dict[str, int]:
    """How many rows each table holds."""
    from django.apps import apps

    return {
        model.__name__: model._base_manager.count() for model in apps.get_app_config("studies").get_models()
    }


# Again, later, elsewhere


def test_a_second_load_adds_nothing(demo):
    assert demo.is_new
    before = everything()
    again = load_demo(now=NOW + timedelta(hours=1), password=PASSWORD)
    assert (again.is_new, again.sessions_added) == (False, 0)
    assert everything() == before


def test_a_later_day_gets_its_own_due_session_and_leaves_the_past_alone(demo):
    past = hashlib.sha256(
        repr(sorted(Measurement.objects.values_list(*HASHED), key=repr)).encode()
    ).hexdigest()
    sessions = set(MeasurementSession.objects.values_list("pk", "due_on"))
    later = load_demo(now=NOW + timedelta(days=3), password=PASSWORD)
    assert later.sessions_added == 2
    assert sessions < set(MeasurementSession.objects.values_list("pk", "due_on"))
    due = due_sessions(User.objects.get(username="tech1"), NOW + timedelta(days=3))
    assert max(row.missing for row in due if row.days_until == 0) >= 10
    now_held = sorted(Measurement.objects.values_list(*HASHED), key=repr)
    assert hashlib.sha256(repr(now_held).encode()).hexdigest() == past
    assert load_demo(now=NOW + timedelta(days=3), password=PASSWORD).sessions_added == 0
    assert broken_link(study_chain(study(ACTIVE))) is None


def test_a_study_no_longer_active_gets_no_session(demo):
    Study.objects.filter(code=ACTIVE).update(state=StudyState.DATA_LOCKED)
    assert load_demo(now=NOW + timedelta(days=1), password=PASSWORD).sessions_added == 0


def test_a_demo_on_record_starts_beside_studies_made_since(demo):
    make_study("MINE-01")
    assert not load_demo(now=NOW, password=PASSWORD).is_new
