"""The admin's sidebar, in the order of the work; each entry shows to those who may open it."""

from django.apps import apps
from django.contrib import admin
from django.templatetags.static import static
from django.urls import reverse

from studies import models

GROUPS = (
    ("Studies", ((models.Study, "Studies", "science"), (models.Arm, "Arms", "call_split"),
                 (models.MeasurementSession, "Sessions", "event"),
                 (models.Measurement, "Readings", "straighten"),
                 (models.ImportBatch, "Imports", "upload_file"))),
    ("PDX models", ((models.PdxModel, "PDX models", "biotech"), (models.Patient, "Patients", "badge"),
                    (models.PatientSample, "Samples", "colorize"))),
    ("Mice and cages", ((models.Mouse, "Mice", "pets"), (models.Cage, "Cages", "grid_view"),
                        (models.Cohort, "Cohorts", "groups"))),
    ("Agents", ((models.Agent, "Agents", "medication"),)),
    ("People", ((models.User, "Users", "person"), (models.StudyMembership, "Study members", "group_add"))),
    ("System", ((models.AuditEvent, "Audit trail", "history"),
                ("axes.AccessAttempt", "Sign-in locks", "lock"),
                ("mfa.Authenticator", "Second factors", "key"))),
)  # fmt: skip


def navigation(request) -> list[dict]:
    """The groups and entries this person may open."""
    groups = []
    for title, entries in GROUPS:
        items = [_item(*entry) for entry in entries if _may_open(entry[0], request)]
        if items:
            groups.append({"title": title, "separator": True, "items": items})
    return groups


def stylesheet(request) -> str:
    return static("studies/css/admin.css")


def _model(named):
    return apps.get_model(named) if isinstance(named, str) else named


def _may_open(named, request) -> bool:
    return admin.site.get_model_admin(_model(named)).has_view_permission(request)


def _item(named, title: str, icon: str) -> dict:
    options = _model(named)._meta
    link = reverse(f"admin:{options.app_label}_{options.model_name}_changelist")
    return {"title": title, "icon": icon, "link": link}
