"""The hash chain: what it covers, and what it finds."""

import hashlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.db import connection, transaction
from django.db.models import QuerySet

from studies import triggers
from studies.actions import audit
from studies.models import AuditEvent, AuditHead

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def chain(study) -> str:
    """Three events about a study, and the triggers lifted so that a test may tamper."""
    for number in (1, 2, 3):
        with transaction.atomic():
            audit.record_event(
                "changed", study, actor=None, at=NOON, chain=audit.study_chain(study), study=study,
                old={"cap": number}, new={"cap": number + 0.5}, reason="limits reviewed",
            )  # fmt: skip
    triggers.drop(connection)
    yield audit.study_chain(study)
    triggers.install(connection)


def event(chain: str, sequence: int):
    return AuditEvent.objects.filter(chain=chain, sequence=sequence)


def test_an_untouched_chain_holds(chain):
    assert audit.broken_link(chain) is None
    assert audit.chains() == [chain]


@pytest.mark.parametrize(
    "change",
    [
        {"new": {"cap": 9}},
        {"old": None},
        {"reason": ""},
        {"actor_name": "somebody else"},
        {"actor_role": "study_director"},
        {"action": "approved"},
        {"object_id": "99"},
        {"happened_at": NOON.replace(hour=11)},
    ],
    ids=str,
)
def test_any_changed_field_of_an_event_is_found_at_that_event(chain, change):
    event(chain, 2).update(**change)
    found = audit.broken_link(chain)
    assert (found.sequence, found.reason) == (2, "its content was changed")


def test_a_change_hashed_anew_breaks_the_link_after_it(chain):
    forged = event(chain, 2).get()
    forged.new = {"cap": 9}
    event(chain, 2).update(new=forged.new, hash=audit.event_hash(forged))
    assert audit.broken_link(chain).sequence == 3


def test_a_lost_event_is_found(chain):
    event(chain, 2).delete()
    assert audit.broken_link(chain).reason == "event 2 is missing"


def test_a_cut_tail_is_found_by_the_head(chain):
    event(chain, 3).delete()
    assert audit.broken_link(chain).sequence == 3


def test_a_cut_tail_with_the_head_turned_back_is_found_by_the_seal(chain):
    event(chain, 3).delete()
    AuditHead.objects.filter(chain=chain).update(count=2, head=event(chain, 2).get().hash)
    found = audit.broken_link(chain)
    assert found.sequence == 2 and "seal" in found.reason


def test_a_chain_wiped_with_its_events_is_found(chain):
    AuditEvent.objects.filter(chain=chain).delete()
    found = audit.broken_link(chain)
    assert (found.sequence, found.reason) == (1, "the chain ends at event 0, its head says 3")


def test_a_wiped_head_is_found(chain):
    AuditHead.objects.filter(chain=chain).delete()
    found = audit.broken_link(chain)
    assert found.sequence == 3 and "head is missing" in found.reason
    assert audit.broken_link("study:0") is None  # neither events nor a head


def test_a_swapped_pair_is_found(chain):
    event(chain, 1).update(sequence=99)
    event(chain, 2).update(sequence=1)
    event(chain, 99).update(sequence=2)
    assert audit.broken_link(chain).sequence == 1


def test_an_event_of_another_key_is_no_seal(chain, settings):
    settings.AUDIT_KEY = "another key of more than thirty-two characters"
    assert "AUDIT_KEY" in audit.broken_link(chain).reason


@pytest.mark.parametrize("forged", [{"count": 4}, {"head": "0" * 64}], ids=str)
def test_a_head_sealed_with_the_key_that_tells_something_else_is_found(chain, forged):
    head = AuditHead.objects.get(chain=chain)
    told = {"count": head.count, "head": head.head} | forged
    AuditHead.objects.update(**told, seal=audit.seal(chain, told["count"], told["head"]))
    assert audit.broken_link(chain) == audit.BrokenLink(
        chain, 4, f"the chain ends at event 3, its head says {told['count']}"
    )


def test_a_chain_is_known_by_its_events_or_its_head_alone(chain, study):
    AuditHead.objects.filter(chain=chain).delete()
    AuditHead.objects.create(chain="allocation:1", count=0, head=audit.GENESIS, seal="")
    assert audit.chains() == ["allocation:1", chain]


CANONICAL = (
    '{"action":"noted","actor":7,"actor_name":"Zoë","actor_role":"","chain":"study:1",'
    '"happened_at":"2026-06-01T12:00:00.000000+00:00","new":{"a":0.5,"b":1},"object_id":"1","object_type":"study",'
    '"old":null,"previous_hash":"00","reason":"",%s"sequence":1,"study":1}'
)


@pytest.mark.parametrize(("rows", "more"), [(None, ""), ({}, '"rows":{},'), ({"t": {}}, '"rows":{"t":{}},')])
def test_the_hash_is_over_one_spelling_that_no_version_may_change(rows, more):
    at = datetime(2026, 6, 1, 14, tzinfo=timezone(timedelta(hours=2)))
    event = AuditEvent(
        chain="study:1", sequence=1, study_id=1, happened_at=at, actor_id=7, actor_name="Zoë", action="noted",
        object_type="study", object_id="1", new={"b": 1, "a": 0.5}, previous_hash="00", rows=rows,
    )  # fmt: skip
    assert audit.event_hash(event) == hashlib.sha256((CANONICAL % more).encode()).hexdigest()
    event.new = {"a": float("nan")}  # no JSON, so no other program could read it
    with pytest.raises(ValueError, match="JSON"):
        audit.event_hash(event)


def test_two_first_events_at_once_share_the_head_that_came_first(chain, study, monkeypatch):
    """The other one's head comes between looking for it and making it."""
    look, looked = QuerySet.first, []

    def not_yet(rows):
        looked.append(rows.model)
        return None if looked == [AuditHead] else look(rows)

    monkeypatch.setattr(QuerySet, "first", not_yet)
    with transaction.atomic():
        written = audit.record_event("changed", study, actor=None, at=NOON, chain=chain, study=study)
    assert (written.sequence, AuditHead.objects.get().count) == (4, 4)


def test_outside_a_study_nobody_has_a_role(people):
    with transaction.atomic():
        written = audit.record_event(
            "changed", people.study, actor=people.study_director, at=NOON, chain=audit.INSTALLATION
        )
    assert (written.actor_name, written.actor_role, written.study) == ("a_study_director", "", None)


@pytest.mark.django_db(transaction=True)
def test_an_event_outside_its_act_is_refused(study):
    with pytest.raises(transaction.TransactionManagementError):
        audit.record_event("changed", study, actor=None, at=NOON, chain=audit.study_chain(study))


def test_a_batch_is_one_event_an_act_and_the_first_seals_the_rows_of_all(study):
    rows, chain = {"studies_mouse": {"1": "ab"}}, audit.study_chain(study)
    acts = [audit.Act(study, new={"n": 1}), audit.Act(study, old={"n": 1}, reason="slip", action="voided")]
    with transaction.atomic():
        assert audit.record_events("entered", [], actor=None, at=NOON, chain=chain) == []
        audit.record_events("entered", acts, actor=None, at=NOON, chain=chain, study=study, rows=rows)
        audit.record_events("entered", acts[:1], actor=None, at=NOON, chain=chain, study=study, rows={})
    found = list(AuditEvent.objects.order_by("sequence"))
    assert [(one.sequence, one.action, one.reason) for one in found] == [
        (1, "entered", ""),
        (2, "voided", "slip"),
        (3, "entered", ""),
    ]
    assert [one.rows for one in found[:2]] == [rows, None]
    assert {one.actor_name for one in found} == {"the system"} and {one.actor_role for one in found} == {""}
    assert audit.broken_link(chain) is None


def test_an_event_names_the_roles_the_person_had_then(people):
    study, director = people.study, people.study_director
    with transaction.atomic():
        written = audit.record_event(
            "changed", study, actor=director, at=NOON, chain=audit.study_chain(study), study=study
        )
    assert (written.actor_name, written.actor_role) == ("a_study_director", "study_director")
