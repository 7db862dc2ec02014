"""The cage side: today's work, the measurement sheet, and what they need to work without a network."""

from django.urls import path

from studies.entry import correction, doses, identity, mouse, photos, sheet, tablet, today, worker

urlpatterns = [
    path("today/", today.today, name="entry_today"),
    path("sessions/<int:session_id>/", sheet.sheet, name="entry_sheet"),
    path("doses/", doses.doses, name="doses"),
    path("studies/<int:study_id>/formulations/", doses.formulations, name="formulations"),
    path("mice/<int:mouse_id>/", mouse.mouse, name="entry_mouse"),
    path("mice/<int:mouse_id>/history.csv", mouse.history_csv, name="mouse_history"),
    path("mice/<int:mouse_id>/history.json", mouse.history_json, name="mouse_history_json"),
    path("mice/<int:mouse_id>/sample-labels.pdf", mouse.sample_labels, name="sample_labels"),
    path("mice/<int:mouse_id>/photos/", photos.upload, name="photo_upload"),
    path("photos/<int:photo_id>/", photos.photo, name="photo"),
    path("readings/<int:measurement_id>/", correction.correction, name="correct_reading"),
    path("switch/", tablet.switch, name="entry_switch"),
    path("key/", tablet.entry_key, name="entry_key"),
    path("tablets/", tablet.tablets, name="tablets"),
    path("whoami.json", identity.whoami, name="entry_whoami"),
    path("service-worker.js", worker.service_worker, name="entry_worker"),
]
