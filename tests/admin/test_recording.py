import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from studies.actions.audit import INSTALLATION, broken_link, study_chain
from studies.models import AuditEvent, PdxModel, Study, StudyMembership, User, WelfareLimits
from studies.terms import BiomarkerStatus, Role, StudyState
from tests.admin.test_scope import form, mouse_data, study_data
from tests.factories import make_mouse, make_pdx_model
from tests.people import PASSWORD, join, make_user


@pytest.fixture
def director(client, study):
    person = join(make_user("director", is_staff=True), study, Role.STUDY_DIRECTOR)
    client.force_login(person)
    return person


def test_a_change_is_an_event_with_who_what_old_new_and_why(client, study, director):
    data = {**study_data(study), "title": "New title", "change_reason": "the protocol was amended"}
    assert client.post(form("study", study.pk), data).status_code == 302
    event = AuditEvent.objects.get(chain=study_chain(study))
    assert (event.action, event.object_type, event.object_id) == ("changed", "study", str(study.pk))
    assert (event.old, event.new) == ({"title": study.title}, {"title": "New title"})
    assert (event.actor, event.actor_role) == (director, "study_director")
    assert event.reason == "the protocol was amended"
    assert broken_link(event.chain) is None


def test_a_change_without_a_reason_is_refused_and_changes_nothing(client, study, director):
    response = client.post(form("study", study.pk), {**study_data(study), "title": "New title"})
    assert response.status_code == 200
    assert "Say why this changes." in response.content.decode()
    study.refresh_from_db()
    assert study.title != "New title"
    assert not AuditEvent.objects.exists()


def test_a_draft_is_written_without_reasons(client, study, director):
    Study.objects.filter(pk=study.pk).update(state=StudyState.DRAFT)
    data = {**study_data(study), "title": "New title", "biomarker": "MAP2K4", "tumor_rule": "sum"}
    data |= {"day0_rule": "first_dose", "time_zone": "UTC", "is_blinded": "on"}
    assert client.post(form("study", study.pk), data).status_code == 302
    assert AuditEvent.objects.get().new == {"title": "New title"}


def test_saving_without_a_change_leaves_no_event(client, study, director):
    assert client.post(form("study", study.pk), study_data(study)).status_code == 302
    assert not AuditEvent.objects.exists()


def test_each_row_of_a_page_is_an_event_of_its_own(client, study, director):
    data = {
        **study_data(study),
        "cohorts-TOTAL_FORMS": 1,
        "cohorts-0-name": "A",
        "cohorts-0-kind": "efficacy",
        "cohorts-0-day0": "2026-03-02",
    }
    assert client.post(form("study", study.pk), data).status_code == 302
    event = AuditEvent.objects.get()
    assert (event.action, event.object_type, event.new["name"]) == ("added", "cohort", "A")
    assert event.new["day0"] is None  # set with the sessions that hang on it, never beside them
    assert event.chain == study_chain(study)


def test_changing_a_stored_row_asks_for_the_reason_on_the_page(client, study, director):
    mouse = make_mouse(study, "M001")
    data = {**mouse_data(mouse), "tumors-0-site": "left flank"}
    assert "fill in the reason" in client.post(form("mouse", mouse.pk), data).content.decode()
    assert client.post(form("mouse", mouse.pk), {**data, "change_reason": "was missing"}).status_code == 302
    event = AuditEvent.objects.get()
    assert (event.object_type, event.new, event.reason) == ("tumor", {"site": "left flank"}, "was missing")


def draft_data(study) -> dict:
    Study.objects.filter(pk=study.pk).update(state=StudyState.DRAFT)
    return {**study_data(study), "biomarker": "MAP2K4", "tumor_rule": "sum", "day0_rule": "first_dose",
            "time_zone": "UTC", "is_blinded": "on"}  # fmt: skip


def test_limits_of_a_study_under_way_change_by_amendment_alone(client, study, director):
    WelfareLimits.objects.create(study=study, reason="protocol")
    data = {**study_data(study), "welfare_limits-TOTAL_FORMS": 1, **limits(0, volume_cap_mm3=1500)}
    client.post(form("study", study.pk), data)
    client.post(
        form("study", study.pk), {**study_data(study), "enrollment_max_mm3": 900, "change_reason": "x"}
    )
    study.refresh_from_db()
    assert study.welfare_limits.count() == 1 and study.enrollment_max_mm3 == 200


def test_limits_get_a_further_version_and_are_never_rewritten(client, study, director):
    first = WelfareLimits.objects.create(study=study, reason="protocol")
    data = {**draft_data(study), "welfare_limits-TOTAL_FORMS": 1, **limits(0, volume_cap_mm3=1500)}
    assert client.post(form("study", study.pk), data).status_code == 302
    assert list(study.welfare_limits.values_list("version", "volume_cap_mm3")) == [(1, 2000), (2, 1500)]
    rewritten = {
        **study_data(study),
        "welfare_limits-TOTAL_FORMS": 1,
        "welfare_limits-INITIAL_FORMS": 1,
        "welfare_limits-0-id": first.pk,
        **limits(0, volume_cap_mm3=9000),
    }
    client.post(form("study", study.pk), rewritten)
    first.refresh_from_db()
    assert first.volume_cap_mm3 == 2000


def limits(place: int, **fields) -> dict:
    values = {
        "volume_cap_mm3": 2000,
        "diameter_cap_mm": 20,
        "burden_cap_percent": 10,
        "weight_loss_warning_percent": 15,
        "weight_loss_limit_percent": 20,
        "sign_score_cap": 5,
        "body_condition_floor": 2,
        "amber_fraction": 0.8,
        "reason": "amendment 2",
        **fields,
    }
    return {f"welfare_limits-{place}-{name}": value for name, value in values.items()}


def test_a_new_study_is_a_blinded_draft_whose_director_is_its_first_member(client, study, director):
    data = {**study_data(study), "code": "PDX-NEW-01", "title": "New", "director": director.pk}
    data |= {"biomarker": "MAP2K4", "tumor_rule": "sum", "day0_rule": "first_dose", "time_zone": "UTC"}
    data |= {"is_blinded": "on"}
    assert client.post(reverse("admin:studies_study_add"), data).status_code == 302
    made = Study.objects.get(code="PDX-NEW-01")
    assert (made.state, made.is_blinded) == (StudyState.DRAFT, True)
    assert made.memberships.get().user == director
    recorded = AuditEvent.objects.filter(study=made).values_list("object_type", "action")
    assert set(recorded) == {("study", "added"), ("studymembership", "added")}


def test_a_registry_change_goes_into_the_chain_of_the_installation(client, study, director):
    model = make_pdx_model("BR-101", BiomarkerStatus.UNCERTAIN)
    call = model.genotype_calls.get()
    data = {"code": "BR-101", "kind": "patient_derived", "cancer_type": "breast", "change_reason": "typed in"}
    for prefix in ("genotype_calls", "status_overrules", "passages"):
        data |= {f"{prefix}-TOTAL_FORMS": 0, f"{prefix}-INITIAL_FORMS": 0}
    data |= {
        "genotype_calls-TOTAL_FORMS": 1,
        "genotype_calls-INITIAL_FORMS": 1,
        "genotype_calls-0-id": call.pk,
    }
    data |= {"genotype_calls-0-pdx_model": model.pk, "genotype_calls-0-gene": "MAP2K4"}
    data |= {"genotype_calls-0-functional_class": "loss_of_function", "genotype_calls-0-assay": "WES"}
    assert client.post(form("pdxmodel", model.pk), data).status_code == 302
    events = AuditEvent.objects.filter(chain=INSTALLATION).order_by("sequence")
    assert [(event.object_type, event.new) for event in events] == [
        ("pdxmodel", {"cancer_type": "breast"}),
        ("genotypecall", {"functional_class": "loss_of_function"}),
    ]
    assert PdxModel.objects.get().map2k4_status == BiomarkerStatus.LOSS_OF_FUNCTION


def test_a_save_that_fails_leaves_neither_row_nor_event(client, study, director, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("the disk is full")

    monkeypatch.setattr("studies.admin.recording.record_event", broken)
    with pytest.raises(RuntimeError):
        client.post(form("study", study.pk), {**study_data(study), "title": "X", "change_reason": "why"})
    study.refresh_from_db()
    assert study.title != "X"


def test_the_history_of_a_record_is_its_audit_trail_and_the_framework_keeps_no_log(client, study, director):
    mouse = make_mouse(study, "M001")
    client.post(form("mouse", mouse.pk), {**mouse_data(mouse), "ear_tag": "3L", "change_reason": "tagged"})
    content = client.get(reverse("admin:studies_mouse_history", args=[mouse.pk]), follow=True).content
    assert b"tagged" in content
    assert not LogEntry.objects.exists()


def test_memberships_are_given_and_ended_by_administrators_in_the_chain_of_the_study(client, study, people):
    client.force_login(people.superuser)
    data = {"study": study.pk, "user": people.outsider.pk, "role": "technician", "is_active": "on"}
    assert client.post(reverse("admin:studies_studymembership_add"), data).status_code == 302
    made = StudyMembership.objects.get(user=people.outsider, study=study)
    assert (
        client.post(form("studymembership", made.pk), {"change_reason": "left the group"}).status_code == 302
    )
    made.refresh_from_db()
    assert not made.is_active
    events = AuditEvent.objects.filter(chain=study_chain(study)).order_by("sequence")
    assert [event.reason for event in events] == ["", "left the group"]


def test_an_administrator_makes_a_user_and_sets_a_password_and_no_secret_is_recorded(client, people):
    client.force_login(people.superuser)
    new = {"username": "newtech", "full_name": "New Tech", "password1": PASSWORD, "password2": PASSWORD}
    new["usable_password"] = "true"
    assert client.post(reverse("admin:studies_user_add"), new).status_code == 302
    user = User.objects.get(username="newtech")
    assert user.check_password(PASSWORD)
    address = reverse("admin:auth_user_password_change", args=[user.pk])
    other = {"password1": PASSWORD * 2, "password2": PASSWORD * 2, "usable_password": "true"}
    assert client.post(address, other).status_code == 302
    events = AuditEvent.objects.filter(chain=INSTALLATION).order_by("sequence")
    assert [event.action for event in events] == ["added", "password set"]
    assert all("password" not in (event.new or {}) for event in events)
