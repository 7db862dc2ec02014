"""The demo in an empty database, and beside other studies and other people's accounts."""

import hashlib

import pytest
from django.db import connection

from studies import triggers
from studies.actions.demo_people import (
    ACTIVE,
    DemoRefused,
    ensure_people,
)
from studies.actions.load_demo import load_demo
from studies.models import (
    AuditEvent,
    Measurement,
    PdxModel,
    Study,
    User,
)
from tests.actions.conftest import NOW, PASSWORD
from tests.factories import make_study


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
    ensure_people(PASSWORD, NOW)
    stored = set(User.objects.values_list("username", "password"))
    ensure_people(PASSWORD, NOW)
    assert set(User.objects.values_list("username", "password")) == stored
    triggers.take_notes(connection)  # of rows that the demo's studies would seal
    ensure_people("another-long-password-77", NOW)
    assert all(user.check_password("another-long-password-77") for user in User.objects.all())
    told = AuditEvent.objects.filter(action="password set at the server")
    assert told.count() == len(stored) and triggers.take_notes(connection) == {}
