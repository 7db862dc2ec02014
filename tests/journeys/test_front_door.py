"""From the front door to a study, in a real browser, and what a screen reader would trip over on the way."""

import pytest
from playwright.sync_api import expect

from tests.people import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def complaints(page) -> list[str]:
    """What the browser grumbles about: errors on the console (refused by policy, thrown) and failed requests."""
    heard: list[str] = []
    page.on("console", lambda message: heard.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("response", lambda answer: heard.append(answer.url) if answer.status >= 400 else None)
    return heard


def test_a_technician_signs_in_with_name_and_password(people, page, live_server, assert_accessible):
    page.goto(f"{live_server.url}/")
    assert "/accounts/login/" in page.url
    assert_accessible()
    page.get_by_label("User name").fill(people.technician.username)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{live_server.url}/")
    assert people.study.code in page.content()
    assert_accessible()


def test_a_wrong_password_is_said_and_lets_nobody_in(people, page, live_server, assert_accessible):
    page.goto(f"{live_server.url}/accounts/login/")
    page.get_by_label("User name").fill(people.technician.username)
    page.get_by_label("Password").fill("not this one")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert_accessible()
    page.goto(f"{live_server.url}/studies/")
    assert "/accounts/login/" in page.url


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_every_page_of_a_director_is_sound(
    people, page, live_server, sign_in, assert_accessible, complaints, scheme, width
):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    sign_in(people.study_director)
    for address in ("/", "/studies/", f"/studies/{people.study.code}/"):
        page.goto(live_server.url + address, wait_until="networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{address} scrolls sideways"
        assert_accessible()
    assert complaints == []


def test_another_studys_member_is_told_it_is_not_there(people, page, live_server, sign_in, assert_accessible):
    sign_in(people.outsider)
    answer = page.goto(f"{live_server.url}/studies/{people.study.code}/")
    assert answer.status == 404
    assert people.study.title not in page.content()
    assert_accessible()
