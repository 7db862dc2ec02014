"""Accounts and roles, looked after by administrators; a name stays on what its owner recorded."""

import pytest
from django.urls import reverse

from studies import access
from studies.models import AuditEvent, StudyMembership, User
from studies.terms import Role
from tests.factories import make_measurement, make_mouse, make_session

pytestmark = pytest.mark.django_db


def page_of(user: User) -> str:
    return reverse("admin:studies_user_change", args=[user.pk])


def posted(user: User, *new: tuple, **changed) -> dict:
    """The form of a user as the page sends it: their roles as they stand, new ones, and what was changed."""
    held = list(user.memberships.order_by("pk"))
    data = {"username": user.username, "full_name": user.full_name, "email": user.email, "is_active": "on"}
    data |= {"memberships-TOTAL_FORMS": len(held) + len(new), "memberships-INITIAL_FORMS": len(held)}
    for place, one in enumerate(held):
        row = f"memberships-{place}"
        data |= {
            f"{row}-id": one.pk,
            f"{row}-user": user.pk,
            f"{row}-is_active": "on" if one.is_active else "",
        }
    for place, (study, role) in enumerate(new, len(held)):
        row = f"memberships-{place}"
        data |= {
            f"{row}-user": user.pk,
            f"{row}-study": study.pk,
            f"{row}-role": role,
            f"{row}-is_active": "on",
        }
    return {**data, **changed}


def test_a_role_is_given_and_ended_on_the_persons_own_page_each_with_an_event(client, people, study):
    client.force_login(people.superuser)
    doser = people.doser
    response = client.post(page_of(doser), posted(doser, (study, Role.TECHNICIAN)))
    assert response.status_code == 302
    assert access.roles_in(doser, study) == {Role.DOSER, Role.TECHNICIAN}
    ended = posted(doser, **{"memberships-0-is_active": ""})
    assert client.post(page_of(doser), ended).status_code == 302
    assert access.roles_in(doser, study) == {Role.TECHNICIAN}
    acts = (
        AuditEvent.objects.filter(object_type="studymembership")
        .order_by("pk")
        .values_list("action", flat=True)
    )
    assert list(acts) == ["added", "changed"]


def test_a_role_is_never_rewritten_into_another(client, people):
    client.force_login(people.superuser)
    client.post(page_of(people.doser), posted(people.doser, **{"memberships-0-role": Role.STUDY_DIRECTOR}))
    assert StudyMembership.objects.get(user=people.doser).role == Role.DOSER


def test_a_deactivated_person_is_out_at_once_and_their_name_stays(client, people, study):
    technician = people.technician
    made = make_measurement(make_session(study), make_mouse(study), observer=technician)
    client.force_login(technician)
    assert client.get("/").status_code == 200
    User.objects.filter(pk=technician.pk).update(is_active=False, full_name="T. Echnician")
    assert client.get("/").status_code == 302
    made.refresh_from_db()
    assert str(made.observer) == "T. Echnician"
    client.force_login(people.superuser)
    assert (
        client.post(reverse("admin:studies_user_delete", args=[technician.pk]), {"post": "yes"}).status_code
        == 403
    )


def test_a_password_is_set_by_a_form_that_fits_and_by_nothing_else(client, people):
    client.force_login(people.superuser)
    address = reverse("admin:auth_user_password_change", args=[people.doser.pk])
    assert client.get(address).status_code == 200
    assert (
        client.post(address, {"password1": "a new long password", "password2": "another"}).status_code == 200
    )
    people.doser.refresh_from_db()
    assert people.doser.first_password_until is None
    assert not AuditEvent.objects.filter(action="password set").exists()
