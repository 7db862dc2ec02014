"""The demo loaded again, on a later day, beside other studies and other people's accounts."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from studies.actions.audit import broken_link, study_chain
from studies.actions.demo_people import (
    ACTIVE,
    DemoRefused,
    ensure_people,
)
from studies.actions.load_demo import load_demo
from studies.actions.revisions import HASHED
from studies.models import (
    Measurement,
    MeasurementSession,
    PdxModel,
    Study,
    User,
)
from studies.terms import StudyState
from studies.worklist import due_sessions
from tests.factories import make_study

NOW = datetime(2026, 3, 5, 14, 30, tzinfo=UTC)
PASSWORD = "amber-basil-cedar-delta-042"


def study(code: str) -> Study:
    return Study.objects.get(code=code)


def everything() -> dict[str, int]:
    """How many rows each table holds."""
    from django.apps import apps

    return {
        model.__name__: model._base_manager.count() for model in apps.get_app_config("studies").get_models()
    }


# Again, later, elsewhere


@pytest.mark.django_db
def test_a_second_load_adds_nothing():
    assert load_demo(now=NOW, password=PASSWORD).is_new
    before = everything()
    again = load_demo(now=NOW + timedelta(hours=1), password=PASSWORD)
    assert (again.is_new, again.sessions_added) == (False, 0)
    assert everything() == before


@pytest.mark.django_db
def test_a_later_day_gets_its_own_due_session_and_leaves_the_past_alone():
    load_demo(now=NOW, password=PASSWORD)
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


@pytest.mark.django_db
def test_a_study_no_longer_active_gets_no_session():
    load_demo(now=NOW, password=PASSWORD)
    Study.objects.filter(code=ACTIVE).update(state=StudyState.DATA_LOCKED)
    assert load_demo(now=NOW + timedelta(days=1), password=PASSWORD).sessions_added == 0


@pytest.mark.django_db
def test_the_same_moment_gives_the_same_record():
    def fingerprint() -> str:
        fields = (
            "mouse__label",
            "session__due_on",
            "length_mm",
            "width_mm",
            "weight_g",
            "client_id",
            "reason",
        )
        rows = Measurement.objects.order_by("session__study__code", "id").values_list(*fields)
        return hashlib.sha256(repr(list(rows)).encode()).hexdigest()

    from django.db import transaction

    prints = []
    for _ in range(2):
        with transaction.atomic():
            load_demo(now=NOW, password=PASSWORD)
            prints.append(fingerprint())
            transaction.set_rollback(True)
    assert prints[0] == prints[1]


@pytest.mark.django_db
def test_it_does_not_load_beside_real_studies_unless_asked_to():
    make_study("PDX-REAL-01")
    with pytest.raises(DemoRefused, match=r"holds other studies \(PDX-REAL-01\).*--into-existing"):
        load_demo(now=NOW, password=PASSWORD)
    assert not User.objects.filter(username="tech1").exists()
    assert load_demo(now=NOW, password=PASSWORD, into_existing=True).is_new


@pytest.mark.django_db
def test_a_demo_on_record_starts_beside_studies_made_since():
    load_demo(now=NOW, password=PASSWORD)
    make_study("MINE-01")
    assert not load_demo(now=NOW, password=PASSWORD).is_new


@pytest.mark.django_db
def test_a_part_of_the_demo_is_refused():
    make_study(ACTIVE)
    with pytest.raises(DemoRefused, match=f"only {ACTIVE} is found"):
        load_demo(now=NOW, password=PASSWORD, into_existing=True)


@pytest.mark.django_db
def test_a_real_account_of_the_same_name_keeps_its_password():
    User.objects.create_user("director", email="director@lab.example", password="her own long password")
    with pytest.raises(DemoRefused, match='the account "director" exists'):
        load_demo(now=NOW, password=PASSWORD)
    assert User.objects.get(username="director").check_password("her own long password")
    assert not Study.objects.exists()


@pytest.mark.django_db
def test_pdx_models_of_the_same_code_are_refused_whole():
    PdxModel.objects.create(code="SIM-BRE-01")
    with pytest.raises(DemoRefused, match="SIM-BRE-01"):
        load_demo(now=NOW, password=PASSWORD)
    assert not Study.objects.exists() and not User.objects.exists()


@pytest.mark.django_db
def test_a_new_password_is_given_to_every_demo_account_and_an_old_one_kept():
    ensure_people(PASSWORD)
    stored = set(User.objects.values_list("username", "password"))
    ensure_people(PASSWORD)
    assert set(User.objects.values_list("username", "password")) == stored
    ensure_people("another-long-password-77")
    assert all(user.check_password("another-long-password-77") for user in User.objects.all())
