"""Devices and a study's own limits in the administration: recorded, by version, by name."""

import json

import pytest
from django.db import IntegrityError, InternalError, transaction
from django.urls import reverse

from studies.actions.sheet_facts import limits_of
from studies.models import AuditEvent, Device, EntryLimits
from studies.terms import Role
from tests.admin.test_scope import form, study_data
from tests.people import join, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def director(client, study):
    person = join(make_user("director", is_staff=True), study, Role.STUDY_DIRECTOR)
    client.force_login(person)
    return person


def sent(study, overrides, reason: str = "NSG males are heavy") -> dict:
    text = overrides if isinstance(overrides, str) else json.dumps(overrides)
    return {**study_data(study), "entry_limits-TOTAL_FORMS": 1, "entry_limits-INITIAL_FORMS": 0,
            "entry_limits-0-overrides": text, "entry_limits-0-reason": reason}  # fmt: skip


def test_a_further_version_holds_from_now_on_and_is_recorded(client, study, director):
    for high in ("20", "21"):
        assert client.post(form("study", study.pk), sent(study, {"length_high_mm": high})).status_code == 302
    assert list(study.entry_limits.values_list("version", "set_by")) == [(1, director.pk), (2, director.pk)]
    limits = limits_of(study)
    assert (str(limits.length_high_mm), limits.version) == ("21", "2.0")
    event = AuditEvent.objects.filter(object_type="entrylimits").latest("sequence")
    assert event.new["overrides"] == {"length_high_mm": "21"} and event.new["reason"] == "NSG males are heavy"


@pytest.mark.parametrize(
    "overrides, told", [({"lenght_high_mm": "20"}, "is no limit of the measurement rules"),
                        ({"length_high_mm": "twenty"}, "is no number"), ({"copied_run": "2.5"}, "no whole number"),
                        ('["length_high_mm"]', "name each limit")],
)  # fmt: skip
def test_a_name_that_is_no_limit_or_a_value_that_is_none_is_refused(client, study, director, overrides, told):
    assert told in client.post(form("study", study.pk), sent(study, overrides)).content.decode()
    assert not EntryLimits.objects.exists()


def test_a_version_needs_a_reason_and_is_never_rewritten(client, study, director):
    client.post(form("study", study.pk), sent(study, {"length_high_mm": "20"}, reason=""))
    assert not EntryLimits.objects.exists()
    client.post(form("study", study.pk), sent(study, {"length_high_mm": "20"}))
    with pytest.raises((IntegrityError, InternalError)), transaction.atomic():
        EntryLimits.objects.update(overrides={})


def test_a_device_is_registered_and_retired_with_a_reason(client, study, director):
    add = {"code": "caliper 1", "kind": "caliper", "calibration_due_on": "2027-01-31"}
    assert client.post(reverse("admin:studies_device_add"), add).status_code == 302
    device = Device.objects.get()
    retired = {**add, "retired_on": "2026-06-01"}
    assert client.post(form("device", device.pk), retired).status_code == 200
    assert (
        client.post(form("device", device.pk), {**retired, "change_reason": "jaws bent"}).status_code == 302
    )
    events = AuditEvent.objects.filter(object_type="device").order_by("sequence")
    assert [event.action for event in events] == ["added", "changed"]
    assert events[1].new == {"retired_on": "2026-06-01"} and events[1].reason == "jaws bent"


def test_nobody_but_a_director_registers_devices(client, people):
    for name, person in people.everyone().items():
        person.is_staff = True
        person.save()
        client.force_login(person)
        reply = client.post(reverse("admin:studies_device_add"), {"code": name, "kind": "caliper"})
        assert (reply.status_code == 302 and Device.objects.filter(code=name).exists()) == (
            name in ("study_director", "outsider")  # both direct a study
        ), name
