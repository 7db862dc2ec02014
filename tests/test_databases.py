"""The test house itself: what stands under every other test."""

import threading

import pytest
from django.db import IntegrityError, InternalError, connection, transaction
from django.utils import timezone

from studies import triggers
from studies.actions.audit import record_event, study_chain
from studies.models import AuditEvent, AuditHead, Study
from tests.factories import make_study
from tests.people import PASSWORD, User

REFUSED = (IntegrityError, InternalError)


def write_event(study: Study) -> AuditEvent:
    with transaction.atomic():
        return record_event(
            "tested", study, actor=None, at=timezone.now(), chain=study_chain(study), study=study
        )


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("run", [1, 2])
def test_a_transactional_test_finds_an_empty_record_and_leaves_one(run):
    assert not Study.objects.exists() and not AuditHead.objects.exists()
    write_event(make_study())
    assert triggers.missing(connection) == []


@pytest.mark.django_db(transaction=True)
def test_the_triggers_stand_inside_a_transactional_test():
    event = write_event(make_study())
    with pytest.raises(REFUSED, match="append-only"), transaction.atomic():
        AuditEvent.objects.filter(pk=event.pk).delete()


@pytest.mark.django_db(transaction=True)
def test_threads_of_a_test_meet_in_one_database():
    study = make_study()

    def write_from_another_connection() -> None:
        try:
            write_event(study)
        finally:
            connection.close()

    threads = [threading.Thread(target=write_from_another_connection) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sequences = AuditEvent.objects.filter(chain=study_chain(study)).values_list("sequence", flat=True)
    assert sorted(sequences) == list(range(1, 9))


def test_everyone_of_the_cast_can_be_named(people):
    assert people.study_director.memberships.get().role == "study_director"
    assert people.outsider.memberships.get().study != people.study
    assert len(people.everyone()) == len(people.by_role) + 2


def test_the_cast_signs_in_with_its_password(people, client):
    assert people.technician.check_password(PASSWORD)
    assert User.objects.filter(is_superuser=True).get() == people.superuser


@pytest.mark.sqlite_only
@pytest.mark.django_db
def test_sqlite_keeps_what_it_acknowledged():
    if connection.vendor != "sqlite":
        pytest.fail("this test is for SQLite; leave it out with -m 'not sqlite_only'")
    with connection.cursor() as cursor:
        found = {}
        for pragma in ("journal_mode", "synchronous", "foreign_keys", "recursive_triggers"):
            cursor.execute(f"PRAGMA {pragma}")
            found[pragma] = cursor.fetchone()[0]
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "recursive_triggers": 1}
