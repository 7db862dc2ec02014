"""No page is kept by a browser or proxy: on a shared tablet the next person presses Back too."""

import pytest

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "path", ["/", "/studies/", "/studies/PDX-TEST-01/", "/studies/PDX-TEST-01/curves.json"]
)
def test_pages_of_the_desk_are_never_stored(people, client, path):
    client.force_login(people.study_director)
    response = client.get(path)
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store, private"


def test_nor_are_the_sign_in_page_and_errors(client):
    for path in ("/accounts/login/", "/nowhere/"):
        assert "no-store" in client.get(path).headers["Cache-Control"]
