"""The page of alerts, and the reds that head every page until somebody entitled acknowledges them."""

import pytest
from django.urls import reverse

from studies.models import Study, User, WelfareAlert
from studies.terms import StudyState
from tests.factories import make_mouse, make_session
from tests.people import People
from tests.record import NOON

pytestmark = pytest.mark.django_db
READERS = {"technician", "study_director", "statistician", "quality_assurance", "veterinarian"}


@pytest.fixture
def alert(study) -> WelfareAlert:
    return WelfareAlert.objects.create(
        study=study, mouse=make_mouse(study), session=make_session(study, 14), rule="volume", level="red",
        value=2100, limit=2000, limits_version=1, message="tumor volume 2100 mm³, cap 2000 mm³", raised_at=NOON,
    )  # fmt: skip


def test_reds_head_the_pages_of_those_who_read_of_the_animals(client, people: People, alert):
    for name, person in people.everyone().items():
        client.force_login(person)
        assert ("tumor volume 2100" in client.get("/").content.decode()) == (name in READERS), name
    client.force_login(people.technician)
    assert b"Red alert" in client.get("/entry/today/").content
    Study.objects.update(state=StudyState.DATA_LOCKED)
    assert b"Red alert" not in client.get("/").content


def test_reds_head_the_administration_too_within_the_viewers_rights(client, people: People, alert):
    """Its index, a list, a form, an import: a superuser without a role reads of no animal there either."""
    User.objects.update(is_staff=True)
    mouse = reverse("admin:studies_mouse_change", args=[alert.mouse_id])
    pages = (reverse("admin:index"), reverse("admin:studies_mouse_changelist"), mouse,
             reverse("admin:studies_mouse_import"))  # fmt: skip
    client.force_login(people.study_director)
    for page in pages:
        told = client.get(page).content.decode()
        assert told.count('class="reds"') == 1 and "tumor volume 2100" in told, page
    for name, person in people.everyone().items():
        client.force_login(person)
        assert (b"tumor volume 2100" in client.get(pages[0]).content) == (name in READERS), name


def test_the_page_closes_an_alert_and_answers_nobody_else(client, people: People, alert):
    url = f"/studies/{people.study.code}/alerts/"
    told = {"alert": alert.pk, "action": "euthanize", "note": "at once"}
    expected = {
        "study_director": 302,
        "veterinarian": 302,
        "technician": 302,
        "outsider": 404,
        "superuser": 404,
    }
    for name, person in people.everyone().items():
        client.force_login(person)
        assert client.post(url, told).status_code == expected.get(name, 403), name
    assert [one.is_acknowledgement for one in alert.answers.all()].count(True) == 2
    page = client.get("/").content
    assert b"Red alert" not in page


def test_a_refused_answer_is_said_on_its_alert_and_another_studys_alert_is_not_there(
    client, people: People, alert
):
    url = f"/studies/{people.study.code}/alerts/"
    client.force_login(people.study_director)
    reply = client.post(url, {"alert": alert.pk, "action": "note"})
    assert reply.status_code == 422 and b"Write the note." in reply.content
    client.force_login(people.outsider)
    assert (
        client.post("/studies/PDX-OTHER-01/alerts/", {"alert": alert.pk, "action": "vet"}).status_code == 404
    )
    assert not alert.answers.exists()
