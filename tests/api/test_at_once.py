"""Sheets that arrive at once, replies that are lost, a database that takes no writing: each row once or not at all."""

import json
import threading
from uuid import uuid4

import pytest
from django.db import OperationalError, connection
from django.test import Client

from studies.actions.audit import broken_link, study_chain
from studies.models import AuditEvent, Measurement, SubmittedSheet
from tests.api.conftest import NOON, Api

LOST_REPLIES = 25


def post_at_once(api: Api, user, bodies: list[dict], keys: list[str]) -> list[dict]:
    """Every body from a thread and connection of its own, all let go together."""
    start, replies = threading.Barrier(len(bodies)), []

    def send(body: dict, key: str) -> None:
        try:
            client = Client()
            client.force_login(user)
            start.wait()
            reply = client.post(
                api.url, json.dumps(body), content_type="application/json", HTTP_IDEMPOTENCY_KEY=key
            )
            replies.append({"status": reply.status_code, **reply.json()})
        finally:
            connection.close()

    threads = [threading.Thread(target=send, args=pair) for pair in zip(bodies, keys, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return replies


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("times, same_key", [(2, True), (16, True), (6, False)])
def test_the_same_sheet_posted_many_times_at_once_is_stored_once(api, people, times, same_key):
    body = {"rows": [api.row(place) for place in range(10)]}
    keys = ["k" if same_key else f"k{number}" for number in range(times)]
    replies = post_at_once(api, people.technician, [body] * times, keys)
    statuses = [[row["http_status"] for row in reply["results"]] for reply in replies]
    assert {reply["status"] for reply in replies} == {200}
    assert sorted(statuses) == [[200] * 10] * (times - 1) + [[201] * 10]
    assert len(api.stored()) == AuditEvent.objects.filter(action="recorded a measurement").count() == 10
    assert SubmittedSheet.objects.count() == len(set(keys))
    assert broken_link(study_chain(people.study)) is None


@pytest.mark.django_db(transaction=True)
def test_of_two_people_at_one_cage_the_second_is_shown_both_values(api, people):
    bodies = [{"rows": [api.row(place, length_mm=length) for place in range(10)]} for length in (10.2, 10.4)]
    replies = post_at_once(api, people.technician, bodies, ["a", "b"])
    first, second = sorted(replies, key=lambda reply: reply["results"][0]["http_status"])
    assert {row["http_status"] for row in first["results"]} == {201}
    assert {row["http_status"] for row in second["results"]} == {409}
    assert all(row["stored"] and row["sent"] for row in second["results"]) and len(api.stored()) == 10


@pytest.mark.django_db
def test_a_reply_lost_after_the_commit_makes_no_duplicate(api):
    """The client never hears of the first try and sends again, under the same key or a new one."""
    for number in range(LOST_REPLIES):
        row = api.row(number % 10, replicate=1 + number // 10)
        api.post(row, key=str(number))
        again = api.results(row, key=str(number) if number % 2 else str(uuid4()))
        assert [one["http_status"] for one in again] == [200]
    assert len(api.stored()) == LOST_REPLIES


@pytest.mark.django_db
@pytest.mark.parametrize(
    "words, status",
    [
        ("database is locked", 503),
        ("attempt to write a readonly database", 503),
        ("database or disk is full", 507),
    ],
)
def test_a_database_that_takes_no_writing_stores_nothing_and_heals(api, monkeypatch, words, status):
    row = api.row()

    def fail(*args, **kwargs):
        raise OperationalError(words)

    monkeypatch.setattr(type(AuditEvent.objects), "bulk_create", fail)
    reply = api.post(row, key="a")
    assert reply.status_code == status and "keep the rows" in reply.json()["detail"]
    assert ("the disk of the server is full" in reply.json()["detail"]) == (status == 507)
    monkeypatch.undo()
    assert not Measurement.objects.exists() and not SubmittedSheet.objects.exists()
    monkeypatch.setattr("studies.api.auth.now", lambda: NOON)
    assert api.results(row, key="a")[0]["http_status"] == 201


@pytest.mark.sqlite_only
@pytest.mark.django_db(transaction=True)
def test_a_read_only_database_answers_503_until_it_is_writable_again(api):
    row = api.row()
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA query_only=ON")
    try:
        assert api.post(row).status_code == 503
    finally:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA query_only=OFF")
    assert api.results(row)[0]["http_status"] == 201 and len(api.stored()) == 1


@pytest.mark.sqlite_only
@pytest.mark.django_db(transaction=True)
def test_a_database_that_may_not_grow_answers_507_until_there_is_room_again(api):
    """SQLite's own "database or disk is full", as a full disk gives it."""
    rows = [api.row(place) for place in range(10)]
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA page_count")
        cursor.execute(f"PRAGMA max_page_count={cursor.fetchone()[0]}")
    answers = [api.post(*({**row, "client_id": str(uuid4()), "replicate": number} for row in rows)).status_code
               for number in range(1, 30)]  # fmt: skip
    stored = len(api.stored())
    assert 507 in answers and set(answers) <= {200, 507} and stored == 10 * answers.count(200)
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA max_page_count=1000000")
    assert {one["http_status"] for one in api.results(*({**row, "replicate": 50} for row in rows))} == {201}
