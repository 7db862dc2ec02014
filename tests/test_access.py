"""Who sees what: every role, the outsider and the superuser asked one by one."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import Http404

from studies import access
from studies.models import Study
from studies.terms import Role, StudyState

pytestmark = pytest.mark.django_db
SEES_ARMS_WHEN_OPEN = {"technician", "study_director", "statistician", "quality_assurance", "veterinarian"}
SEES_MEASUREMENTS = SEES_ARMS_WHEN_OPEN


def who(people, may) -> set[str]:
    return {name for name, user in people.everyone().items() if may(user, people.study)}


def test_nobody_sees_arms_of_a_blinded_study_not_even_the_superuser(people):
    assert who(people, access.may_see_arms) == set()
    assert not access.may_see_arms(access.OPERATOR, people.study)


@pytest.mark.parametrize("change", [{"is_blinded": False}, {"state": StudyState.UNBLINDED}], ids=str)
def test_arms_open_for_science_roles_once_the_study_does(people, change):
    Study.objects.filter(pk=people.study.pk).update(**change)
    people.study.refresh_from_db()
    assert who(people, access.may_see_arms) == SEES_ARMS_WHEN_OPEN
    assert access.may_see_arms(access.OPERATOR, people.study)


def test_a_lock_alone_opens_nothing(people):
    people.study.state = StudyState.DATA_LOCKED
    assert who(people, access.may_see_arms) == set()


def test_measurements_are_for_those_who_work_with_them(people):
    assert who(people, access.may_see_measurements) == SEES_MEASUREMENTS


def test_the_biomarker_is_hidden_from_those_at_the_cage_while_blinded(people):
    seen = who(people, access.may_see_biomarker)
    assert not seen & {"technician", "doser", "outsider", "superuser"}
    assert "study_director" in seen


def test_members_find_their_study_and_no_other(people):
    for name, user in people.everyone().items():
        found = set(access.studies_of(user).values_list("code", flat=True))
        expected = {"outsider": {"PDX-OTHER-01"}, "superuser": set()}.get(name, {"PDX-TEST-01"})
        assert found == expected, name


def test_a_study_of_others_and_no_study_at_all_look_the_same(people):
    for code in ("PDX-TEST-01", "PDX-NONE-01"):
        with pytest.raises(Http404):
            access.study_or_404(people.outsider, code)


def test_the_signed_out_and_the_deactivated_see_nothing(people):
    assert not access.studies_of(AnonymousUser()).exists()
    people.study_director.is_active = False
    assert access.roles_in(people.study_director, people.study) == frozenset()
    assert not access.studies_of(people.study_director).exists()


def test_an_ended_membership_is_no_way_in(people):
    people.technician.memberships.update(is_active=False)
    assert access.roles_in(people.technician, people.study) == frozenset()
    assert not access.studies_of(people.technician).exists()


def test_every_role_of_the_house_is_in_the_cast(people):
    assert {role.value for role in Role} <= set(people.everyone())
