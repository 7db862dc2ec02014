"""The cage side: today's work, the measurement sheet, and what they need to work without a network."""

from django.urls import path

from studies.entry import identity, sheet, tablet, today, worker

urlpatterns = [
    path("today/", today.today, name="entry_today"),
    path("sessions/<int:session_id>/", sheet.sheet, name="entry_sheet"),
    path("switch/", tablet.switch, name="entry_switch"),
    path("key/", tablet.entry_key, name="entry_key"),
    path("tablets/", tablet.tablets, name="tablets"),
    path("whoami.json", identity.whoami, name="entry_whoami"),
    path("service-worker.js", worker.service_worker, name="entry_worker"),
]
