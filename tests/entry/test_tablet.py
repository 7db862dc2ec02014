"""Changing hands on a shared tablet: what a PIN or badge opens, for whom, where and how long."""

from datetime import timedelta

import pytest
from django.utils import timezone

from studies.actions.tablets import (
    MOST_FAILURES,
    KeyRefused,
    begin_shift,
    register_tablet,
    set_entry_key,
    tablet_of,
)
from studies.middleware import TABLET_COOKIE
from studies.models import AuditEvent, EntryKey
from tests.people import PASSWORD

SWITCH = "/entry/switch/"


@pytest.fixture
def tablet(client, people):
    """The test client is a registered tablet on which the technician signed in in full and keeps a PIN."""
    found, secret = register_tablet("room 2", actor=people.superuser, at=timezone.now())
    client.cookies[TABLET_COOKIE] = secret
    set_entry_key(people.technician, pin="4826", badge="B-0071", at=timezone.now())
    begin_shift(found, people.technician, timezone.now())
    return found


def take_over(client, person, pin="4826"):
    return client.post(SWITCH, {"person": person.pk, "pin": pin})


def signed_in_as(client) -> int | None:
    return client.get("/entry/whoami.json").json()["user"]


def test_a_full_sign_in_on_a_registered_tablet_begins_a_shift(client, people, tablet):
    set_entry_key(people.doser, pin="7315", badge="", at=timezone.now())
    assert take_over(client, people.doser, "7315").status_code == 403
    client.post("/accounts/login/", {"login": people.doser.username, "password": PASSWORD})
    assert take_over(client, people.doser, "7315").status_code == 302


def test_a_pin_signs_its_person_in_and_says_so_in_the_record(client, people, tablet):
    assert take_over(client, people.technician).status_code == 302
    assert signed_in_as(client) == people.technician.pk
    assert AuditEvent.objects.filter(action="came back on a tablet", actor=people.technician).exists()


def test_a_badge_signs_its_person_in(client, people, tablet):
    assert client.post(SWITCH, {"badge": "B-0071"}).status_code == 302
    assert signed_in_as(client) == people.technician.pk
    assert client.post(SWITCH, {"badge": "B-0072"}).status_code == 403


def test_whoever_came_by_pin_reaches_the_cage_side_alone(client, people, tablet):
    take_over(client, people.technician)
    assert client.get("/entry/today/").status_code == 200
    for path in ("/", "/studies/", f"/studies/{people.study.code}/", "/admin/", "/accounts/tokens/"):
        assert client.get(path).url == "/entry/today/", path
    client.post("/accounts/login/", {"login": people.technician.username, "password": PASSWORD})


def test_a_full_sign_in_opens_the_house_again(client, people, tablet):
    take_over(client, people.technician)
    client.post("/accounts/logout/")
    client.post("/accounts/login/", {"login": people.technician.username, "password": PASSWORD})
    assert client.get("/studies/").status_code == 200


def test_five_wrong_pins_lock_it_until_the_next_full_sign_in(client, people, tablet):
    for _ in range(MOST_FAILURES):
        assert take_over(client, people.technician, "0001").status_code == 403
    assert "locked" in take_over(client, people.technician).content.decode()
    begin_shift(tablet, people.technician, timezone.now())
    assert take_over(client, people.technician).status_code == 302


def test_a_pin_is_worth_nothing_elsewhere_or_after_the_shift(client, people, tablet):
    people.technician.shifts.update(began_at=timezone.now() - timedelta(hours=12, minutes=1))
    assert take_over(client, people.technician).status_code == 403
    people.technician.shifts.update(began_at=timezone.now())
    del client.cookies[TABLET_COOKIE]
    take_over(client, people.technician)
    assert signed_in_as(client) is None


def test_a_deactivated_person_does_not_come_back(client, people, tablet):
    type(people.technician).objects.filter(pk=people.technician.pk).update(is_active=False)
    assert take_over(client, people.technician).status_code == 403


@pytest.mark.parametrize("pin", ["123", "1234", "0000", "98765", "12a4", "123456789"])
def test_a_pin_anybody_would_try_is_refused(people, pin):
    with pytest.raises(KeyRefused):
        set_entry_key(people.technician, pin=pin, badge="", at=timezone.now())


def test_a_badge_is_one_persons(people, tablet):
    with pytest.raises(KeyRefused, match="another person's"):
        set_entry_key(people.doser, pin="", badge="B-0071", at=timezone.now())


def test_neither_pin_nor_badge_is_stored_as_it_is(people, tablet):
    key = EntryKey.objects.get(user=people.technician)
    assert "4826" not in key.pin and "0071" not in key.badge_digest


def test_a_lost_tablet_is_revoked_by_an_administrator(client, people, tablet):
    client.force_login(people.superuser)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert client.post("/entry/tablets/", {"revoke": tablet.pk}).status_code == 302
    client.logout()
    take_over(client, people.technician)
    assert signed_in_as(client) is None


def test_only_administrators_register_tablets(client, people):
    client.force_login(people.study_director)
    assert client.get("/entry/tablets/").status_code == 403


def test_the_page_of_tablets_lists_them_and_registers_the_one_in_hand(client, people, tablet):
    client.force_login(people.superuser)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert "room 2" in client.get("/entry/tablets/").text
    assert "a name that no other one has" in client.post("/entry/tablets/", {"name": "room 2"}).text
    assert client.post("/entry/tablets/", {"name": "room 3"}).status_code == 302
    assert tablet_of(client.cookies[TABLET_COOKIE].value).name == "room 3"
