"""The admin's sidebar, in the order of the work; each entry shows to those who may open it."""

from django.apps import apps
from django.contrib import admin
from django.templatetags.static import static
from django.urls import reverse

from studies import models

# (title, what it is for, entries of (model, title, icon))
GROUPS = (
    (
        "Studies",
        "Protocol, limits and cohorts first, then the arms. Readings come from the cage or from an import.",
        (
            (models.Study, "Studies", "science"),
            (models.Arm, "Arms", "call_split"),
            (models.MeasurementSession, "Sessions", "event"),
            (models.Measurement, "Readings", "straighten"),
            (models.Device, "Devices", "square_foot"),
            (models.ImportBatch, "Imports", "upload_file"),
        ),
    ),
    (
        "PDX models",
        "Tumor lines with the genotype calls their MAP2K4 status is derived from. Donors by coded id only.",
        (
            (models.PdxModel, "PDX models", "biotech"),
            (models.Patient, "Patients", "badge"),
            (models.PatientSample, "Samples", "colorize"),
        ),
    ),
    (
        "Mice and cages",
        "Animals and where they live. Which arm a mouse is in is told nowhere here.",
        (
            (models.Mouse, "Mice", "pets"),
            (models.Cage, "Cages", "grid_view"),
            (models.Cohort, "Cohorts", "groups"),
        ),
    ),
    ("Agents", "Test articles, by one name in all studies.", ((models.Agent, "Agents", "medication"),)),
    (
        "People",
        "Who may sign in, and their roles in studies. A role ends; it is never deleted.",
        ((models.User, "Users", "person"), (models.StudyMembership, "Study members", "group_add")),
    ),
    (
        "System",
        "What was done by whom, what the workers do, and who is locked out.",
        (
            (models.AuditEvent, "Audit trail", "history"),
            (models.Job, "Jobs", "pending_actions"),
            ("axes.AccessAttempt", "Sign-in locks", "lock"),
            (models.SigningFailures, "Signing locks", "draw"),
            ("mfa.Authenticator", "Second factors", "key"),
        ),
    ),
)


def navigation(request) -> list[dict]:
    """The groups and entries this person may open."""
    groups = []
    for title, about, entries in GROUPS:
        items = [_item(*entry) for entry in entries if _may_open(entry[0], request)]
        if items:
            groups.append({"title": title, "about": about, "separator": True, "items": items})
    return groups


def tokens(request) -> str:
    return static("studies/css/tokens.css")


def stylesheet(request) -> str:
    return static("studies/css/admin.css")


def script(request) -> str:
    return static("studies/js/admin.js")


def icon(request) -> str:
    return static("studies/img/mark.svg")


def _model(named):
    return apps.get_model(named) if isinstance(named, str) else named


def _may_open(named, request) -> bool:
    return admin.site.get_model_admin(_model(named)).has_view_permission(request)


def _item(named, title: str, icon: str) -> dict:
    options = _model(named)._meta
    link = reverse(f"admin:{options.app_label}_{options.model_name}_changelist")
    return {"title": title, "icon": icon, "link": link}
