"""One thing of every kind in a study: what a sweep over all URLs puts into their places."""

import re
from datetime import UTC, datetime

from allauth.mfa.models import Authenticator
from axes.models import AccessAttempt
from django.contrib import admin
from django.db import transaction

from studies.actions.api_tokens import create_token
from studies.actions.audit import INSTALLATION, record_event, study_chain
from studies.actions.photos import photo_path
from studies.actions.sign import Signer, sign
from studies.actions.snapshots import take_snapshot
from studies.actions.stored_reports import store_report
from studies.endpoints import Route
from studies.models import (
    Agent,
    AuditEvent,
    Cage,
    Cohort,
    Device,
    ImportBatch,
    Job,
    Mouse,
    Patient,
    PatientSample,
    Photo,
    Reveal,
    SigningFailures,
    StoredReport,
    Study,
    User,
)
from studies.terms import JobKind, ReportView, SignatureMeaning, SignedAct, StudyState, TokenScope
from tests.factories import make_arm, make_measurement, make_mouse, make_pdx_model, make_session
from tests.people import People

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
QUERIES = {"admin:autocomplete": "?app_label=studies&model_name=armagent&field_name=agent&term="}
SECOND_FACTORS: dict[str, dict] = {
    "totp": {"secret": "JBSWY3DPEHPK3PXP"},
    "recovery_codes": {"seed": "0" * 40, "used_mask": 0},
}


def fill_record(study: Study, people: People) -> dict[str, object]:
    """Makes what a draft study and the registry may hold; returns place in a path -> what fills it."""
    Study.objects.update(state=StudyState.DRAFT, is_blinded=False)
    make_arm(study)
    Agent.objects.create(name="agent one")
    Device.objects.create(code="caliper 1")
    cage = Cage.objects.create(study=study, code="C1")
    cohort = Cohort.objects.create(study=study, name="first")
    sample = PatientSample.objects.create(patient=Patient.objects.create(code="P1"), code="S1")
    mouse = make_mouse(study, pdx_model=make_pdx_model(sample=sample), cage=cage, cohort=cohort)
    session = make_session(study)
    measurement = make_measurement(session, mouse)
    ImportBatch.objects.create(
        study=study, file_name="a.csv", file_sha256="0" * 64, rows_sha256="0" * 64, row_count=0, imported_at=NOON
    )  # fmt: skip
    record_event(
        "added", mouse, actor=people.study_director, at=NOON, chain=study_chain(study), study=study
    )  # fmt: skip
    event = AuditEvent.objects.filter(study=study).values_list("pk", flat=True).first()
    photo = Photo.objects.create(
        mouse=mouse, subject="ulcer", file_name="one.jpg", sha256="0" * 64, uploaded_at=NOON,
        uploaded_by=people.technician,
    )  # fmt: skip
    photo_path(photo.file_name).parent.mkdir(parents=True, exist_ok=True)
    photo_path(photo.file_name).write_bytes(b"as the camera saw it")
    AccessAttempt.objects.create(username="nobody", failures_since_start=1)
    SigningFailures.objects.create(user=people.technician, count=1)
    for person in people.everyone().values():
        give_things(person)
    for person in (people.veterinarian, people.quality_assurance, people.allocation_custodian):
        tell_of_reveal(mouse, people.study_director, person)
    tell_of_reveal(mouse, people.veterinarian, people.study_director)
    report = keep_report(study, people.study_director)
    job = Job.objects.create(
        study=study, kind=JobKind.REPORT, view=ReportView.OPEN, asked_by=people.study_director, asked_at=NOON
    )
    keys = {
        model._meta.model_name: model._base_manager.order_by("pk").values_list("pk", flat=True).first()
        for model in admin.site._registry
    }
    return keys | {
        "auditevent": event,
        "study": study.pk,
        "studymembership": people.technician.memberships.get().pk,
        "code": study.code,
        "report": report.pk,
        "job": job.pk,
        "name": "report.html",
        "pdx_model": mouse.pdx_model.code,
        "rest": "x",
        "var": "set",
        "url": "x",
        "provider_id": "house",
        "app_label": "studies",
        "content_type_id": 1,
        "object_id": 1,
        "session_id": session.pk,
        "mouse_id": mouse.pk,
        "study_id": study.pk,
        "photo_id": photo.pk,
        "measurement_id": measurement.pk,
    }


def keep_report(study: Study, director: User) -> StoredReport:
    """A report of the study, released to its readers."""
    view = ReportView.OPEN
    report = store_report(
        study,
        view,
        take_snapshot(study, view),
        {},
        {"report.html": b"<p>words</p>"},
        asked_by=director,
        at=NOON,
    )
    with transaction.atomic():
        sign(
            report,
            {},
            Signer(director, NOON),
            act=SignedAct.REPORT,
            meaning=SignatureMeaning.APPROVED,
            study=study,
        )
    return report


def give_things(person: User) -> None:
    """Second factors and an API token of one's own; for administrators, an event of the installation."""
    create_token(person, "scale", [TokenScope.READ], actor=person, at=NOON)
    for kind, data in SECOND_FACTORS.items():
        Authenticator.objects.create(user=person, type=kind, data=data)


def tell_of_reveal(mouse: Mouse, to: User, second_person: User) -> None:
    Reveal.objects.create(
        study=mouse.study, mouse=mouse, reason="seizures", revealed_to=to, revealed_at=NOON, notified=second_person
    )  # fmt: skip


def own_things(person: User | None) -> dict[str, object]:
    """Place in a path -> the person's own thing that fills it."""
    if person is None:
        return {"apitoken": 0, "pk": 0, "reveal": 0}
    things = {
        "apitoken": person.api_tokens.values_list("pk", flat=True).first(),
        "pk": Authenticator.objects.filter(user=person).values_list("pk", flat=True).first(),
    }
    things["reveal"] = person.notices_of_reveals.values_list("pk", flat=True).first() or 0
    if person.username == "a_administrator":
        installed = AuditEvent.objects.filter(chain=INSTALLATION)
        things["auditevent"] = installed.values_list("pk", flat=True).first()
    return things


def address(route: Route, record: dict[str, object], user: User | None) -> str:
    """The route's path with things of the study in its places; a place the record lacks fails by name."""
    values = {**record, **own_things(user)}
    if admin := getattr(route.callback, "model_admin", None):
        values["object_id"] = values[admin.opts.model_name]
    if route.name == "admin:auth_user_password_change":
        values["id"] = record["user"]
    if route.name == "api_token_revoke":
        values["key"] = values["apitoken"]
    if route.path == "/accounts/<var>/<rest>":  # addresses the sign-in library once had
        values["var"] = "social"
    path = re.sub(r"<(\w+)>", lambda place: str(values[place.group(1)]), route.path)
    return path + QUERIES.get(route.name, "")
