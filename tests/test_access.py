"""Who sees what: every role, the outsider and the superuser asked one by one."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.http import Http404

from studies import access
from studies.actions.audit import allocation_chain, record_event, study_chain
from studies.models import (
    ArmMask,
    Job,
    Reveal,
    Signature,
    StoredReport,
    Study,
    StudyPdxModel,
    User,
)
from studies.terms import JobKind, ReportView, Role, SignatureMeaning, SignedAct, StudyState
from tests.factories import make_arm, make_mouse, make_pdx_model, make_study
from tests.people import join
from tests.record import NOON
from tests.support.databases import triggers_lifted

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


# What each role may, beside reading: written out, so that a role slipping into a set fails here.
MAY = {
    "may_see_measurements": SEES_MEASUREMENTS,
    "may_randomize": {"study_director"},
    "may_read_dose_sheet": {"doser"},
    "may_open_sealed_list": {"allocation_custodian"},
    "may_enter_measurements": {"technician", "study_director"},
    "may_answer_alerts": {"technician", "study_director", "veterinarian"},
    "may_acknowledge_alerts": {"study_director", "veterinarian"},
    "may_record_exits": {"technician", "study_director", "veterinarian"},
    "may_reveal_in_emergency": {"study_director", "veterinarian", "allocation_custodian"},
    "may_see_biomarker": {
        "study_director", "statistician", "quality_assurance", "veterinarian", "allocation_custodian", "administrator",
    },
}  # fmt: skip
SETS = {
    "ARM_READERS": SEES_ARMS_WHEN_OPEN,
    "SET_UP_ROLES": {"study_director"},
    "BALANCE_READERS": {"study_director", "statistician", "quality_assurance"},
    "CARD_PRINTERS": {"technician", "study_director", "veterinarian"},
    "SCIENCE_READERS": SEES_MEASUREMENTS,
    "SECOND_PERSONS": {"study_director", "veterinarian", "allocation_custodian", "quality_assurance"},
    "MASK_READERS": {"statistician"},
    "REPORT_BUILDERS": {"study_director", "statistician", "quality_assurance"},
    "REPORT_RELEASERS": {"study_director", "quality_assurance"},
    "REPORT_READERS": SEES_MEASUREMENTS | {"report_reader"},
}


@pytest.mark.parametrize("name", MAY)
def test_who_may_is_who_is_written_down(people, name):
    may = getattr(access, name)
    assert who(people, may) == MAY[name]
    assert not may(AnonymousUser(), people.study)
    assert may(access.OPERATOR, people.study) == ("study_director" in MAY[name])


@pytest.mark.parametrize("name", SETS)
def test_the_sets_of_roles_are_those_written_down(name):
    assert {role.value for role in getattr(access, name)} == SETS[name]


def opened(study, **change) -> Study:
    with triggers_lifted(["default"]):
        Study.objects.filter(pk=study.pk).update(**change)
    study.refresh_from_db()
    return study


def test_the_biomarker_is_open_to_members_of_an_open_study_only(people):
    opened(people.study, is_blinded=False)
    assert access.may_see_biomarker(people.technician, people.study)
    assert access.may_see_biomarker(people.doser, people.study)


@pytest.fixture
def masked(people):
    """A locked, blinded study with two arms, masked at two locks."""
    study = people.study
    arms = [make_arm(study, name) for name in ("vehicle", "drug")]
    for generation, letters in enumerate(("AB", "BA"), 1):
        for arm, letter in zip(arms, letters, strict=True):
            ArmMask.objects.create(study=study, generation=generation, arm=arm, letter=letter, drawn_at=NOON)
    return opened(study, state=StudyState.DATA_LOCKED), arms


def test_a_statistician_reads_the_letters_of_the_last_lock_and_nobody_else_any(people, masked):
    study, (vehicle, drug) = masked
    for name, user in people.everyone().items():
        letters = {vehicle.pk: "B", drug.pk: "A"} if name == "statistician" else None
        assert access.arm_names(user, study) == letters, name
        assert access.sees_masks(user, study) == (name == "statistician"), name
        views = _while_blinded(name)
        assert access.report_view(user, study) == (
            ReportView.MASKED if letters else next(iter(views), None)
        ), name
        assert access.report_views(user, study) == views, name
    opened(study, state=StudyState.ACTIVE)
    assert access.arm_names(people.statistician, study) is None
    assert access.report_views(people.statistician, study) == {ReportView.POOLED}


def test_without_masks_there_are_no_names(people):
    study = opened(people.study, state=StudyState.DATA_LOCKED)
    assert access.arm_names(people.statistician, study) is None


def test_once_open_arms_go_by_name_and_reports_too(people, masked):
    study, (vehicle, drug) = masked
    opened(study, state=StudyState.UNBLINDED)
    for name, user in people.everyone().items():
        sees = name in SEES_ARMS_WHEN_OPEN
        assert access.arm_names(user, study) == (
            {vehicle.pk: "vehicle", drug.pk: "drug"} if sees else None
        ), name
        assert access.report_view(user, study) == (ReportView.OPEN if sees else None), name
        assert access.report_views(user, study) == (set(ReportView) if sees else set()), name
        assert not access.sees_masks(user, study)


@pytest.mark.parametrize(
    ("state", "is_blinded", "is_allocated", "knows"),
    [
        ("draft", True, False, {"study_director"}),
        ("draft", True, True, set()),
        ("active", True, False, set()),
        ("data_locked", True, True, set()),
        ("unblinded", True, True, SEES_ARMS_WHEN_OPEN),
        ("archived", True, True, SEES_ARMS_WHEN_OPEN),
        ("active", False, True, SEES_ARMS_WHEN_OPEN),
    ],
)
def test_who_knows_arms_by_name(people, state, is_blinded, is_allocated, knows):
    arm = make_arm(people.study)
    make_mouse(people.study, arm=arm if is_allocated else None)
    opened(people.study, state=StudyState(state), is_blinded=is_blinded)
    assert who(people, access.may_know_arms) == knows


def test_reports_and_jobs_are_for_those_whose_screens_show_as_much(people, masked):
    study, _ = masked
    jobs, reports = {}, {}
    for view in ReportView:
        jobs[view] = Job.objects.create(
            study=study, kind=JobKind.REPORT, view=view, parameters_sha256=view.value, asked_by=people.statistician,
            asked_at=NOON,
        )  # fmt: skip
        reports[view] = StoredReport.objects.create(
            study=study, view=view, snapshot_sha256="0" * 64, parameters_sha256=view.value, chain_count=0,
            chain_head="", asked_by=people.statistician, made_at=NOON,
        )  # fmt: skip
    masked_only = {name: _while_blinded(name) for name in SEES_MEASUREMENTS}
    assert _views(people, study, access.jobs_of) == masked_only
    assert _views(people, study, access.reports_of) == masked_only
    sign_as_released(reports[ReportView.OPEN], people.study_director)
    assert _views(people, study, access.reports_of) == masked_only  # a released report opens with the arms
    opened(study, state=StudyState.UNBLINDED)
    everything = {name: set(ReportView) for name in SEES_ARMS_WHEN_OPEN}
    assert _views(people, study, access.jobs_of) == everything
    assert _views(people, study, access.reports_of) == everything | {"report_reader": {ReportView.OPEN}}


def _while_blinded(name: str) -> set[ReportView]:
    """Between the lock and the unblinding: pooled for science roles, by letters too for the statistician."""
    pooled = {ReportView.POOLED} if name in SEES_MEASUREMENTS else set()
    return pooled | ({ReportView.MASKED} if name == "statistician" else set())


def _views(people, study, of) -> dict[str, set]:
    found = {name: {row.view for row in of(user, study)} for name, user in people.everyone().items()}
    return {name: views for name, views in found.items() if views}


def sign_as_released(report: StoredReport, director) -> None:
    Signature.objects.create(
        study=report.study, act=SignedAct.REPORT, meaning=SignatureMeaning.APPROVED, signer=director, signed_at=NOON,
        object_type="storedreport", object_id=str(report.pk), record={}, record_sha256="0" * 64,
    )  # fmt: skip


def test_the_second_person_of_an_unblinding_is_another_active_one_who_answers_for_the_study(people):
    def told(user) -> set[str]:
        return {person.username.removeprefix("a_") for person in access.second_persons(user, people.study)}

    assert told(people.study_director) == {"veterinarian", "allocation_custodian", "quality_assurance"}
    assert told(people.veterinarian) == {"study_director", "allocation_custodian", "quality_assurance"}
    people.veterinarian.memberships.update(is_active=False)
    User.objects.filter(pk=people.quality_assurance.pk).update(is_active=False)
    assert told(people.study_director) == {"allocation_custodian"}


def test_an_arm_is_told_by_an_unblinding_on_record_alone(people):
    arm = make_arm(people.study, "drug")
    mouse = make_mouse(people.study, arm=arm)
    facts = {"study": people.study, "mouse": mouse, "reason": "x", "revealed_to": people.veterinarian,
             "revealed_at": NOON, "notified": people.study_director}  # fmt: skip
    with pytest.raises(PermissionError, match="after its unblinding is recorded"):
        access.arm_told_by(Reveal(**facts))
    assert access.arm_told_by(Reveal.objects.create(**facts)) == "drug"


def test_a_mouse_is_found_by_members_of_the_roles_asked_for(people):
    mouse = make_mouse(people.study)
    assert access.mouse_or_404(people.technician, mouse.pk) == mouse
    for user in (people.doser, people.outsider, people.superuser):
        with pytest.raises(Http404):
            access.mouse_or_404(user, mouse.pk)
    assert access.mouse_or_404(people.doser, mouse.pk, access.DOSE_SHEET_READERS) == mouse


def test_studies_are_begun_by_directors_and_those_granted_it(people):
    assert {name for name, user in people.everyone().items() if access.may_begin_studies(user)} == {
        "study_director",
        "outsider",  # directs another study
    }
    people.technician.may_begin_studies = True
    assert access.may_begin_studies(people.technician)
    people.technician.is_active = False
    assert not access.may_begin_studies(people.technician) and not access.may_begin_studies(AnonymousUser())


def test_a_status_is_hidden_by_any_study_that_blinds_the_person_and_uses_the_model(people):
    used, planned, free = (make_pdx_model(code) for code in ("BR-1", "BR-2", "BR-3"))
    make_mouse(people.study, pdx_model=used)
    StudyPdxModel.objects.create(study=people.study, pdx_model=planned)
    hidden = {used.pk, planned.pk}
    for name, user in people.everyone().items():
        blind = name in {"technician", "doser", "report_reader"}
        assert access.pdx_models_with_hidden_status(user) == (hidden if blind else set()), name
        assert access.may_overrule_status(user, free) == (name in {"study_director", "outsider"}), name
    people.veterinarian.may_begin_studies = True
    assert access.may_overrule_status(people.veterinarian, used)
    director = people.study_director
    join(director, make_study("PDX-THIRD-01"), Role.TECHNICIAN)
    assert access.may_overrule_status(director, used)
    StudyPdxModel.objects.create(study=Study.objects.get(code="PDX-THIRD-01"), pdx_model=used)
    assert not access.may_overrule_status(director, used) and access.may_overrule_status(director, planned)


def test_a_study_is_listed_by_the_roles_asked_for(people):
    assert access.studies_of(people.technician, access.ENTRY_ROLES).exists()
    assert not access.studies_of(people.technician, access.SET_UP_ROLES).exists()
    assert not access.studies_of(people.superuser, frozenset(Role)).exists()
    assert access.study_or_404(people.technician, "PDX-TEST-01") == people.study


def test_the_roles_held_are_those_of_any_study_while_they_last(people):
    director, first = people.study_director, people.study.pk
    third, fourth = make_study("PDX-THIRD-01"), make_study("PDX-FOURTH-01")
    for study in (third, fourth):
        join(director, study, Role.TECHNICIAN)
    held = {Role.STUDY_DIRECTOR: {first}, Role.TECHNICIAN: {third.pk, fourth.pk}}
    assert access.studies_by_role(director) == held
    assert access.studies_by_role(people.superuser) == access.studies_by_role(AnonymousUser()) == {}
    director.memberships.filter(role=Role.TECHNICIAN).update(is_active=False)
    assert access.studies_by_role(director) == {Role.STUDY_DIRECTOR: {first}}
    director.is_active = False
    assert access.studies_by_role(director) == {}


def test_events_that_may_name_an_arm_are_read_where_arms_are_known(people):
    study = people.study
    subjects = {"mouse": make_mouse(study), "arm": make_arm(study, "drug")}
    with transaction.atomic():
        for name, subject in subjects.items():
            record_event(name, subject, actor=None, at=NOON, chain=study_chain(study), study=study)
        chain = allocation_chain(study)
        record_event("drawn", subjects["mouse"], actor=None, at=NOON, chain=chain, study=study)

    def read() -> dict[str, set[str]]:
        found = {
            name: set(access.events_of(user, study).values_list("action", flat=True))
            for name, user in people.everyone().items()
        }
        return {name: actions for name, actions in found.items() if actions}

    assert read() == {name: {"mouse"} for name in SEES_MEASUREMENTS}
    opened(study, state=StudyState.UNBLINDED)
    assert read() == {name: {"mouse", "arm", "drawn"} for name in SEES_MEASUREMENTS}
