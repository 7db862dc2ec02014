"""A study with a sheet due now, the people of it, and a client that speaks the API."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from studies.models import Measurement, MeasurementSession, Mouse
from tests.factories import make_mouse

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@dataclass
class Api:
    """Posts sheets of one session as one person."""

    client: object
    session: MeasurementSession
    mice: list[Mouse]

    @property
    def url(self) -> str:
        return f"/api/v1/sessions/{self.session.pk}/measurements"

    def row(self, place: int = 0, **fields) -> dict:
        return {
            "client_id": str(uuid4()),
            "mouse": self.mice[place].key,
            "observed_at": "2026-06-01T11:55:00Z",
            "length_mm": 10.2,
            "width_mm": 8.1,
            "weight_g": 22.4,
            "status": "measured",
            **fields,
        }

    def post(self, *rows: dict, key: str = "", **headers):
        if key:
            headers["HTTP_IDEMPOTENCY_KEY"] = key
        body = json.dumps({"rows": rows})
        return self.client.post(self.url, body, content_type="application/json", **headers)

    def results(self, *rows: dict, **kwargs) -> list[dict]:
        reply = self.post(*rows, **kwargs)
        assert reply.status_code == 200, reply.content
        return reply.json()["results"]

    def stored(self) -> list[Measurement]:
        return list(Measurement.objects.filter(session=self.session).order_by("id"))


@pytest.fixture
def at_noon(monkeypatch):
    """The server's clock stands at noon UTC, when nobody asks which day it is."""
    monkeypatch.setattr("studies.api.auth.now", lambda: NOON)


@pytest.fixture
def api(client, people, at_noon) -> Api:
    client.force_login(people.technician)
    session = MeasurementSession.objects.create(study=people.study, due_on=NOON.date())
    mice = [make_mouse(people.study, f"M{number:03d}") for number in range(1, 11)]
    return Api(client, session, mice)
