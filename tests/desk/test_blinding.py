"""For whoever is blinded, no byte of any answer names an arm, and permuting the arms changes no byte.

Every URL there is, as every role: pages, JSON, files, forms sent back with errors, and what was logged.
"""

import io
import logging
import re
from collections.abc import Iterator

import pytest
from django.contrib import admin
from django.contrib.admin.exceptions import NotRegistered
from django.db import connection, transaction
from django.template import Template
from django.test import Client
from django.test.utils import _TestState
from django.urls import get_resolver
from django.utils import timezone
from pypdf import PdfReader

from pdx_tracker.urls import ENDPOINTS_OF_PACKAGES
from studies import triggers
from studies.actions.audit import allocation_chain, record_event, study_chain
from studies.actions.blinding import draw_masks
from studies.api import auth as api_clock
from studies.endpoints import ANONYMOUS, HAS_AN_ACCOUNT, Route, routes
from studies.models import (
    Agent,
    Allocation,
    AnalysisPlan,
    ArmAgent,
    AuditEvent,
    Randomization,
    Study,
    SyringeCode,
    User,
)
from studies.terms import ArmRole, BiomarkerStatus, Role, StudyState
from tests.factories import make_arm, make_measurement, make_mouse, make_pdx_model, make_session
from tests.record import NOON, address, fill_record

CANARIES = ("canarywing", "canarybeak", "77.7", "K7M", "R3D", "vehiclecanary")
OF_THE_MOMENT = {"Content-Security-Policy", "Expires", "Last-Modified"}  # a nonce, and the time of day
STAFF = ("study_director", "statistician", "quality_assurance")
MORE = ["/studies/?q=canary", "/admin/studies/mouse/?q=canary", "/admin/studies/auditevent/?q=canary"]
AUTOCOMPLETES = [
    f"/admin/autocomplete/?app_label=studies&model_name={model}&field_name={field}&term="
    for model, field in (("arm", "control"), ("mouse", "cage"), ("mouse", "cohort"), ("mouse", "pdx_model"))
]
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def as_in_production(monkeypatch, caplog):
    """Pages without the test runner's copy of their contexts, a clock that stands, and every log line kept."""
    monkeypatch.setattr(Template, "_render", _TestState.saved_data.template_render)
    for module in (timezone, api_clock):
        monkeypatch.setattr(module, "now", lambda: NOON)
    caplog.set_level(logging.INFO)


@pytest.fixture
def blinded(study, people) -> dict[str, object]:
    """A running, blinded study of two arms and a thing of every kind; place in a path -> what fills it."""
    record = fill_record(study, people)
    User.objects.filter(username__in=[f"a_{role}" for role in STAFF]).update(is_staff=True)
    study.arms.update(name="canarywing")
    wing = study.arms.get()
    beak = make_arm(study, "canarybeak", ArmRole.SINGLE_AGENT)
    ArmAgent.objects.create(
        arm=beak, agent=Agent.objects.first(), dose_mg_per_kg=77.7, vehicle="vehiclecanary"
    )
    AnalysisPlan.objects.create(study=study, plan={"control": "canarywing"}, reason="protocol")
    for arm, code in ((wing, "K7M"), (beak, "R3D")):
        SyringeCode.objects.create(study=study, arm=arm, code=code)
    model = make_pdx_model("BR-101", BiomarkerStatus.WILD_TYPE)
    Allocation.objects.create(mouse=study.mice.get(), arm=wing)
    mice = [make_mouse(study, f"M1{n}", arm, pdx_model=model) for n, arm in enumerate((beak, wing, beak))]
    for day in (3, 7):
        session = make_session(study, day)
        for grown, mouse in enumerate(mice):
            make_measurement(session, mouse, length_mm=9.0 + grown + day / 7)
    said = {"actor": people.study_director, "at": NOON, "study": study}
    record_event("added", wing, chain=study_chain(study), new={"name": wing.name}, **said)
    rows = [[one.mouse.label, one.arm.name] for one in Allocation.objects.select_related("mouse", "arm")]
    record_event("allocated mice", study, chain=allocation_chain(study), new={"allocation": rows}, **said)
    Study.objects.filter(pk=study.pk).update(state=StudyState.ACTIVE, is_blinded=True)
    return record


def swap_arms(study) -> None:
    """Put every mouse into the other arm, in the table and in all that derives from it, past the triggers."""
    low, high = sorted(study.arms.values_list("pk", flat=True))
    triggers.drop(connection)
    for one in Allocation.objects.filter(arm__study=study):
        Allocation.objects.filter(pk=one.pk).update(arm=low + high - one.arm_id)
    for event in AuditEvent.objects.filter(chain=allocation_chain(study), new__has_key="allocation"):
        names = {"canarywing": "canarybeak", "canarybeak": "canarywing"}
        new = {"allocation": [[mouse, names[arm]] for mouse, arm in event.new["allocation"]]}
        AuditEvent.objects.filter(pk=event.pk).update(new=new)
    triggers.install(connection)


def asked(role: str, user: User | None, record: dict[str, object]) -> Iterator[tuple[str, str]]:
    """(method, path) of all that this role may be answered at and that is declared safe for the blinded."""
    found: list[Route] = routes(get_resolver(), ENDPOINTS_OF_PACKAGES)
    for route in found:
        for method in ("GET", "POST"):
            audience = route.declared.audience(method) or frozenset()
            open_to_all = HAS_AN_ACCOUNT in audience or ANONYMOUS in audience
            if route.name == "healthz":
                continue  # tells how the machine does at this moment, and knows no study
            if route.declared.blinded_safe and (role in audience or open_to_all):
                if route.path.startswith("/accounts/") and "/tokens/" not in route.path:
                    continue  # the sign-in library knows no study
                yield method, address(route, record, user)
    for path in [*MORE, *AUTOCOMPLETES] if role in STAFF else MORE[:1]:
        yield "GET", path


def walk(role: str, user: User, record: dict[str, object], *, admin_too: bool) -> dict[str, bytes]:
    """What every address answers; a form is sent back empty and with junk. What they change is undone."""
    client = Client(raise_request_exception=False)
    client.force_login(user)
    answers = {}
    for method, path in asked(role, user, record):
        if path.startswith("/admin/") and not admin_too:
            continue
        bodies = [None] if method == "GET" else [{}, {"name": "junk", "mouse": "canary?", "arm": "1"}]
        for place, body in enumerate(bodies):
            with transaction.atomic():
                response = client.generic("GET", path) if body is None else client.post(path, body)
                answers[f"{method} {path} {place}"] = said(response)
                transaction.set_rollback(True)
    return answers


def said(response) -> bytes:
    """The answer's head and body without what differs on every rendering; the text of a PDF."""
    body = b"".join(response.streaming_content) if response.streaming else response.content
    if response.headers.get("Content-Type", "").startswith("application/pdf"):
        body = "".join(page.extract_text() for page in PdfReader(io.BytesIO(body)).pages).encode()
        del response.headers["Content-Length"]  # of a file that tells the second it was made in
    if b"pdx_disk_free_bytes" in body:
        del response.headers["Content-Length"]  # of figures of the machine, taken out below
    kept = {name: value for name, value in response.headers.items() if name not in OF_THE_MOMENT}
    text = str(sorted(kept.items())).encode() + body
    text = re.sub(rb'name="(csrfmiddlewaretoken|client_id)" value="[\w-]+"', b"", text)
    text = re.sub(rb"(pdx_disk_free_bytes|pdx_\w+_seconds) \S+", b"", text)  # of the machine and the moment
    text = re.sub(rb"/\d+/change/\">junk", b"", text)  # a number drawn stays drawn when the row is undone
    return re.sub(rb'"csrf\w*":\s*"\w+"|nonce="[^"]+"', b"", text)


def tell_tales(answers: dict[str, bytes]) -> list[str]:
    found = []
    for address_, text in answers.items():
        found += [
            f"{address_} tells {canary}" for canary in CANARIES if canary.lower().encode() in text.lower()
        ]
    return found


@pytest.mark.parametrize("role", [role for role in Role if role != Role.ADMINISTRATOR])
def test_no_answer_names_an_arm_and_permuting_them_changes_no_byte(study, people, blinded, caplog, role):
    user = User.objects.get(pk=people.by_role[role].pk)
    answers = walk(role, user, blinded, admin_too=role in STAFF)
    assert tell_tales(answers) == []
    assert tell_tales({"the log": caplog.text.encode()}) == []
    assert sum(text.startswith(b"[") for text in answers.values()) > 3
    admin_again = role == Role.STUDY_DIRECTOR  # the widest reach; the others' pages are the same classes
    swap_arms(study)
    after = walk(role, user, blinded, admin_too=admin_again)
    assert after.keys() <= answers.keys()
    assert [path for path in after if after[path] != answers[path]] == []


def test_a_statistician_after_the_lock_reads_letters_and_no_name(study, people, blinded):
    Study.objects.filter(pk=study.pk).update(state=StudyState.DATA_LOCKED)
    draw_masks(Study.objects.get(pk=study.pk), actor=None, at=NOON)
    user = User.objects.get(pk=people.statistician.pk)
    answers = walk(Role.STATISTICIAN, user, blinded, admin_too=True)
    assert tell_tales(answers) == []
    assert b'"name": "A"' in answers[f"GET /studies/{study.code}/curves.json 0"]


def test_the_proof_sees_an_arm_where_one_is_shown(study, people, blinded):
    triggers.drop(connection)
    Study.objects.filter(pk=study.pk).update(is_blinded=False)
    triggers.install(connection)
    user = User.objects.get(pk=people.study_director.pk)
    told = tell_tales(walk(Role.STUDY_DIRECTOR, user, blinded, admin_too=False))
    assert any("curves.json" in line for line in told)


def test_the_admin_knows_no_allocation(db):
    for model in (Allocation, Randomization):
        with pytest.raises(NotRegistered):
            admin.site.get_model_admin(model)


@pytest.mark.parametrize(
    "path",
    [
        "mouse/?allocation__arm=1",
        "mouse/?allocation__arm__name=canarywing",
        "mouse/?allocation__isnull=0",
        "measurement/?mouse__allocation__arm=1",
        "study/?arms__name=canarywing",
        "pdxmodel/?mice__allocation__arm=1",
        "cage/?mice__allocation__arm=1",
        "agent/?arm_agents__arm=1",
    ],
)
def test_no_list_can_be_filtered_by_arm(client, blinded, people, path):
    client.force_login(people.study_director)
    response = client.get(f"/admin/studies/{path}", follow=True)
    assert response.status_code == 400 or "e=1" in response.request["QUERY_STRING"], path
    assert b"M10" not in response.content or b"M11" in response.content  # refused, or not filtered at all
