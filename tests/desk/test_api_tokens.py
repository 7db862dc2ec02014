import re

import pytest

from studies.actions.api_tokens import authenticate
from studies.models import ApiToken
from tests.people import PASSWORD

PAGE = "/accounts/tokens/"
FORM = {"name": "scale", "scope": "entry", "days": 30}


@pytest.fixture
def signed_in(client, people):
    """Signed in, and the password given again."""
    client.force_login(people.technician)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    return client


def test_a_secret_is_shown_once(signed_in, people):
    page = signed_in.post(PAGE, FORM).content.decode()
    secret = re.search(r"<code>(pdx_[\w-]{43})</code>", page).group(1)
    assert authenticate(secret)[0] == people.technician
    assert secret not in signed_in.get(PAGE).content.decode()


def test_a_form_that_lacks_something_issues_nothing(signed_in):
    page = signed_in.post(PAGE, {**FORM, "days": 9999}).content.decode()
    assert "365" in page and not ApiToken.objects.exists()


def test_a_token_is_revoked_by_its_owner_alone(signed_in, client, people):
    signed_in.post(PAGE, FORM)
    token = ApiToken.objects.get()
    client.force_login(people.study_director)
    assert client.post(f"{PAGE}{token.pk}/revoke/").status_code == 404
    client.force_login(people.technician)
    assert client.get(f"{PAGE}{token.pk}/revoke/").status_code == 405
    token.refresh_from_db()
    assert token.revoked_at is None  # looking at an address ends nothing
    client.post(f"{PAGE}{token.pk}/revoke/")
    token.refresh_from_db()
    assert token.revoked_at is not None


def test_an_unattended_session_issues_nothing_without_the_password(client, people):
    client.force_login(people.technician)
    response = client.post(PAGE, FORM)
    assert response.status_code == 302 and "reauthenticate" in response.url
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize(("days", "issued"), [(0, 0), (1, 1), (365, 1), (366, 0)])
def test_a_token_lasts_a_day_at_least_and_a_year_at_most(signed_in, days, issued):
    signed_in.post(PAGE, {**FORM, "days": days})
    assert ApiToken.objects.count() == issued
