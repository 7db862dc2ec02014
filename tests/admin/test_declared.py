"""Whom the administration's pages answer, as their classes declare it; and what leads to an arm from there."""

from types import SimpleNamespace

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from studies.admin.endpoints import ADMINISTRATORS, DIRECTORS, READERS, STAFF, Declared
from studies.admin.scope import forget_reach, names_an_arm, reach
from studies.endpoints import NOBODY, Endpoint
from studies.models import Agent, Arm, ArmAgent, Cage, Mouse, Study, User
from studies.terms import Role, StudyState
from tests.factories import make_arm, make_measurement, make_mouse, make_session, make_study
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


def test_what_studies_share_is_declared_so_and_the_rest_is_of_a_study():
    shared = {model.__name__ for model, one in admin.site._registry.items() if getattr(one, "shared", False)}
    assert {"PdxModel", "Agent"} <= shared and not shared & {"Mouse", "Cage", "Arm", "Measurement", "Study"}


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


def form_of(client, model: str, key: int):
    return client.get(reverse(f"admin:studies_{model}_change", args=[key]))


@pytest.fixture
def director(people):
    User.objects.filter(pk=people.study_director.pk).update(is_staff=True)
    return people.study_director


def test_rows_below_a_form_are_added_on_asking_and_never_removed(client, people, director):
    client.force_login(director)
    page = form_of(client, "mouse", make_mouse(people.study).pk)
    for inline in page.context["inline_admin_formsets"]:
        formset = inline.formset
        assert formset.total_form_count() == formset.initial_form_count(), inline.opts.verbose_name
        assert not formset.can_delete and not inline.opts.show_change_link and inline.opts.tab
        assert not inline.opts.has_delete_permission(page.wsgi_request, None)


def test_what_the_tracker_writes_itself_is_shown_whole_and_asks_no_reason(client, people, director):
    mouse = make_mouse(people.study)
    reading = make_measurement(make_session(people.study), mouse)
    client.force_login(director)
    page = form_of(client, "measurement", reading.pk)
    fields = [name for _, options in page.context["adminform"].fieldsets for name in options["fields"]]
    assert "length_mm" in fields and "change_reason" not in fields
    page = form_of(client, "mouse", mouse.pk)
    fields = [name for _, options in page.context["adminform"].fieldsets for name in options["fields"]]
    assert "change_reason" in fields


def test_a_new_mouse_is_put_into_a_study_that_takes_changes_and_stays_in_it(client, people, director):
    locked = make_study("PDX-LOCKED-01", state=StudyState.DATA_LOCKED)
    join(director, locked, Role.STUDY_DIRECTOR)
    client.force_login(director)
    form = client.get(reverse("admin:studies_mouse_add")).context["adminform"].form
    assert list(form.fields["study"].queryset) == [people.study]
    form = form_of(client, "mouse", make_mouse(people.study).pk).context["adminform"].form
    assert "study" not in form.fields


def test_choices_are_of_the_study_in_hand_and_ask_for_no_other(client, people, director):
    second = make_study("PDX-TEST-02")
    join(director, second, Role.STUDY_DIRECTOR)
    own, other = (
        Cage.objects.create(study=study, code=code) for study, code in ((people.study, "B1"), (second, "B2"))
    )
    client.force_login(director)
    form = form_of(client, "mouse", make_mouse(people.study).pk).context["adminform"].form
    assert list(form.fields["cage"].queryset) == [own]
    assert form.fields["cage"].widget.widget.get_url() == f"/admin/autocomplete/?of_study={people.study.pk}"
    assert form.fields["pdx_model"].widget.widget.get_url() == "/admin/autocomplete/"  # shared by all studies
    form = client.get(reverse("admin:studies_mouse_add")).context["adminform"].form
    assert set(form.fields["cage"].queryset) == {own, other}
    assert form.fields["cage"].widget.widget.get_url() == "/admin/autocomplete/"


@pytest.mark.parametrize("of_study", ["", "abc", "1", "999999"])
def test_an_autocomplete_of_shared_rows_knows_no_study(client, people, director, of_study):
    make_mouse(people.study)
    client.force_login(director)
    address = "/admin/autocomplete/?app_label=studies&model_name=mouse&field_name={}&term=&of_study={}"
    found = client.get(address.format("pdx_model", of_study)).json()["results"]
    assert [row["text"] for row in found] == ["BR-101"]
    Cage.objects.create(study=people.study, code="B1")
    found = client.get(address.format("cage", of_study)).json()["results"]
    assert bool(found) == (of_study in ("", "abc", str(people.study.pk)))


def test_a_row_of_no_study_is_nobody_s_to_see(rf, people):
    request = rf.get("/")
    request.user = people.study_director
    cages = admin.site.get_model_admin(Cage)
    assert cages.has_view_permission(request) and cages.has_view_permission(request, Cage(study=people.study))
    assert not cages.has_view_permission(request, Cage())
    assert not cages.has_view_permission(request, Cage(study=make_study("PDX-THIRD-01")))


def test_rows_are_added_below_a_form_that_takes_changes_alone(client, rf, people, director):
    locked = make_study("PDX-LOCKED-01")
    join(director, locked, Role.STUDY_DIRECTOR)
    mice = {study: make_mouse(study) for study in (people.study, locked)}
    Study.objects.filter(pk=locked.pk).update(state=StudyState.DATA_LOCKED)
    request = rf.get("/")
    request.user = director
    inline = admin.site.get_model_admin(Mouse).get_inline_instances(request)[0]
    assert inline.has_add_permission(request, mice[people.study])
    assert not inline.has_add_permission(request, Mouse.objects.get(pk=mice[locked].pk))
    assert inline.has_add_permission(request)  # below a new mouse, which goes into a study that takes changes
    people.study.memberships.filter(user=director).update(is_active=False)
    other = rf.get("/")
    other.user = director
    assert not inline.has_add_permission(other)


def test_an_arm_is_listed_with_what_is_given_in_it(study):
    arm, listed = make_arm(study), admin.site._registry[Arm].given
    assert listed(arm) == "–"
    for name in ("binimetinib", "HRX-0233"):
        ArmAgent.objects.create(arm=arm, agent=Agent.objects.create(name=name), dose_mg_per_kg=10)
    assert listed(arm).count(" + ") == 1 and "binimetinib" in listed(arm)


@pytest.mark.parametrize(("listed", "shared"), [(User, True), (Mouse, False)])
def test_accounts_belong_to_no_study_and_mice_to_theirs(listed, shared):
    page = admin.site._registry[listed].endpoint_of(f"studies_{listed._meta.model_name}_change")
    assert page.shared is shared
