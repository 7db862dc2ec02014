"""Requests made from the API's own description, odd ones among them: no server error, every answer as described.

`make schema` sends some hundred of each operation.
"""

import os
from datetime import timedelta

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from studies.actions.api_tokens import create_token
from studies.models import MeasurementSession
from studies.terms import TokenScope
from tests.api.conftest import NOON
from tests.factories import make_measurement

pytestmark = pytest.mark.django_db
EXAMPLES = int(os.environ.get("SCHEMA_EXAMPLES", "4"))
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
HOST = {"Host": "localhost"}
OPERATIONS = {
    "sessions_due": ("GET", "/sessions"),
    "sheet": ("GET", "/sessions/{session_id}/sheet"),
    "remeasures": ("GET", "/sessions/{session_id}/remeasures"),
    "history": ("GET", "/sessions/{session_id}/history"),
    "record_measurements": ("POST", "/sessions/{session_id}/measurements"),
    "sign_session": ("POST", "/sessions/{session_id}/signature"),
    "correct_measurement": ("POST", "/measurements/{measurement_id}/correction"),
    "void_measurement": ("POST", "/measurements/{measurement_id}/void"),
    "choose_reading": ("POST", "/measurements/{measurement_id}/choice"),
}


@pytest.fixture
def schema():
    """The API's description; as in the test client, a request leaves the test's own connection open."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield schemathesis.openapi.from_wsgi("/api/v1/openapi.json", get_wsgi_application(), headers=HOST)
    for signal in signals:
        signal.connect(close_old_connections)


def test_every_operation_is_tried(schema):
    told = {(method.upper(), path.removeprefix("/api/v1")) for path in schema for method in schema[path]}
    assert told == set(OPERATIONS.values())


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_request_breaks_the_server_or_the_description(schema, api, people, name):
    method, path = OPERATIONS[name]
    before = MeasurementSession.objects.create(study=people.study, due_on=NOON.date() - timedelta(days=3))
    reading = make_measurement(before, api.mice[0], observer=people.technician)
    made = create_token(
        people.technician, "schema", [TokenScope.READ, TokenScope.ENTRY], actor=people.technician, at=NOON
    )
    headers = {"Authorization": f"Bearer {made[1]}", "Host": "localhost"}
    there = {"session_id": api.session.pk, "measurement_id": reading.pk}
    operation = schema[f"/api/v1{path}"][method]
    at_most = settings(
        max_examples=EXAMPLES, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck), derandomize=True,
    )  # fmt: skip

    @at_most
    @given(operation.as_strategy(), st.booleans(), st.integers(0, 9))
    def send(case, at_hand: bool, place: int) -> None:
        if at_hand:  # what is there, so that more than 404 is answered
            case.path_parameters = {key: there[key] for key in case.path_parameters or {}}
            for row in rows_of(case.body):
                row["mouse"] = api.mice[place].key
        with transaction.atomic():
            response = case.call(headers=headers)
            transaction.set_rollback(True)
        case.validate_response(response, checks=CHECKS, headers=headers)

    send()


def rows_of(body: object) -> list[dict]:
    if not isinstance(body, dict):
        return []
    rows = body.get("rows", [body.get("row")])
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
