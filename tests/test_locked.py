"""A locked study has no write path at all: the database refuses, whatever screen, import, API or query asks."""

from datetime import UTC, date, datetime

import pytest
from django.db import DatabaseError, connection, transaction

from studies import triggers
from studies.actions.acceptance import plant_acceptance
from studies.models import (
    AgentLot,
    AlertAnswer,
    Amendment,
    CageMove,
    Deviation,
    Dose,
    EntryLimits,
    Exclusion,
    Exit,
    ExpectedSignDeclaration,
    Formulation,
    ImportBatch,
    MouseSample,
    Photo,
    Randomization,
    Signature,
    Study,
    StudyMembership,
    StudyPdxModel,
    User,
    WelfareAlert,
)
from studies.terms import StudyState

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 6, 10, 10, tzinfo=UTC)


@pytest.fixture
def whole(db) -> Study:
    """An active study with a row in every table that is locked with it."""
    plant_acceptance(3, now=NOW)
    study, user = Study.objects.get(code="ACC-OPEN"), User.objects.get(username="acc_director")
    mouse = study.mice.first()
    common = {"study": study}
    day = study.sessions.first()
    WelfareAlert.objects.create(**common, mouse=mouse, **fill(WelfareAlert, user, session=day))
    AlertAnswer.objects.create(**fill(AlertAnswer, user, is_acknowledgement=True))
    Amendment.objects.create(**common, **fill(Amendment, user))
    CageMove.objects.create(mouse=mouse, **fill(CageMove, user, to_cage=study.cages.first(), from_cage=None))
    Deviation.objects.create(**common, **fill(Deviation, user, impact="minor")).mice.add(mouse)
    AgentLot.objects.create(**fill(AgentLot, user))
    Formulation.objects.create(**common, **fill(Formulation, user))
    Dose.objects.create(**common, mouse=mouse, **fill(Dose, user, given_ml=1, outcome="given"))
    EntryLimits.objects.create(**common, reason="x", set_at=NOW)
    Exclusion.objects.create(mouse=mouse, **fill(Exclusion, user))
    Exit.objects.create(mouse=mouse, **fill(Exit, user, day=3))
    ExpectedSignDeclaration.objects.create(**common, **fill(ExpectedSignDeclaration, user))
    ImportBatch.objects.create(**common, **fill(ImportBatch, user))
    MouseSample.objects.create(mouse=mouse, **fill(MouseSample, user))
    Photo.objects.create(mouse=mouse, **fill(Photo, user))
    Randomization.objects.create(**common, **fill(Randomization, user))
    StudyPdxModel.objects.create(**common, **fill(StudyPdxModel, user, pdx_model=mouse.pdx_model))
    return study


def fill(model, user: User, **given) -> dict:
    """Something for every field that a row of the model needs."""
    values = {}
    for field in model._meta.concrete_fields:
        if field.name in given:
            values[field.name] = given[field.name]
        elif (
            field.primary_key
            or field.has_default()
            or field.null
            or field.blank
            or field.name in ("study", "mouse")
        ):
            continue
        elif field.related_model is User:
            values[field.name] = user
        elif field.related_model:
            values[field.name] = field.related_model._base_manager.first()
        elif field.choices:
            values[field.name] = field.choices[0][0]
        else:
            kind = field.get_internal_type()
            values[field.name] = {"DateTimeField": NOW, "DateField": date(2026, 6, 10), "JSONField": {}}.get(
                kind, 1 if "Integer" in kind or "Float" in kind else "x"
            )
    return values


def attempts(table: str, study: Study) -> dict[str, str]:
    """One statement of each kind upon a row of the study."""
    with connection.cursor() as cursor:
        columns = [one.name for one in connection.introspection.get_table_description(cursor, table)]
    names = ", ".join(f'"{name}"' for name in columns if name != "id")
    own = f"{triggers.LOCKED_WITH_STUDY[table].format(row=table)} = {study.pk}"
    return {
        "insert": f"INSERT INTO {table} ({names}) SELECT {names} FROM {table} WHERE {own} LIMIT 1",
        "update": f"UPDATE {table} SET id = id WHERE {own}",
        "delete": f"DELETE FROM {table} WHERE {own}",
    }


def refusals(study: Study) -> dict[str, str]:
    """ "table act" -> what the database said to it; empty where it was done."""
    said = {}
    for table in triggers.LOCKED_WITH_STUDY:
        for act, statement in attempts(table, study).items():
            said[f"{table} {act}"] = ""
            try:
                with transaction.atomic(), connection.cursor() as cursor:
                    cursor.execute(statement)
                    assert cursor.rowcount != 0, f"no row of {table} to try on"
                    transaction.set_rollback(True)
            except DatabaseError as error:
                said[f"{table} {act}"] = str(error)
    return said


@pytest.mark.parametrize("state", [StudyState.DATA_LOCKED, StudyState.UNBLINDED, StudyState.ARCHIVED])
def test_no_statement_writes_a_row_of_a_locked_study(whole, state):
    Signature.objects.create(study=whole, act="data_lock", **{
        name: value for name, value in fill(Signature, User.objects.get(username="acc_director")).items()
        if name not in ("act", "study")
    })  # fmt: skip
    Study.objects.filter(pk=whole.pk).update(state=state)
    done = [
        attempt for attempt, said in refusals(whole).items()
        if "the study is locked" not in said and "append-only" not in said
        and "stay as they are" not in said and "stays as it is" not in said
    ]  # fmt: skip
    assert done == []
    for change in (
        {"lod_mm3": 20},
        {"volume_formula": "pi6_lw2"},
        {"time_zone": "Asia/Tokyo"},
        {"code": "X"},
    ):
        with pytest.raises(DatabaseError, match="locked|fixed"), transaction.atomic():
            Study.objects.filter(pk=whole.pk).update(**change)


def test_while_it_is_active_the_same_rows_are_taken(whole):
    """The attempts above fail for the lock and not for themselves: here only other guards refuse some."""
    assert [attempt for attempt, said in refusals(whole).items() if "the study is locked" in said] == []
    taken = [attempt for attempt, said in refusals(whole).items() if not said]
    assert {"studies_mouse update", "studies_exit update", "studies_measurementsession update"} <= set(taken)


def test_people_come_and_go_and_an_imported_study_is_not_locked(whole):
    user = User.objects.get(username="acc_outsider")
    Study.objects.filter(pk=whole.pk).update(state=StudyState.DATA_LOCKED)
    StudyMembership.objects.create(study=whole, user=user, role="statistician")
    other = Study.objects.get(code="ACC-BLIND")
    Study.objects.filter(pk=other.pk).update(
        state=StudyState.UNBLINDED
    )  # as an import leaves it: no lock was signed
    other.mice.update(strain="NOG")
