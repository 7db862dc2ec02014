"""Constraints of the rest of the record, and what is derived from it."""

from datetime import UTC, datetime

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import IntegrityError, models, transaction
from django.db.models import ProtectedError

from studies.models import (
    Allocation,
    Arm,
    AuditEvent,
    AuditHead,
    Cage,
    GenotypeCall,
    Measurement,
    MeasurementSession,
    Mouse,
    PdxModel,
    Randomization,
    Signature,
    SigningFailures,
    StatusOverrule,
    Study,
    SyringeCode,
    Unlock,
    UnlockedReading,
    User,
    WelfareLimits,
)
from tests.factories import make_arm, make_measurement, make_mouse, make_pdx_model, make_session, make_study

pytestmark = pytest.mark.django_db
SCIENCE = [
    model
    for model in Study._meta.apps.get_app_config("studies").get_models()
    if not model._meta.auto_created and model.__name__ != "User"
]


def test_the_migrations_make_the_tables_that_the_code_describes():
    call_command("makemigrations", check=True, dry_run=True, verbosity=1)


@pytest.mark.parametrize("model", SCIENCE, ids=lambda model: model.__name__)
def test_every_relation_into_the_record_protects_what_it_points_at(model):
    for field in model._meta.concrete_fields:
        if field.remote_field:
            assert field.remote_field.on_delete is models.PROTECT, f"{model.__name__}.{field.name}"


def test_a_study_with_data_cannot_be_deleted(study):
    make_measurement(make_session(study), make_mouse(study))
    with pytest.raises(ProtectedError):
        study.delete()


@pytest.mark.parametrize(
    ("classes", "status"),
    [
        ([], "unknown"),
        (["wild_type"], "wild_type"),
        (["wild_type", "uncertain"], "uncertain"),
        (["wild_type", "loss_of_function", "uncertain"], "loss_of_function"),
    ],
)
def test_map2k4_status_follows_from_the_calls(classes, status):
    pdx_model = make_pdx_model()
    for functional_class in classes:
        GenotypeCall.objects.create(pdx_model=pdx_model, functional_class=functional_class)
    GenotypeCall.objects.create(pdx_model=pdx_model, gene="KRAS", functional_class="loss_of_function")
    assert pdx_model.map2k4_status == status


def test_an_overrule_outranks_the_calls_and_needs_a_reason():
    pdx_model = make_pdx_model(status="loss_of_function")
    with pytest.raises(IntegrityError), transaction.atomic():
        StatusOverrule.objects.create(pdx_model=pdx_model, status="wild_type", reason="")
    StatusOverrule.objects.create(pdx_model=pdx_model, status="wild_type", reason="protein present by IHC")
    assert PdxModel.objects.get().map2k4_status == "wild_type"


def test_a_knockout_names_its_parent_and_the_two_are_a_pair():
    parent = make_pdx_model("HCT116", kind="cell_line")
    with pytest.raises(IntegrityError), transaction.atomic():
        make_pdx_model("HCT116-KO", kind="cell_line_knockout")
    knockout = make_pdx_model("HCT116-KO", kind="cell_line_knockout", parent=parent, clone="c3")
    assert knockout.pair == parent.pair == "HCT116"


def test_a_call_names_a_passage_of_its_own_model():
    passage = make_pdx_model("BR-102").passages.create(number=3)
    call = GenotypeCall(pdx_model=make_pdx_model(), functional_class="wild_type", passage_tested=passage)
    with pytest.raises(ValidationError, match="another PDX model"):
        call.full_clean()


@pytest.mark.parametrize(
    "fields",
    [
        {"state": "running"},
        {"volume_formula": "cube"},
        {"enrollment_min_mm3": 200, "enrollment_max_mm3": 100},
        {"lod_mm3": -1},
    ],
    ids=str,
)
def test_a_study_that_cannot_be_is_refused_by_the_database(fields):
    with pytest.raises(IntegrityError), transaction.atomic():
        make_study(**fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"time_zone": "Mars/Olympus"}, "no time zone"),
        ({"schedule_days": [0, 3, 3]}, "twice"),
        ({"schedule_days": "0, 3"}, "list of study days"),
        ({"schedule_days": [0, 3.5]}, "list of study days"),
    ],
)
def test_a_setting_of_the_wrong_kind_is_refused_with_a_reason(fields, message):
    with pytest.raises(ValidationError, match=message):
        Study(code="X", title="x", **fields).full_clean()


def test_a_warning_comes_before_its_limit(study):
    with pytest.raises(IntegrityError), transaction.atomic():
        WelfareLimits.objects.create(
            study=study, weight_loss_warning_percent=25, weight_loss_limit_percent=20, reason="x"
        )


def test_arms_are_named_once_in_a_study_and_again_in_another(study):
    make_arm(study)
    with pytest.raises(IntegrityError), transaction.atomic():
        make_arm(study)
    make_arm(make_study("PDX-TEST-02"))


def test_an_arm_is_compared_with_a_control_of_its_own_study(study):
    arm = make_arm(study, "binimetinib", "single_agent")
    arm.control = make_arm(make_study("PDX-TEST-02"))
    with pytest.raises(ValidationError, match="another study"):
        arm.full_clean()
    arm.control = arm
    with pytest.raises(IntegrityError), transaction.atomic():
        arm.save()


def test_an_ear_tag_is_unique_in_its_cage_alone(study):
    here, there = (Cage.objects.create(study=study, code=code) for code in ("B1", "B2"))
    make_mouse(study, "M001", cage=here, ear_tag="3L")
    with pytest.raises(IntegrityError), transaction.atomic():
        make_mouse(study, "M002", cage=here, ear_tag="3L")
    make_mouse(study, "M003", cage=there, ear_tag="3L")
    make_mouse(study, "M004", cage=here)
    make_mouse(study, "M005", cage=here)


def test_a_cage_of_another_study_is_refused_by_name(study):
    mouse = Mouse(study=study, pdx_model=make_pdx_model(), label="M001")
    mouse.cage = Cage.objects.create(study=make_study("PDX-TEST-02"), code="B1")
    with pytest.raises(ValidationError, match="another study"):
        mouse.full_clean()


def test_a_session_has_a_day_and_a_day_has_one_session(study):
    with pytest.raises(IntegrityError), transaction.atomic():
        MeasurementSession.objects.create(study=study)
    make_session(study, 3)
    with pytest.raises(IntegrityError), transaction.atomic():
        make_session(study, 3)


def test_nothing_about_a_mouse_tells_its_arm():
    assert not [field.name for field in Mouse._meta.concrete_fields if field.related_model is Arm]
    assert not [field.name for field in Measurement._meta.concrete_fields if field.related_model is Arm]


def test_rows_of_the_trail_and_of_the_allocation_name_themselves_and_no_arm():
    study, at = Study(code="PDX-1"), datetime(2026, 6, 1, 12, tzinfo=UTC)
    signature = Signature(act="data_lock", meaning="approved", signer_name="Dr. Rivera")
    reading = UnlockedReading(mouse_id=17, session_id=3, revision=2)
    assert [str(row) for row in (
        AuditEvent(chain="study:1", sequence=3, action="noted"), AuditHead(chain="study:1", count=3), signature,
        SigningFailures(user=User(username="head"), count=2), Unlock(study=study, granted_at=at), reading,
        Randomization(study=study, method="minimization"), SyringeCode(arm_id=4), Allocation(mouse_id=17),
    )] == [
        "study:1 #3 noted", "study:1: 3 events", "lock of the data, approved by Dr. Rivera", "head: 2 failed signings",
        "PDX-1, unlocked 2026-06-01 12:00", "17 in session 3, revision 2",
        "PDX-1 randomization, minimization", "syringe code of arm 4", "allocation of 17",
    ]  # fmt: skip
