"""The pages of a study's blinding: who reads the register, who may unblind a mouse, and what each refusal says."""

from datetime import UTC, datetime

import pytest

from studies import access
from studies.actions.blinding import open_notices
from studies.desk.blinding import RevealForm, blinding, reads_blinding, reveal
from studies.models import AuditEvent, Mouse, Reveal, Study
from studies.terms import Role, StudyState
from tests.factories import make_arm, make_mouse
from tests.people import PASSWORD

pytestmark = pytest.mark.django_db
SCIENCE = {"technician", "study_director", "statistician", "quality_assurance", "veterinarian"}
EMERGENCY = {"study_director", "veterinarian", "allocation_custodian"}
REGISTER = "/studies/PDX-TEST-01/blinding/"
FORM = f"{REGISTER}reveal/"
LINK = f'href="{FORM}"'.encode()


@pytest.fixture
def allocated(study, people) -> Mouse:
    return make_mouse(study, "M1", make_arm(study, "canarywing"))


def statuses(client, people, path: str) -> dict[str, int]:
    found = {}
    for name, user in people.everyone().items():
        client.force_login(user)
        found[name] = client.get(path).status_code
    return found


def expected(people, readers: set[str]) -> dict[str, int]:
    strangers = {"outsider": 404, "superuser": 404}
    return {name: 200 if name in readers else strangers.get(name, 403) for name in people.everyone()}


def test_the_register_is_for_science_and_those_of_an_emergency(client, people, allocated):
    assert statuses(client, people, REGISTER) == expected(people, SCIENCE | EMERGENCY)
    assert {role.value for role in Role if reads_blinding(frozenset({role}))} == SCIENCE | EMERGENCY


def test_the_form_is_for_those_who_answer_for_the_animal(client, people, allocated):
    assert statuses(client, people, FORM) == expected(people, EMERGENCY)


def test_only_the_answer_that_tells_the_arm_is_declared_to_tell_one():
    assert not reveal.endpoint.blinded_safe and blinding.endpoint.blinded_safe


def test_the_way_to_the_form_shows_to_those_who_may_while_the_study_is_blinded(client, people, allocated):
    def offered() -> set[str]:
        return {name for name in SCIENCE | EMERGENCY if LINK in page_of(client, people.everyone()[name])}

    assert offered() == EMERGENCY
    Study.objects.filter(pk=people.study.pk).update(state=StudyState.UNBLINDED)
    assert offered() == set()
    client.force_login(people.veterinarian)
    answer = client.get(FORM)
    assert answer.status_code == 302 and answer["Location"] == REGISTER


def page_of(client, user) -> bytes:
    client.force_login(user)
    return client.get(REGISTER).content


def filled(people, **change) -> dict[str, object]:
    return {
        "mouse": "M1", "reason": "Seizures", "notified": people.study_director.pk, "username": "a_veterinarian",
        "password": PASSWORD, **change,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"mouse": "M99"}, b"There is no allocated mouse M99 in PDX-TEST-01."),
        ({"mouse": ""}, b"This field is required."),
        ({"reason": " "}, b"This field is required."),
        ({"notified": ""}, b"This field is required."),
        ({"password": "wrong"}, b"password"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_told_or_kept(client, people, allocated, change, told):
    client.force_login(people.veterinarian)
    assert b"is required" not in client.get(FORM).content
    answer = client.post(FORM, filled(people, **change))
    assert answer.status_code == 200 and told in answer.content and b"canarywing" not in answer.content
    assert answer.context["form"].errors
    assert not Reveal.objects.exists()


def test_the_second_person_offered_is_another_one_of_the_study(client, people, allocated):
    client.force_login(people.veterinarian)
    form = client.get(FORM).context["form"]
    others = {people.study_director, people.allocation_custodian, people.quality_assurance}
    assert set(form.fields["notified"].queryset) == others
    for person in (people.veterinarian, people.technician, people.outsider):
        answer = client.post(FORM, filled(people, notified=person.pk))
        assert answer.context["form"].errors.keys() == {"notified"}
    for person in others:
        person.memberships.all().update(is_active=False)
    assert b"nobody else who could be told" in client.get(FORM).content


def test_the_form_takes_what_the_record_holds():
    fields = RevealForm(second_persons=access.User.objects.none()).fields
    assert fields["mouse"].max_length == Mouse._meta.get_field("label").max_length
    assert list(fields) == ["mouse", "reason", "notified", "username", "password"]


def test_the_notice_is_confirmed_by_its_second_person_alone(client, people, allocated):
    found = Reveal.objects.create(
        study=people.study, mouse=allocated, reason="Seizures", revealed_to=people.veterinarian,
        revealed_at=datetime(2026, 6, 1, 12, tzinfo=UTC), notified=people.study_director,
    )  # fmt: skip
    path = f"/notices/{found.pk}/read/"
    for other in (people.veterinarian, people.quality_assurance):
        client.force_login(other)
        assert client.post(path).status_code == 404
    assert open_notices(people.study_director) == [found]
    client.force_login(people.study_director)
    assert client.post(path)["Location"] == "/"
    assert open_notices(people.study_director) == []
    event = AuditEvent.objects.get(action="read the notice of an emergency unblinding")
    assert (event.actor, event.object_id) == (people.study_director, str(found.pk))
    assert event.chain == f"allocation:{people.study.pk}"
