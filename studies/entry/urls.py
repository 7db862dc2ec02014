"""The cage side: today's work, the measurement sheet, and what they need to work without a network."""

from django.urls import path

from studies.entry import identity, sheet, today, worker

urlpatterns = [
    path("today/", today.today, name="entry_today"),
    path("sessions/<int:session_id>/", sheet.sheet, name="entry_sheet"),
    path("whoami.json", identity.whoami, name="entry_whoami"),
    path("service-worker.js", worker.service_worker, name="entry_worker"),
]
