"""Every way to write by an address: what is sent to each route, so that a sweep can send it as anybody.

`WORDS` go into forms by the end of a field's name; `SENT` is for what has no form; `DRAFTS` are the routes
that write a draft; `WRITES_NO_ROW` says of the rest why nothing on record changes.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from io import BytesIO
from uuid import uuid4

from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from PIL import Image

from studies.endpoints import HAS_AN_ACCOUNT, Route
from studies.models import Mouse, Patient, PatientSample, PdxModel, Study, User
from studies.terms import Role, StudyState
from studies.triggers import LOCKED_WITH_STUDY, STUDY_FACTS, UNSEALED_COLUMNS
from tests.people import PASSWORD
from tests.support.forms import forms_of

WHY = "because it was misread"
ORDER = (
    Role.STUDY_DIRECTOR, Role.TECHNICIAN, Role.DOSER, Role.QUALITY_ASSURANCE, Role.VETERINARIAN,
    Role.ALLOCATION_CUSTODIAN, Role.ADMINISTRATOR,
)  # fmt: skip
SIGN_IN = "what signing in writes, no science: session, second factor, password, last seen"
LOOKED_AT = "looked at or exported by a form, nothing is written"
WRITES_NO_ROW = {
    "account_login": SIGN_IN,
    "account_logout": SIGN_IN,
    "own_sessions": SIGN_IN,
    "locked": SIGN_IN,
    "lock_now": SIGN_IN,
    "account_change_password": SIGN_IN,
    "admin:axes_accessattempt_delete": SIGN_IN,
    "account_reauthenticate": SIGN_IN,
    "admin:auth_user_password_change": SIGN_IN,
    "mfa_deactivate_totp": SIGN_IN,
    "mfa_generate_recovery_codes": SIGN_IN,
    "mfa_activate_totp": "needs the code of an authenticator app",
    "admin:logout": SIGN_IN,
    "mfa_authenticate": SIGN_IN,
    "mfa_reauthenticate": SIGN_IN,
    "mfa_add_webauthn": "needs an authenticator's own signature",
    "mfa_login_webauthn": "needs an authenticator's own signature",
    "mfa_reauthenticate_webauthn": "needs an authenticator's own signature",
    "mfa_remove_webauthn": "needs an authenticator's own signature",
    "mfa_edit_webauthn": "needs an authenticator's own signature",
    "socialaccount_connections": "no provider is configured",
    "admin:studies_mouse_export": LOOKED_AT,
    "admin:studies_pdxmodel_export": LOOKED_AT,
}
# What a filled-in form may fail to write; tests of their own write there, each request of which is looked at
# for rows without an event (tests/support/unsealed_writes.py). The sweep tries them all the same.
TRIED_ELSEWHERE = {
    "admin:studies_device_add": "tests/admin/test_entry_limits.py",
    "admin:studies_mouse_add": "tests/admin/test_scope.py",
    "admin:studies_mouse_change": "tests/admin/test_recording.py",
    "admin:studies_mouse_import": "tests/admin/test_exchange.py",
    "admin:studies_mouse_process_import": "tests/admin/test_exchange.py",
    "admin:studies_pdxmodel_import": "tests/admin/test_exchange.py",
    "admin:studies_pdxmodel_process_import": "tests/admin/test_exchange.py",
    "admin:studies_study_change": "tests/admin/test_recording.py",
    "admin:studies_studymembership_add": "tests/admin/test_recording.py",
    "admin:studies_studymembership_change": "tests/admin/test_recording.py",
    "admin:studies_user_add": "tests/admin/test_recording.py",
    "admin:studies_user_change": "tests/admin/test_people.py",
    "alerts": "tests/desk/test_alerts.py",
    "amendments": "tests/desk/test_amendments.py",
    "api-1:choose": "tests/api/test_revisions.py",
    "api_tokens": "tests/desk/test_api_tokens.py",
    "deviations": "tests/desk/test_amendments.py",
    "dose_sheet": "tests/desk/test_paper.py",
    "doses": "tests/actions/test_dosing.py",
    "entry_key": "tests/entry/test_tablet.py",
    "entry_mouse": "tests/entry/test_mouse.py",
    "entry_switch": "tests/entry/test_tablet.py",
    "formulations": "tests/actions/test_dosing.py",
    "notice_read": "tests/actions/test_blinding.py",
    "parked_rows": "tests/desk/test_parked_rows.py",
    "randomize": "tests/desk/test_enrollment.py",
    "sealed_list": "tests/desk/test_paper.py",
    "sessions": "tests/desk/test_sessions.py",
    "set_up_mice": "tests/desk/set_up/test_guide.py",
    "set_up_pdx_models": "tests/desk/set_up/test_guide.py",
    "set_up_plan": "tests/desk/set_up/test_guide.py",
    "set_up_protocol": "tests/desk/set_up/test_guide.py",
    "stored_report": "tests/desk/test_reports.py",
    "study_reveal": "tests/desk/test_blinding.py",
    "tablets": "tests/entry/test_tablet.py",
}
DRAFTS = ("set_up_", "admin:studies_arm", "admin:studies_mouse_", "admin:studies_cage", "admin:studies_cohort",
          "admin:studies_study_")  # fmt: skip


def state_for(route: Route) -> dict:
    """How the study stands where the route has something to write."""
    is_draft = (route.name or "").startswith(DRAFTS)
    return {"state": StudyState.DRAFT if is_draft else StudyState.ACTIVE}


def writer(route: Route, cast: dict[str, User | None]) -> User:
    """Somebody who may write there."""
    audience = route.declared.audience("POST")
    if HAS_AN_ACCOUNT in audience:
        return cast[Role.STUDY_DIRECTOR]
    role = next(role for role in ORDER if role in audience)
    return cast["superuser"] if role == Role.ADMINISTRATOR else cast[role]


def sendings(route: Route, path: str, client: Client, user: User | None) -> Iterator[dict]:
    """What to post there, one after another: arguments of `Client.post`."""
    name = route.name or ""
    if name in SENT:
        yield from SENT[name](user)
        return
    page = None
    with suppress(Exception):
        page = client.get(path)
    found = forms_of(page.content.decode()) if page is not None and page.status_code == 200 else []
    told = words(user) | WORDS_THERE.get(name, {})
    for form in found:
        for data in (form.filled(told, whole=False), form.filled(told, whole=True)):
            for button in form.buttons or [("", "")]:
                yield {"data": {**data, **({button[0]: button[1]} if button[0] else {})}}
    if not found:
        yield {"data": {}}


def words(user: User | None) -> dict[str, str]:
    """What a person types who is asked for it."""
    return {
        "username": user.username if user else "nobody", "password": PASSWORD, "oldpassword": PASSWORD,
        "password1": "staple battery horse 77", "password2": "staple battery horse 77",
        "reason": WHY, "change_reason": WHY, "correction_reason": WHY, "note": "seen again",
        "title": "Another title", "time_zone": "Europe/Paris", "code": "NEW-1", "label": "M900",
        **{name: str(model._base_manager.order_by("pk").first().pk) for name, model in CHOSEN.items()},
    }  # fmt: skip


def row(**changed) -> dict:
    """A row of a sheet that the rules accept."""
    mouse = Mouse.objects.filter(study__code="PDX-TEST-01").order_by("pk").first()
    return {
        "client_id": str(uuid4()), "mouse": mouse.key, "length_mm": 9.9, "width_mm": 8.2, "weight_g": 22.1,
        "status": "measured", "observed_at": datetime.now(UTC).isoformat(), "replicate": 2, **changed,
    }  # fmt: skip


def _json(data: dict) -> dict:
    return {"data": json.dumps(data), "content_type": "application/json"}


def _photo() -> SimpleUploadedFile:
    file = BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG")
    return SimpleUploadedFile("one.jpg", file.getvalue(), "image/jpeg")


def _sign(user: User | None) -> dict:
    return {"username": user.username if user else "", "password": PASSWORD}


WORDS_THERE = {
    "admin:studies_cohort_change": {"name": "second"},
    "admin:studies_user_add": {"username": "somebody_new"},
    "admin:studies_user_change": {"username": "another_name"},
    "admin:studies_studymembership_add": {"role": "statistician"},
    "amendments": {"schedule_days": "0, 7, 28", "day": "28"},
    "deviations": {"labels": "M001", "corrects": ""},
    "set_up_plan": {"day": "28"},
}
# What a page lets one search for instead of listing it.
CHOSEN = {"study": Study, "pdx_model": PdxModel, "sample": PatientSample, "patient": Patient, "user": User}
SENT = {
    "api-1:record": lambda user: [_json({"rows": [row()]})],
    "api-1:sign": lambda user: [_json(_sign(user))],
    "api-1:correct": lambda user: [_json(
        {name: value for name, value in row(length_mm=9.7).items() if name not in ("mouse", "replicate")}
        | {"reason": WHY})],
    "api-1:void": lambda user: [_json({"client_id": str(uuid4()), "reason": WHY})],
    "api-1:choose": lambda user: [_json({"choice": "stored", "reason": WHY, "row": row()})],
    "photo_upload": lambda user: [{"data": {"subject": "ulcer", "file": _photo(), "photo": _photo()}}],
}  # fmt: skip


def science(study: Study) -> dict[str, list[tuple]]:
    """Every row of the study in the tables its lock closes, and the study's own but for its state."""
    found = {}
    with connection.cursor() as cursor:
        for table, place in LOCKED_WITH_STUDY.items():
            cursor.execute(f"SELECT * FROM {table} WHERE {place.format(row=table)} = {study.pk} ORDER BY id")
            found[table] = cursor.fetchall()
    found["studies_study"] = list(Study.objects.filter(pk=study.pk).values_list(*STUDY_FACTS))
    return found


def every_row() -> dict[str, dict]:
    """Table -> key -> row, of every table there is, but for what signing in writes by itself."""
    found = {}
    with connection.cursor() as cursor:
        for table in sorted(connection.introspection.table_names(cursor)):
            cursor.execute(f'SELECT * FROM "{table}"')
            kept = [
                place for place, column in enumerate(cursor.description) if column[0] not in UNSEALED_COLUMNS
            ]
            found[table] = {one[0]: repr([one[place] for place in kept]) for one in cursor.fetchall()}
    return found


def changed_rows(before: dict[str, dict], after: dict[str, dict]) -> dict[str, set]:
    """Table -> keys of the rows that came, went or changed."""
    told = {
        table: {key for key in rows.keys() | after[table].keys() if rows.get(key) != after[table].get(key)}
        for table, rows in before.items()
    }
    return {table: keys for table, keys in told.items() if keys}


# Commands of ours: what to call each with, or why it writes no row of a study.
READS = "reads the record and writes a file or nothing"
COMMANDS: dict[str, list[str] | str] = {
    "acceptance_seed": ["--seed", "1"],
    "analyze": READS,
    "api_token": ["a_technician", "--name", "scale"],
    "archive": ["PDX-TEST-01", "{folder}/archive.zip"],
    "backup": READS,
    "begin_anchors": ["--reason", "the disk of before broke"],
    "changepassword": "asks at a terminal: tests/desk/test_passwords.py",
    "createsuperuser": ["--noinput", "--username", "root", "--email", "root@example.org"],
    "demo": "loads the demo's own studies and serves them: tests/actions/test_load_demo.py",
    "dump_measurements": READS,
    "import_study": ["{folder}/more.csv", "--study", "PDX-TEST-01"],
    "list_endpoints": READS,
    "migrate": "lays tables and guards: tests/test_released_states.py",
    "power": READS,
    "qualify": READS,
    "report": READS,
    "restore": "fills an empty database alone: tests/actions/test_backups.py",
    "verify_allocation": READS,
    "verify_audit": READS,
    "work": "builds the reports asked for and the daily backup: tests/actions/test_jobs.py",
}
MORE_ROWS = b"study,mouse,arm,day,volume_mm3\nPDX-TEST-01,M001,A,40,900\n"
