"""Whom the administration's pages answer, as their classes declare it; and what leads to an arm from there."""

from types import SimpleNamespace

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext

from studies.admin.endpoints import ADMINISTRATORS, DIRECTORS, READERS, STAFF, Declared
from studies.admin.scope import forget_reach, names_an_arm, reach
from studies.endpoints import NOBODY, Endpoint
from studies.models import Study
from studies.terms import Role, StudyState
from tests.factories import make_study
from tests.people import join


class Mice(Declared):
    readers, writers, adders = READERS, DIRECTORS, ADMINISTRATORS
    opts = SimpleNamespace(app_label="studies", model_name="mouse")


class Agents(Mice):
    shared, blinded_safe = True, False


def test_the_sets_of_the_administration_are_those_written_down():
    readers = {Role.STUDY_DIRECTOR, Role.STATISTICIAN, Role.QUALITY_ASSURANCE}
    assert (readers, {Role.STUDY_DIRECTOR}, {Role.ADMINISTRATOR}) == (READERS, DIRECTORS, ADMINISTRATORS)
    assert readers | {Role.ADMINISTRATOR} == STAFF


@pytest.mark.parametrize(
    ("kind", "get", "post"),
    [
        ("changelist", READERS, None),
        ("history", READERS, None),
        ("change", READERS, DIRECTORS),
        ("add", ADMINISTRATORS, ADMINISTRATORS),
        ("delete", NOBODY, NOBODY),
    ],
)
def test_a_page_of_a_table_answers_those_its_class_declares(kind, get, post):
    assert Mice().endpoint_of(f"studies_mouse_{kind}") == Endpoint(get, post, blinded_safe=True, shared=False)
    shared = Agents().endpoint_of(f"studies_mouse_{kind}")
    assert shared == Endpoint(get, post, blinded_safe=False, shared=True)


@pytest.mark.parametrize("name", [None, "", "studies_mouse_"])
def test_an_address_without_its_last_part_only_leads_on(name):
    assert Mice().endpoint_of(name) == Endpoint(STAFF, None, blinded_safe=True, shared=True)


@pytest.mark.parametrize("name", ["studies_mouse_import", "studies_arm_change", "autocomplete"])
def test_a_page_nobody_declared_is_declared_by_nobody(name):
    assert Mice().endpoint_of(name) is None


@pytest.mark.parametrize(
    ("lookup", "leads"),
    [
        ("arm", True),
        ("arms__name", True),
        ("allocation__arm", True),
        ("mice__allocation__isnull", True),
        ("mouse__study__arm_masks", True),
        ("randomizations__seed", True),
        ("label__icontains", False),
        ("pharmacy__name", False),
    ],
)
def test_a_look_up_that_leads_to_an_arm_is_known(lookup, leads):
    assert names_an_arm(lookup) == leads


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("table", "lookup", "allowed"),
    [
        ("mouse", "study__id__exact", True),
        ("mouse", "sex__exact", True),
        ("mouse", "allocation__block", False),
        ("mouse", "doses", False),
        ("mouse", "doses__syringe", False),
        ("study", "arm_masks__letter", False),
        ("study", "reveals__isnull", False),
    ],
)
def test_a_list_is_filtered_by_its_own_columns_alone(rf, people, table, lookup, allowed):
    model_admin = next(one for model, one in admin.site._registry.items() if model._meta.model_name == table)
    request = rf.get("/")
    request.user = people.study_director
    assert bool(model_admin.lookup_allowed(lookup, "1", request)) == allowed


@pytest.mark.django_db
def test_what_a_person_reaches_is_asked_once_and_again_after_it_changed(rf, people):
    request, study, draft = rf.get("/"), people.study, make_study("PDX-DRAFT-01", state=StudyState.DRAFT)
    request.user = people.study_director
    forget_reach(request)  # nothing known yet, nothing forgotten
    found = reach(request)
    assert found.readable == found.directed == found.writable == {study.pk} and found.with_known_arms == set()
    join(people.study_director, draft, Role.STUDY_DIRECTOR)
    with CaptureQueriesContext(connection) as asked:
        assert reach(request) is found
    assert len(asked) == 0
    forget_reach(request)
    assert reach(request).directed == {study.pk, draft.pk} and reach(request).with_known_arms == {draft.pk}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("state", "writable", "known"),
    [
        ("draft", True, True),
        ("active", True, False),
        ("data_locked", False, False),
        ("unblinded", False, True),
    ],
)
def test_a_locked_study_is_read_and_not_written(rf, people, state, writable, known):
    Study.objects.filter(pk=people.study.pk).update(state=state)
    request = rf.get("/")
    request.user = people.study_director
    found, own = reach(request), {people.study.pk}
    assert found.readable == found.directed == own
    assert found.writable == (own if writable else set())
    assert found.with_known_arms == (own if known else set())
    other = rf.get("/")
    other.user = people.statistician
    assert (reach(other).readable, reach(other).directed, reach(other).writable) == (own, set(), set())
