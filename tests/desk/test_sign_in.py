import pytest
from allauth.mfa.totp.internal.auth import TOTP
from django.core.exceptions import ValidationError
from django.urls import reverse

from studies.accounts import HouseWordsValidator
from tests.people import PASSWORD, make_user

LOGIN = "/accounts/login/"


def sign_in(client, username: str, password: str):
    return client.post(LOGIN, {"login": username, "password": password})


def test_a_user_name_and_a_password_are_enough(client, people):
    response = sign_in(client, "a_technician", PASSWORD)
    assert response.status_code == 302
    assert response.url == reverse("home")
    assert client.get("/").status_code == 200


def test_a_wrong_password_is_told_plainly_and_signs_nobody_in(client, people):
    response = sign_in(client, "a_technician", "wrong")
    assert response.status_code == 200
    assert b'role="alert"' in response.content
    assert client.get("/").status_code == 302


def test_the_fifth_failure_locks_the_name_even_for_the_right_password(client, people):
    for _ in range(4):
        assert sign_in(client, "a_technician", "wrong").status_code == 200
    fifth = sign_in(client, "a_technician", "wrong")
    assert fifth.status_code == 429
    assert b"Sign-in is locked" in fifth.content
    assert sign_in(client, "a_technician", PASSWORD).status_code == 429
    assert sign_in(client, "a_study_director", PASSWORD).status_code == 302  # nobody else is locked out


def test_a_whole_building_signs_in_from_one_address_within_a_minute_but_no_machine(client, people):
    for _ in range(120):
        assert sign_in(client, "a_technician", PASSWORD).status_code == 302
        client.logout()
    one_more = sign_in(client, "a_technician", PASSWORD)
    assert one_more.status_code == 429
    assert b"Nobody is locked out" in one_more.content and b"Wait a minute" in one_more.content


def test_sign_ins_of_another_test_are_not_counted_on(client, people):
    """The test before this one used all of its minute up."""
    assert sign_in(client, "a_technician", PASSWORD).status_code == 302


def test_a_deactivated_person_stays_outside(client, db):
    make_user("gone", is_active=False)
    sign_in(client, "gone", PASSWORD)
    assert client.get("/").status_code == 302


@pytest.mark.parametrize(
    "path", ["/accounts/signup/", "/accounts/password/reset/", "/accounts/email/", "/accounts/password/set/"]
)
def test_pages_that_would_need_e_mail_send_people_to_the_administrator(client, db, path):
    response = client.get(path)
    assert response.status_code == 200
    assert b"Ask your administrator" in response.content
    assert client.post(path, {"username": "new", "password1": PASSWORD}).status_code == 405


def test_the_admin_has_no_door_of_its_own(client, people):
    response = client.get("/admin/login/?next=/admin/", follow=True)
    assert response.redirect_chain[-1][0].startswith(LOGIN)
    client.force_login(people.superuser)
    assert client.get("/admin/logout/").url == reverse("account_logout")
    assert client.get("/admin/password_change/").url == reverse("account_change_password")


@pytest.mark.parametrize("path", ["/accounts/password/change/", "/accounts/2fa/", "/accounts/logout/"])
def test_account_pages_stand_in_our_own_frame(client, people, path):
    client.force_login(people.technician)
    content = client.get(path).content.decode()
    assert 'class="site-header"' in content
    assert "studies/css/app.css" in content


def test_signing_out_ends_at_the_sign_in_page(client, people):
    client.force_login(people.technician)
    assert client.post("/accounts/logout/").url == LOGIN
    assert client.get("/").status_code == 302


def test_no_second_factor_is_skipped_on_the_way_into_the_admin(client, people):
    TOTP.activate(people.superuser, "JBSWY3DPEHPK3PXP")
    for door in (LOGIN, "/admin/login/"):
        client.post(f"{door}?next=/admin/", {"login": "a_superuser", "password": PASSWORD}, follow=True)
        client.post(f"{door}?next=/admin/", {"username": "a_superuser", "password": PASSWORD}, follow=True)
        assert client.get("/admin/").status_code == 302, door
    assert client.get("/accounts/2fa/authenticate/").status_code in (200, 302)


def test_behind_the_proxy_failures_are_counted_by_the_address_it_noted(client, people, settings):
    settings.BEHIND_TLS_PROXY = True
    attempt = {"login": "a_technician", "password": "wrong"}
    for number in range(6):  # the caller's own words before the proxy's change nothing
        client.post(LOGIN, attempt, HTTP_X_FORWARDED_FOR=f"10.0.0.{number}, 192.0.2.7")
    assert client.post(LOGIN, attempt, HTTP_X_FORWARDED_FOR="192.0.2.7").status_code == 429
    right = {"login": "a_technician", "password": PASSWORD}
    assert (
        client.post(LOGIN, right, HTTP_X_FORWARDED_FOR="192.0.2.8").status_code == 302
    )  # no lockout by strangers


def test_where_second_factors_are_asked_for_nothing_opens_without_one(client, people, settings):
    settings.SECOND_FACTOR_REQUIRED = True
    sign_in(client, "a_technician", PASSWORD)
    for path in ("/", "/studies/", "/entry/today/"):
        assert client.get(path).url == "/accounts/2fa/", path
    assert client.get("/accounts/2fa/").status_code == 200
    TOTP.activate(people.technician, "JBSWY3DPEHPK3PXP")
    assert client.get("/studies/").status_code == 200


@pytest.mark.parametrize(
    "password", ["PDX-tracker-2026!", "mousemousemouse", "tumor tumor 123", "a1234567890123"]
)
def test_a_password_of_house_words_is_refused(password):
    with pytest.raises(ValidationError, match="letters of its own"):
        HouseWordsValidator().validate(password)
    HouseWordsValidator().validate(PASSWORD)
