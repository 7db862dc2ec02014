"""Every route that writes, tried in earnest: each changed row has its event, and a locked study takes none."""

from contextlib import suppress
from pathlib import Path
from time import time

import pytest
from django.core.management import CommandError, call_command, get_commands
from django.db import transaction
from django.template import Template
from django.test import Client
from django.test.utils import _TestState

from studies.endpoints import Route
from studies.models import AuditEvent, ImportBatch, Measurement, Signature, Study, User
from studies.terms import SignedAct, StudyState
from tests.record import address, fill_record
from tests.test_endpoints import STAFF, all_routes
from tests.writes import (
    COMMANDS,
    MORE_ROWS,
    SENT,
    TRIED_ELSEWHERE,
    WRITES_NO_ROW,
    changed_rows,
    every_row,
    science,
    sendings,
    state_for,
    writer,
)

pytestmark = pytest.mark.django_db
# Tables of signing in, of the queue and of the framework; an account's own second factors among them.
EXCEPTED = (
    "django_", "axes_", "account_", "sqlite_", "studies_signingfailures",
    "studies_job", "studies_submittedsheet", "studies_audithead", "auth_",
)  # fmt: skip
MOST_SENT = 2


def write_routes() -> list[Route]:
    """What answers a POST of anybody."""
    return [route for route in all_routes() if route.declared and route.declared.audience("POST")]


@pytest.fixture(autouse=True)
def pages_without_their_contexts(monkeypatch) -> None:
    """Pages are rendered as in production: to keep what each was rendered with takes longer than the rest."""
    monkeypatch.setattr(Template, "_render", _TestState.saved_data.template_render)


@pytest.fixture
def cast(study, people, caplog, settings) -> dict[str, User | None]:
    caplog.set_level("CRITICAL", logger="django.request")
    named = people.everyone()
    for name in (*STAFF, "superuser"):
        User.objects.filter(pk=named[name].pk).update(
            is_staff=True, is_superuser=name in ("administrator", "superuser")
        )
    return {"anonymous": None, **{name: User.objects.get(pk=user.pk) for name, user in named.items()}}


@pytest.fixture
def record(study, people) -> dict[str, object]:
    return fill_record(study, people)


def test_every_row_that_a_route_writes_is_in_an_event(study, cast, record):
    silent, uncovered = [], []
    for route in write_routes():
        user = writer(route, cast)
        Study.objects.filter(pk=study.pk).update(**state_for(route))
        written = attempt(route, address(route, record, user), user)
        if not written and route.name not in WRITES_NO_ROW | TRIED_ELSEWHERE:
            silent.append(route.name)
        uncovered += [f"{route.name}: {one}" for one in written if one.endswith("without an event")]
    assert (uncovered, silent) == ([], []), (
        "nothing was written there: say in tests/writes.py what to send, or why not"
    )


def attempt(route: Route, path: str, user: User) -> list[str]:
    """What the first sending that wrote anything wrote: "table key", with a remark where no event tells of it."""
    client = signed_in(user)
    before = every_row()
    for sending in sendings(route, path, client, user):
        with transaction.atomic():
            last = AuditEvent.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
            client.post(path, **sending)
            written = changed_rows(before, every_row())
            told = covered_by(AuditEvent.objects.filter(pk__gt=last))
            transaction.set_rollback(True)
        found = of_record(written)
        if uncovered := uncovered_of(written, told):
            return [f"{one} without an event" for one in uncovered]
        if found or written.keys() & {"mfa_authenticator", "studies_auditevent", "studies_job"}:
            return [table for table, _ in found] or ["an event, a job, or what is an account's own"]
    return []


def of_record(written: dict[str, set]) -> list[tuple[str, int]]:
    """The rows written that are of the record: no sign-in, queue or framework, and not the events themselves."""
    kept = {table: keys for table, keys in written.items() if not table.startswith(EXCEPTED)}
    return sorted(
        (table, key) for table, keys in kept.items() for key in keys if table != "studies_auditevent"
    )


def uncovered_of(written: dict[str, set], told: set[tuple[str, int]]) -> list[str]:
    return [f"{table} {key}" for table, key in of_record(written) if (table, key) not in told]


def covered_by(events) -> set[tuple[str, int]]:
    """The rows that these events vouch for: by a seal, or as the reading they repeat."""
    told: set[tuple[str, int]] = set()
    for event in events:
        for table, sealed in (event.rows or {}).items():
            told |= {(table, int(key)) for key in sealed["seals"]}
            if table == ImportBatch._meta.db_table:  # whose seal covers the hash over its readings
                rows = Measurement.objects.filter(import_batch__in=[int(key) for key in sealed["seals"]])
                told |= {(Measurement._meta.db_table, key) for key in rows.values_list("pk", flat=True)}
        if event.object_type == Measurement._meta.model_name:
            told.add((Measurement._meta.db_table, int(event.object_id)))
    return told


def test_what_is_tried_elsewhere_is_tried_there():
    routes, root = {route.name for route in write_routes()}, Path(__file__).resolve().parents[1]
    assert TRIED_ELSEWHERE.keys() | WRITES_NO_ROW.keys() <= routes
    assert [path for path in TRIED_ELSEWHERE.values() if "post(" not in (root / path).read_text()] == []


def test_no_route_writes_into_a_locked_study_whoever_asks(study, cast, record):
    """What would be written while it is active is sent by everybody once it is locked."""
    sent = {}
    for route in write_routes():
        user = writer(route, cast)
        Study.objects.filter(pk=study.pk).update(**state_for(route))
        sent[route] = list(sendings(route, address(route, record, user), signed_in(user), user))
    assert len(written_by("study_director", cast, sent, study, record)) > 20  # what is sent does write
    lock(study, cast["study_director"])
    assert [one for name in cast for one in written_by(name, cast, sent, study, record)] == []


def written_by(name: str, cast: dict, sent: dict[Route, list[dict]], study: Study, record: dict) -> list[str]:
    """What of the study's science somebody's sendings write: "route: table"; each route's are taken back."""
    client, before, written = signed_in(cast[name]), science(study), []
    cookies = client.cookies.output(header="").strip()
    for route, known in sent.items():
        client.cookies.load(cookies)  # signing out is one of the routes
        with transaction.atomic():
            for sending in SENT[route.name](cast[name]) if route.name in SENT else unlike(known):
                answer = client.post(address(route, record, cast[name]), **sending)
                if answer.status_code in (401, 403, 404):
                    break  # not theirs, whatever they send
            after = science(study)
            transaction.set_rollback(True)
        written += [f"{name} at {route.name}: {table}" for table in after if after[table] != before[table]]
    return written


def unlike(known: list[dict]) -> list[dict]:
    """The sendings that differ in more than the page's own token, the fullest first, a few of each route."""
    by_names = {frozenset(one["data"]): one for one in known}
    return sorted(by_names.values(), key=lambda one: -len(one["data"]))[:MOST_SENT]


def signed_in(user: User | None) -> Client:
    """A client of somebody who gave the password a moment ago."""
    client = Client(raise_request_exception=False)
    if user:
        client.force_login(user)
        session = client.session
        session["account_authentication_methods"] = [
            {"method": "password", "at": time(), "reauthenticated": True}
        ]
        session["account_authentication_methods_user"] = str(user.pk)
        session.save()
    return client


def our_commands() -> list[str]:
    return sorted(name for name, app in get_commands().items() if app == "studies")


def called(name: str, folder) -> None:
    """Call a command with what tests/writes.py says; one that refuses has said why."""
    (folder / "more.csv").write_bytes(MORE_ROWS)
    told = [word.replace("{folder}", str(folder)) for word in COMMANDS[name]]
    with suppress(CommandError):
        call_command(name, *told)


def test_every_command_is_tried_or_said_why_not():
    assert our_commands() == sorted(COMMANDS), "say in tests/writes.py what it is called with, or why not"


@pytest.mark.parametrize("state", [StudyState.ACTIVE, StudyState.DATA_LOCKED, StudyState.ARCHIVED])
def test_what_a_command_writes_is_in_an_event_and_never_in_a_locked_study(
    study, cast, record, tmp_path, monkeypatch, state
):
    monkeypatch.setenv("ACCEPTANCE", "1")
    lock(study, cast["study_director"], state)
    kept = science(study)
    for name in (name for name, told in COMMANDS.items() if isinstance(told, list)):
        before, last = every_row(), AuditEvent.objects.latest("pk").pk
        with transaction.atomic():
            called(name, tmp_path)
            written, told = (
                changed_rows(before, every_row()),
                covered_by(AuditEvent.objects.filter(pk__gt=last)),
            )
            after = science(study)
            transaction.set_rollback(True)
        assert state == StudyState.ACTIVE or after == kept, name
        assert uncovered_of(written, told) == [], name


def lock(study: Study, director: User, state: StudyState = StudyState.DATA_LOCKED) -> None:
    Study.objects.filter(pk=study.pk).update(state=state)
    Signature.objects.create(
        study=study, act=SignedAct.DATA_LOCK, meaning="approved", signer=director, signer_name="x",
        signed_at="2026-06-10T10:00Z", object_type="study", object_id=str(study.pk), record={}, record_sha256="0" * 64,
    )  # fmt: skip
