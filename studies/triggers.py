"""Database triggers: what must hold even against a query typed by hand, on SQLite and PostgreSQL alike.

Laid after every migrate and looked for by the system check studies.E001. Each trigger is one
`Rule`: on which table, before which act, refused when a condition holds, with a message that says so.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.backends.base.base import BaseDatabaseWrapper

PREFIX = "studies_guard_"
APPEND_ONLY = (
    "studies_measurement",
    "studies_importbatch",
    "studies_allocation",
    "studies_randomization",
    "studies_syringecode",
    "studies_auditevent",
    "studies_armmask",
    "studies_reveal",
    "studies_signature",
    "studies_amendment",
    "studies_deviation",
    "studies_storedreport",
    "studies_reportfile",
)
UNDER_WAY = "(SELECT state FROM studies_study WHERE id = OLD.study_id) <> 'draft'"


@dataclass(frozen=True)
class Rule:
    """Refuse `act` (insert, update, delete) on a row of `table` when `condition` (SQL over NEW/OLD) holds."""

    name: str
    table: str
    act: str
    message: str
    condition: str = ""


def _rules() -> Iterable[Rule]:
    for table in APPEND_ONLY:
        for act in ("update", "delete"):
            yield Rule(f"{table}_no_{act}", table, act, f"{table} is append-only: no {act}")
    yield Rule("audithead_no_delete", "studies_audithead", "delete", "an audit head is never deleted")
    yield Rule(
        "audithead_only_grows",
        "studies_audithead",
        "update",
        "an audit chain only grows",
        "NEW.count <= OLD.count OR NEW.chain <> OLD.chain",
    )
    yield Rule(
        "parkedrow_no_delete", "studies_parkedrow", "delete", "a parked row is decided on, never deleted"
    )
    yield Rule(
        "parkedrow_settled_once",
        "studies_parkedrow",
        "update",
        "a parked row is decided on once",
        "OLD.outcome <> 'waiting' OR NEW.client_id <> OLD.client_id OR NEW.row <> OLD.row",
    )
    yield Rule(
        "formula_locked",
        "studies_study",
        "update",
        "the volume formula is locked: the study holds measurements",
        "NEW.volume_formula <> OLD.volume_formula AND EXISTS (SELECT 1 FROM studies_measurement m"
        " JOIN studies_measurementsession s ON s.id = m.session_id WHERE s.study_id = OLD.id)",
    )
    yield Rule(
        "formula_fixed_by_activation",
        "studies_study",
        "update",
        "the volume formula is fixed: the study was activated",
        "NEW.volume_formula <> OLD.volume_formula AND OLD.state <> 'draft'",
    )
    for act in ("update", "delete"):
        yield Rule(
            f"locked_plan_no_{act}",
            "studies_analysisplan",
            act,
            "a locked analysis plan stays as it is; amend it by a further version",
            "OLD.locked_at IS NOT NULL",
        )
        yield Rule(
            f"limits_in_force_no_{act}",
            "studies_welfarelimits",
            act,
            "limits of an activated study stay as they are; amend them by a further version",
            UNDER_WAY,
        )
    yield Rule(
        "blinding_of_allocated_study",
        "studies_study",
        "update",
        "a study with an allocation is opened by unblinding it, not by unticking blinded",
        "OLD.is_blinded AND NOT NEW.is_blinded AND EXISTS (SELECT 1 FROM studies_allocation a"
        " JOIN studies_arm r ON r.id = a.arm_id WHERE r.study_id = OLD.id)",
    )
    for table in ("studies_mouse", "studies_measurementsession", "studies_arm"):
        message = f"a row of {table} never moves to another study"
        yield Rule(f"{table}_stays", table, "update", message, "NEW.study_id <> OLD.study_id")
    yield Rule(
        "measurement_of_one_study",
        "studies_measurement",
        "insert",
        "the mouse and the session belong to different studies",
        "(SELECT study_id FROM studies_mouse WHERE id = NEW.mouse_id)"
        " <> (SELECT study_id FROM studies_measurementsession WHERE id = NEW.session_id)",
    )
    yield Rule(
        "allocation_of_one_study",
        "studies_allocation",
        "insert",
        "the mouse and the arm belong to different studies",
        "(SELECT study_id FROM studies_mouse WHERE id = NEW.mouse_id)"
        " <> (SELECT study_id FROM studies_arm WHERE id = NEW.arm_id)",
    )


RULES: tuple[Rule, ...] = tuple(_rules())


def install(connection: BaseDatabaseWrapper) -> None:
    """Lay every trigger afresh."""
    drop(connection)
    with connection.cursor() as cursor:
        for rule in RULES:
            for statement in _create(rule, connection.vendor):
                cursor.execute(statement)


def drop(connection: BaseDatabaseWrapper) -> None:
    """Take every trigger away: for a migration that rewrites a guarded table, and for tests that reset."""
    with connection.cursor() as cursor:
        for rule in RULES:
            for statement in _drop(rule, connection.vendor):
                cursor.execute(statement)


def missing(connection: BaseDatabaseWrapper) -> list[str]:
    """Names of the triggers that should be there and are not (or are switched off)."""
    query = (
        "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        if connection.vendor == "sqlite"
        else "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled IN ('O', 'A')"
    )
    with connection.cursor() as cursor:
        cursor.execute(query)
        present = {row[0] for row in cursor.fetchall()}
    return [name for rule in RULES for name in _names(rule, connection.vendor) if name not in present]


def install_after_migrate(using: str, **kwargs) -> None:
    from django.db import connections

    connection = connections[using]
    wanted = {rule.table for rule in RULES}
    if wanted <= set(connection.introspection.table_names()):
        install(connection)


def _names(rule: Rule, vendor: str) -> list[str]:
    names = [PREFIX + rule.name]
    if vendor == "postgresql" and rule.act == "delete":
        names.append(PREFIX + rule.name + "_truncate")
    return names


def _create(rule: Rule, vendor: str) -> list[str]:
    name, act = PREFIX + rule.name, rule.act.upper()
    when = f"WHEN ({rule.condition})" if rule.condition else ""
    if vendor == "sqlite":
        return [
            f"CREATE TRIGGER {name} BEFORE {act} ON {rule.table} FOR EACH ROW {when} "
            f"BEGIN SELECT RAISE(ABORT, '{rule.message}'); END"
        ]
    # PostgreSQL allows no subquery in WHEN, so the condition moves into the function.
    test = f"IF {rule.condition} THEN RAISE EXCEPTION '{rule.message}' USING ERRCODE = '23000'; END IF;"
    refusal = f"RAISE EXCEPTION '{rule.message}' USING ERRCODE = '23000';"
    result = "OLD" if rule.act == "delete" else "NEW"
    statements = [
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"{test if rule.condition else refusal} RETURN {result}; END $$",
        f"CREATE TRIGGER {name} BEFORE {act} ON {rule.table} FOR EACH ROW EXECUTE FUNCTION {name}()",
    ]
    if rule.act == "delete":  # TRUNCATE fires no row trigger
        statements.append(
            f"CREATE TRIGGER {name}_truncate BEFORE TRUNCATE ON {rule.table} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
        )
    return statements


def _drop(rule: Rule, vendor: str) -> list[str]:
    name = PREFIX + rule.name
    if vendor == "sqlite":
        return [f"DROP TRIGGER IF EXISTS {name}"]
    return [f"DROP FUNCTION IF EXISTS {name}() CASCADE"]
