"""The hooks by which an installation is tested from outside: seed, dump."""

import json
import uuid
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone

from studies import access
from studies.actions.acceptance import OUTSIDER, AcceptanceRefused, plant_acceptance
from studies.actions.allocate_mice import deviations
from studies.actions.api_tokens import authenticate
from studies.actions.coverage import broken_links
from studies.models import Allocation, Measurement, MeasurementSession, Mouse, Study, User
from studies.terms import Role, TokenScope

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 6, 10, 22, 30, tzinfo=UTC)  # the next day already at the open study's place


@pytest.fixture
def planted(db) -> dict:
    return plant_acceptance(5, now=NOW)


def test_a_canary_names_an_arm_and_nothing_else(planted, client):
    names = [name for study in planted["studies"] for name in study["arms"]]
    assert len(set(names)) == 8 and all(
        name.isalnum() and name.isascii() and len(name) == 12 for name in names
    )
    told = [study | {"arms": []} for study in planted["studies"]], planted["users"]
    assert not any(name in json.dumps(told) for name in names)


def test_sessions_are_due_by_day_at_the_place_and_not_yet_measured(planted):
    assert [study["blinded"] for study in planted["studies"]] == [True, False]
    for told in planted["studies"]:
        study = Study.objects.get(code=told["code"])
        today = NOW.astimezone(ZoneInfo(study.time_zone)).date()
        assert len(told["sessions"]) >= 3
        for session in told["sessions"]:
            stored = MeasurementSession.objects.get(pk=session["id"], study=study)
            assert today - timedelta(days=3) < stored.due_on <= today
            assert stored.completed_at is None and not stored.measurements.exists()
            assert len(session["mice"]) >= 10
        assert max(study.sessions.values_list("due_on", flat=True)) == today
        assert Measurement.objects.filter(session__study=study).count() == 72
    assert today == date(2026, 6, 11)


def test_people_of_every_role_sign_in_with_what_is_printed(planted, client):
    roles = {user["role"] for user in planted["users"]}
    assert roles == {*Role.values(), OUTSIDER}
    for user in planted["users"]:
        response = client.post(
            "/accounts/login/", {"login": user["username"], "password": user["password"]}
        )  # fmt: skip
        assert response.status_code == 302 and response.url == "/", user["username"]
        client.post("/accounts/logout/")


def test_who_may_what(planted):
    first = {}
    for user in planted["users"]:
        first.setdefault(user["role"], User.objects.get(username=user["username"]))
    blinded, opened = (Study.objects.get(code=study["code"]) for study in planted["studies"])
    assert {Role.TECHNICIAN} <= access.roles_in(first["technician"], blinded) & access.roles_in(
        first["technician"], opened
    )
    assert access.may_see_arms(first["study_director"], opened)
    assert not access.may_see_arms(first["study_director"], blinded)
    assert [study.code for study in access.studies_of(first[OUTSIDER])] == ["ACC-OTHER"]
    assert Allocation.objects.count() == 72


def test_every_arm_was_drawn_for_and_is_dosed_by_a_code(planted):
    for told in planted["studies"]:
        study = Study.objects.get(code=told["code"])
        drawn = list(study.randomizations.all())
        assert len(drawn) == len(told["sessions"]) and [deviations(one) for one in drawn] == [[]] * len(drawn)
        assert study.syringe_codes.count() == len(told["arms"])
        assert {study.mice.filter(allocation__arm=arm).count() for arm in study.arms.all()} == {9}
    assert not broken_links()


def test_tokens_are_of_their_owners_and_technicians_may_enter(planted):
    for name, token in planted["tokens"].items():
        user, scopes = authenticate(token, NOW)
        assert user.username == name
        assert (TokenScope.ENTRY in scopes) == name.startswith("acc_technician")


def test_the_same_seed_measures_the_same_and_shares_no_secret(db):
    planted, measured = [], []
    for _ in range(2):
        with transaction.atomic():
            planted.append(plant_acceptance(5, now=NOW))
            measured.append(list(Measurement.objects.order_by("pk").values_list("length_mm", "weight_g")))
            transaction.set_rollback(True)
    first, second = planted
    assert [one["arms"] for one in first["studies"]] == [one["arms"] for one in second["studies"]]
    assert measured[0] == measured[1]
    assert not set(first["tokens"].values()) & set(second["tokens"].values())


def test_it_is_planted_alone(planted):
    with pytest.raises(AcceptanceRefused, match="holds studies"):
        plant_acceptance(5, now=NOW)


def test_the_command_is_refused_unless_asked_for(db, monkeypatch, capsys):
    monkeypatch.delenv("ACCEPTANCE", raising=False)
    with pytest.raises(CommandError, match="ACCEPTANCE=1"):
        call_command("acceptance_seed", "--seed", "1")
    assert not Study.objects.exists()
    monkeypatch.setenv("ACCEPTANCE", "1")
    call_command("acceptance_seed", "--seed", "1")
    assert set(json.loads(capsys.readouterr().out)) == {"users", "studies", "tokens"}


def test_the_dump_tells_the_current_revision_of_every_reading(planted, capsys):
    stored = Measurement.objects.order_by("pk").first()
    common = {"session": stored.session, "mouse": stored.mouse, "recorded_at": NOW, "reason": "typing error"}
    Measurement.objects.create(revision=2, length_mm=9.9, width_mm=8.1, **common)
    voided = Measurement.objects.order_by("pk")[1]
    common |= {"mouse": voided.mouse, "is_void": True}
    Measurement.objects.create(revision=2, length_mm=voided.length_mm, width_mm=voided.width_mm, **common)
    call_command("dump_measurements", "--json")
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 144
    assert len({(row["session"], row["mouse"]) for row in rows}) == 144
    by_mouse = {(row["session"], row["mouse"]): row for row in rows}
    assert by_mouse[stored.session_id, stored.mouse.key]["length_mm"] == 9.9
    told = by_mouse[stored.session_id, voided.mouse.key]
    assert (told["revision"], told["length_mm"], told["weight_g"]) == (2, None, None)
    assert list(rows[0]) == [
        "study", "session", "mouse", "length_mm", "width_mm", "weight_g", "client_id", "revision", "observed_at",
    ]  # fmt: skip
    named = {mouse for study in planted["studies"] for one in study["sessions"] for mouse in one["mice"]}
    assert {row["mouse"] for row in rows} == named == {mouse.key for mouse in Mouse.objects.all()}
    assert datetime.fromisoformat(rows[-1]["observed_at"]).tzinfo is not None


def test_plain_readings_of_every_session_due_raise_no_question(db, client):
    """Whoever tests from outside knows the mice and nothing of what was measured before."""
    planted = plant_acceptance(5, now=timezone.now())
    token = planted["tokens"]["acc_technician"]
    for session in (one for study in planted["studies"] for one in study["sessions"]):
        rows = [
            {
                "client_id": str(uuid.uuid4()), "mouse": mouse, "observed_at": timezone.now().isoformat(),
                "length_mm": round(8.6 + place % 4 / 10, 1), "width_mm": 7.4,
                "weight_g": round(21.7 + place % 5 / 10, 1), "status": "measured", "device": "caliper 7",
            }
            for place, mouse in enumerate(session["mice"])
        ]  # fmt: skip
        answer = client.post(
            f"/api/v1/sessions/{session['id']}/measurements",
            {"rows": rows},
            content_type="application/json",
            headers={"Authorization": f"Bearer {token}"},
        )
        assert [one["rules"] for one in answer.json()["results"] if one["http_status"] != 201] == []
