import pytest
from django.contrib import admin
from django.urls import reverse

from studies.models import Cage, Cohort, Dose, PdxModel, Study, StudyMembership, User
from studies.terms import Role, StudyState
from tests.factories import make_arm, make_measurement, make_mouse, make_pdx_model, make_session, make_study
from tests.people import join, make_user

SCIENCE = ("study", "mouse", "cage", "cohort", "measurement", "measurementsession", "importbatch", "pdxmodel")


@pytest.fixture
def director(study):
    return join(make_user("director", is_staff=True), study, Role.STUDY_DIRECTOR)


@pytest.fixture
def others(db):
    """A mouse, cage and reading of a study the director has no part in."""
    study = make_study("PDX-SECRET-01")
    cage = Cage.objects.create(study=study, code="SECRETCAGE")
    mouse = make_mouse(study, "SECRETMOUSE", cage=cage)
    make_measurement(make_session(study), mouse)
    return mouse


def listing(model: str, query: str = "") -> str:
    return reverse(f"admin:studies_{model}_changelist") + query


def form(model: str, key: int) -> str:
    return reverse(f"admin:studies_{model}_change", args=[key])


@pytest.mark.parametrize("model", SCIENCE)
def test_who_is_no_staff_or_has_no_part_sees_nothing(client, people, model):
    client.force_login(people.study_director)  # a director, but not of the staff
    assert client.get(listing(model)).status_code == 302
    User.objects.filter(pk=people.technician.pk).update(is_staff=True)
    for person in (people.technician, people.superuser):
        client.force_login(person)
        assert client.get(listing(model)).status_code == 403, f"{person} sees {model}"


@pytest.mark.parametrize("model", ["study", "mouse", "cage", "measurement"])
def test_a_director_sees_the_rows_of_own_studies_only(client, study, director, others, model):
    make_mouse(study, "OWNMOUSE")
    client.force_login(director)
    content = client.get(listing(model)).content
    assert b"SECRET" not in content
    secret = {"study": others.study_id, "mouse": others.pk, "cage": others.cage_id}.get(model)
    if secret:
        assert client.get(form(model, secret)).status_code == 302  # as if it did not exist
        assert client.post(form(model, secret), {"label": "X"}).status_code == 302
    others.refresh_from_db()
    assert others.label == "SECRETMOUSE"


def test_a_filter_by_the_other_study_lists_nothing(client, study, director, others):
    client.force_login(director)
    content = client.get(listing("mouse", f"?study__id__exact={others.study_id}")).content
    assert b"SECRET" not in content


def test_autocompletes_offer_own_rows_of_the_study_in_hand(client, study, director, others):
    second = make_study("PDX-TEST-02")
    join(director, second, Role.STUDY_DIRECTOR)
    Cage.objects.create(study=study, code="B1")
    Cage.objects.create(study=second, code="B2")
    client.force_login(director)
    address = reverse("admin:autocomplete") + "?app_label=studies&model_name=mouse&field_name=cage&term="
    assert offered(client, address) == ["B1", "B2"]
    assert offered(client, f"{address}&of_study={study.pk}") == ["B1"]
    assert offered(client, f"{address}&of_study={others.study_id}") == []


def offered(client, address: str) -> list[str]:
    return [found["text"] for found in client.get(address).json()["results"]]


def test_a_mouse_of_one_study_cannot_be_put_into_a_cage_of_another(client, study, director, others):
    mouse = make_mouse(study, "M001")
    client.force_login(director)
    data = {**mouse_data(mouse), "cage": others.cage_id, "change_reason": "moved"}
    response = client.post(form("mouse", mouse.pk), data)
    assert response.status_code == 200
    mouse.refresh_from_db()
    assert mouse.cage_id is None


def mouse_data(mouse) -> dict:
    tumors = [(t.pk, t.number) for t in mouse.tumors.all()]
    data = {"label": mouse.label, "pdx_model": mouse.pdx_model_id}
    for prefix in ("tumors", "cage_moves", "exit", "exclusion"):
        data |= {f"{prefix}-TOTAL_FORMS": 0, f"{prefix}-INITIAL_FORMS": 0}
    data |= {"tumors-TOTAL_FORMS": len(tumors), "tumors-INITIAL_FORMS": len(tumors)}
    for place, (key, number) in enumerate(tumors):
        data |= {
            f"tumors-{place}-id": key,
            f"tumors-{place}-mouse": mouse.pk,
            f"tumors-{place}-number": number,
        }
    return data


@pytest.mark.parametrize("state", [StudyState.DATA_LOCKED, StudyState.UNBLINDED, StudyState.ARCHIVED])
def test_a_locked_study_has_no_write_path(client, study, director, state):
    mouse = make_mouse(study, "M001")
    Study.objects.filter(pk=study.pk).update(state=state)
    client.force_login(director)
    assert client.post(form("mouse", mouse.pk), mouse_data(mouse)).status_code == 403
    assert client.post(form("study", study.pk), {"title": "New"}).status_code == 403
    assert client.get(form("mouse", mouse.pk)).status_code == 200  # to look at


@pytest.mark.parametrize("role", [Role.STATISTICIAN, Role.QUALITY_ASSURANCE])
def test_readers_look_but_do_not_write(client, study, role):
    mouse = make_mouse(study, "M001")
    client.force_login(join(make_user("reader", is_staff=True), study, role))
    assert client.get(form("mouse", mouse.pk)).status_code == 200
    assert client.post(form("mouse", mouse.pk), mouse_data(mouse)).status_code == 403
    assert client.get(reverse("admin:studies_mouse_add")).status_code == 403


@pytest.mark.parametrize("model", ["measurement", "measurementsession", "importbatch", "auditevent"])
def test_what_the_tracker_writes_itself_is_read_only(rf, director, model):
    model_admin = admin.site.get_model_admin(
        next(m for m in admin.site._registry if m._meta.model_name == model)
    )
    request = rf.get("/")
    request.user = director
    assert not model_admin.has_add_permission(request)
    assert not model_admin.has_change_permission(request)
    assert not model_admin.has_delete_permission(request)


def test_nothing_scientific_can_be_deleted_not_even_by_a_superuser(rf, people, study):
    join(people.superuser, study, Role.STUDY_DIRECTOR)
    request = rf.get("/")
    request.user = people.superuser
    for model, model_admin in admin.site._registry.items():
        if model._meta.app_label == "studies":
            assert not model_admin.has_delete_permission(request), model
            assert "delete_selected" not in model_admin.get_actions(request), model


def test_tables_of_other_packages_are_off_the_menu_but_for_locks_and_factors(db):
    foreign = {m._meta.label for m in admin.site._registry if m._meta.app_label != "studies"}
    assert foreign == {"axes.AccessAttempt", "mfa.Authenticator"}


def test_arms_are_set_up_in_a_draft_and_gone_from_sight_once_it_runs_blinded(client, study, director):
    arm = make_arm(study)
    Study.objects.filter(pk=study.pk).update(state=StudyState.DRAFT)
    client.force_login(director)
    assert client.get(form("arm", arm.pk)).status_code == 200
    Study.objects.filter(pk=study.pk).update(state=StudyState.ACTIVE)
    assert client.get(form("arm", arm.pk)).status_code == 403
    assert client.get(listing("arm")).status_code == 403


def test_an_arm_that_holds_mice_is_never_rewritten(client, study, director):
    arm = make_arm(study)
    Study.objects.filter(pk=study.pk).update(is_blinded=False)
    make_mouse(study, "M001", arm)
    client.force_login(director)
    assert client.get(form("arm", arm.pk)).status_code == 200
    assert client.post(form("arm", arm.pk), {"name": "other"}).status_code == 403


def test_unticking_blinded_is_no_way_to_unblind(client, study, director):
    client.force_login(director)
    client.post(
        form("study", study.pk), {**study_data(study), "change_reason": "peek"}
    )  # no is_blinded: unticked
    study.refresh_from_db()
    assert study.is_blinded


def study_data(study) -> dict:
    data = {
        "title": study.title,
        "volume_formula": study.volume_formula,
        "lod_mm3": 13.5,
        "enrollment_min_mm3": 100,
        "enrollment_max_mm3": 200,
        "enrollment_min_weight_g": 17,
        "schedule_days": "[]",
        "initial-schedule_days": "[]",  # as the page sends it along
    }
    inlines = (
        "welfare_limits",
        "entry_limits",
        "cohorts",
        "expected_signs",
        "analysis_plans",
        "planned_pdx_models",
    )
    for prefix in inlines:
        data |= {f"{prefix}-TOTAL_FORMS": 0, f"{prefix}-INITIAL_FORMS": 0}
    return data


def test_an_administrator_looks_after_people_not_science(client, people):
    client.force_login(people.superuser)
    for model in ("user", "studymembership", "agent", "auditevent"):
        assert client.get(listing(model)).status_code == 200, model
    content = client.get("/admin/").content.decode()
    assert "Study members" in content
    assert "Readings" not in content.split("pdx-index")[1].split("<p>")[0]


def test_the_registry_is_read_by_members_and_written_by_directors(client, study, director):
    model = make_pdx_model("BR-101")
    client.force_login(join(make_user("stat", is_staff=True), study, Role.STATISTICIAN))
    assert client.get(form("pdxmodel", model.pk)).status_code == 200
    assert client.get(reverse("admin:studies_pdxmodel_add")).status_code == 403
    client.force_login(director)
    assert client.get(reverse("admin:studies_pdxmodel_add")).status_code == 200
    assert PdxModel.objects.count() == 1 and Cohort.objects.count() == 0 and StudyMembership.objects.exists()


@pytest.mark.parametrize(
    "query",
    [
        "doses={dose}",
        "doses__syringe=K7M",
        "allocation__arm=1",
        "masks=1",
        "reveals__isnull=0",
        "doses__isnull=0",
    ],
)
def test_no_list_is_filtered_by_what_another_table_says_of_its_rows(client, study, director, query):
    """`?doses=17` would tell whose dose 17 is, and by how many doses a mouse gets a day, its arm."""
    mouse = make_mouse(study, "M1", make_arm(study, "canary"))
    make_mouse(study, "M2")
    dose = Dose.objects.create(
        study=study, mouse=mouse, given_on="2026-06-01", syringe="K7M", outcome="given", given_ml=0.2,
        doser=director, recorded_at="2026-06-01T12:00Z",
    )  # fmt: skip
    client.force_login(director)
    for table in ("mouse", "study"):
        answer = client.get(listing(table, "?" + query.format(dose=dose.pk)))
        assert answer.status_code in (400, 302), f"{table}: {answer.status_code}"
        assert b"M2" not in answer.content
