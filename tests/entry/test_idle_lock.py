"""A screen left alone: what its session still opens (nothing), who unlocks it and how often one may try."""

import re

import pytest
from django.utils import timezone

from studies import idle
from studies.actions.api_tokens import create_token
from studies.actions.tablets import begin_shift, register_tablet, set_entry_key
from studies.middleware import TABLET_COOKIE
from studies.terms import TokenScope
from tests.people import PASSWORD

LOCKED = "/accounts/locked/"
MINUTE = 60
JSON = {"HTTP_ACCEPT": "application/json"}


@pytest.fixture
def clock(monkeypatch):
    """Call it with minutes to let them pass."""
    now = [1_000_000.0]
    monkeypatch.setattr(idle, "clock", lambda: now[0])

    def pass_by(minutes: float) -> None:
        now[0] += minutes * MINUTE

    return pass_by


@pytest.fixture
def technician(client, people, clock):
    client.force_login(people.technician)
    return people.technician


def unlock(client, secret=PASSWORD, **more):
    return client.post(LOCKED, {"secret": secret, "next": "/studies/"}, **more)


def test_a_session_left_alone_opens_nothing_until_the_password_is_given_again(client, technician, clock):
    clock(29)
    assert client.get("/studies/").status_code == 200  # and that counts as somebody being there
    clock(29)
    assert client.get("/studies/").status_code == 200
    clock(31)
    for path in ("/studies/", "/", "/entry/today/", "/admin/", "/accounts/tokens/", "/accounts/2fa/"):
        assert client.get(path).url.startswith(f"{LOCKED}?next="), path
    assert client.post("/accounts/password/change/", {}).url.startswith(LOCKED)
    assert client.get("/entry/sessions/1/").url == f"{LOCKED}?next=%2Fentry%2Fsessions%2F1%2F"
    assert client.post("/api/v1/sessions/1/measurements", {}, "application/json").status_code == 401
    assert client.get("/entry/whoami.json").json()["locked"] == technician.pk
    page = client.get(LOCKED)
    assert page.status_code == 200 and "Sign out" not in page.text
    before = client.cookies["sessionid"].value
    assert unlock(client).url == "/studies/"
    assert client.cookies["sessionid"].value != before  # a new key, so that an old one opens nothing
    assert client.get("/studies/").status_code == 200


def test_a_password_counts_to_its_last_space_and_no_endless_one_is_tried(client, technician, clock):
    technician.set_password(f"{PASSWORD} ")
    technician.save()
    client.force_login(technician)
    clock(31)
    assert "at most 4096 characters" in unlock(client, "x" * 4097).text
    assert "stays locked" in unlock(client, "x" * 4096).text
    assert "stays locked" in unlock(client, PASSWORD).text
    assert unlock(client, f"{PASSWORD} ").url == "/studies/"


def test_a_lock_does_not_wear_off(client, technician, clock, settings):
    clock(31)
    client.get("/")
    settings.IDLE_MINUTES = 0
    assert client.get("/").url.startswith(LOCKED)


def test_what_a_page_asks_by_itself_keeps_nobody_signed_in(client, technician, clock):
    for _ in range(4):
        clock(10)
        answer = client.get("/entry/whoami.json").json()
    assert answer["user"] is None
    unlock(client)
    for _ in range(4):
        clock(10)
        answer = client.get("/entry/whoami.json?awake").json()
    assert answer["user"] == technician.pk


def test_a_session_that_ends_while_its_request_runs_breaks_nothing(client, technician, clock, rf):
    request = rf.get("/studies/")
    request.session = client.session
    request.session.get(idle.SEEN)  # read before the end
    clock(2)
    client.session.delete()
    idle._note(request)
    assert not client.session.exists(request.session.session_key)
    assert not request.session.modified  # or the end of the request would save it once more


def test_another_persons_password_unlocks_nothing_and_five_failures_end_the_session(
    client, people, technician, clock
):
    people.study_director.set_password("another long password")
    people.study_director.save()
    clock(31)
    for wrong, said in (
        ("another long password", "stays locked"),
        ("wrong", "stays locked"),
        ("", "required"),
    ):
        page = unlock(client, wrong)
        assert page.status_code == 403 and said in page.text
    for wrong in ("another long password", "a wrong password"):
        answer = unlock(client, wrong, **JSON)
        assert answer.status_code == 403 and "stays locked" in answer.json()["detail"]
    assert unlock(client, "a wrong password", **JSON).status_code == 429
    assert unlock(client, **JSON).json() == {"user": None}  # nobody's session any more
    assert client.get("/studies/").url.startswith("/accounts/login/")


def test_a_tablet_locks_sooner_and_a_pin_opens_its_cage_side_alone(client, people, technician, clock):
    tablet, secret = register_tablet("room 2", actor=people.superuser, at=timezone.now())
    client.cookies[TABLET_COOKIE] = secret
    set_entry_key(technician, pin="4826", badge="", at=timezone.now())
    clock(16)
    assert client.get("/studies/").url.startswith(LOCKED)
    assert unlock(client, "4826").status_code == 403  # not on shift here
    begin_shift(tablet, technician, timezone.now())
    assert unlock(client, "4826", **JSON).json()["user"] == technician.pk
    assert client.get("/entry/today/").status_code == 200
    assert client.get("/studies/").url == "/entry/today/"


def test_a_pin_is_worth_nothing_on_another_machine(client, technician, clock):
    set_entry_key(technician, pin="4826", badge="", at=timezone.now())
    clock(31)
    assert unlock(client, "4826").status_code == 403


def test_a_page_can_lock_at_once_and_somebody_else_can_take_over(client, people, technician, clock):
    assert client.post("/accounts/lock/").status_code == 204
    assert client.get("/").url.startswith(LOCKED)
    client.post("/accounts/login/", {"login": people.doser.username, "password": PASSWORD})
    assert client.get("/entry/whoami.json").json()["user"] == people.doser.pk


def test_a_full_sign_in_of_the_same_person_unlocks(client, technician, clock):
    clock(31)
    client.get("/")
    client.post("/accounts/login/", {"login": technician.username, "password": PASSWORD})
    assert client.get("/studies/").status_code == 200


def test_a_session_ends_twelve_hours_after_the_sign_in(client, technician, clock):
    for _ in range(25):
        clock(28)
        assert client.get("/entry/today/").status_code == 200
    clock(28)
    assert client.get("/entry/today/").url.startswith("/accounts/login/")


def test_where_it_leads_after_unlocking_is_on_this_server(client, technician, clock):
    for wanted, leads in (
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("studies/", "/"),
        ("", "/"),
        ("/studies/?q=Zürich", "/studies/?q=Z%C3%BCrich"),
    ):
        clock(31)
        assert client.post(LOCKED, {"secret": PASSWORD, "next": wanted}).url == leads
        assert client.get(LOCKED, {"next": wanted}).url == leads  # nothing is locked any more
    assert client.get(LOCKED, **JSON).json() == {"user": technician.pk}
    clock(31)
    page = client.get(LOCKED, {"next": "/entry/today/"})
    assert page.context["next"] == "/entry/today/" and not page.context["form"].is_bound
    assert re.search(r'<input type="password"[^>]* autofocus', page.text)
    assert client.get(LOCKED, **JSON).status_code == 403


def test_a_program_with_a_token_knows_no_lock(client, people, clock):
    _, secret = create_token(
        people.technician, "scale", [TokenScope.READ], actor=people.technician, at=timezone.now()
    )
    clock(600)
    answer = client.get("/api/v1/sessions/0/sheet", HTTP_AUTHORIZATION=f"Bearer {secret}")
    assert answer.status_code == 404


def test_a_locked_page_is_come_back_to_with_what_it_was_asked_for(client, technician, clock):
    clock(31)
    assert client.get("/studies/?q=MEK").url == f"{LOCKED}?next=%2Fstudies%2F%3Fq%3DMEK"
    assert client.post("/accounts/tokens/?q=1").url == f"{LOCKED}?next=%2Faccounts%2Ftokens%2F"


def test_a_pin_of_eight_digits_unlocks_as_a_shorter_one(client, people, technician, clock):
    tablet, secret = register_tablet("room 2", actor=people.superuser, at=timezone.now())
    client.cookies[TABLET_COOKIE] = secret
    set_entry_key(technician, pin="48261937", badge="", at=timezone.now())
    begin_shift(tablet, technician, timezone.now())
    clock(16)
    assert unlock(client, "48261937", **JSON).json()["user"] == technician.pk


def test_of_a_browsers_name_two_hundred_characters_are_kept(rf, clock):
    request = rf.get("/", HTTP_USER_AGENT="x" * 201)
    request.session = {}
    idle.wake(None, request)
    assert request.session[idle.BROWSER] == "x" * 200
