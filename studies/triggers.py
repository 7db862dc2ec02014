"""Database triggers: what must hold even against a query typed by hand, on SQLite and PostgreSQL alike.

Laid after every migrate and looked for by the system check studies.E001. Each trigger is one
`Rule`: on which table, before which act, refused when a condition holds, with a message that says so.
Besides, every sealed table notes which of its rows a transaction wrote, whatever code wrote them, so
that the audit event of the act can seal them, and what each was before, so that a row changed by hand
shows when an act writes it anew (studies/actions/row_seals.py). A program that knows
nothing of this cannot write these tables on SQLite at all: it lacks the function the note calls.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError, transaction
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
    "studies_entrylimits",
    "studies_storedreport",
    "studies_reportfile",
    "studies_welfarealert",
    "studies_alertanswer",
    "studies_photo",
    "studies_dose",
    "studies_formulation",
    "studies_agentlot",
    "studies_unlock",
    "studies_unlockedreading",
)
# Tables whose rows are sealed by the event of the act that wrote them. Readings have seals of their own
# (studies/actions/coverage.py); what only carries a request or counts its failures needs none.
SEALED = (
    "mfa_authenticator",
    "socialaccount_socialaccount",
    "studies_agent",
    "studies_agentlot",
    "studies_alertanswer",
    "studies_allocation",
    "studies_amendment",
    "studies_analysisplan",
    "studies_apitoken",
    "studies_arm",
    "studies_armagent",
    "studies_armmask",
    "studies_cage",
    "studies_cagemove",
    "studies_cohort",
    "studies_deviation",
    "studies_deviation_mice",
    "studies_device",
    "studies_dose",
    "studies_entrykey",
    "studies_entrylimits",
    "studies_exclusion",
    "studies_exit",
    "studies_expectedsigndeclaration",
    "studies_formulation",
    "studies_genotypecall",
    "studies_importbatch",
    "studies_measurementsession",
    "studies_mouse",
    "studies_mousesample",
    "studies_parkedrow",
    "studies_passage",
    "studies_patient",
    "studies_patientsample",
    "studies_pdxmodel",
    "studies_photo",
    "studies_randomization",
    "studies_reportfile",
    "studies_reveal",
    "studies_shift",
    "studies_signature",
    "studies_statusoverrule",
    "studies_storedreport",
    "studies_study",
    "studies_studymembership",
    "studies_studypdxmodel",
    "studies_studytemplate",
    "studies_syringecode",
    "studies_tablet",
    "studies_tumor",
    "studies_unlock",
    "studies_unlockedreading",
    "studies_user",
    "studies_welfarealert",
    "studies_welfarelimits",
)
# Tables that need no seal of a row: the chain itself; readings (studies/actions/coverage.py); how far
# work is; what counts failures or carries a request or an e-mail; groups, which nobody is in: roles are memberships.
UNSEALED = (
    "studies_auditevent",
    "studies_audithead",
    "studies_job",
    "studies_jobworker",
    "studies_letter",
    "studies_measurement",
    "studies_signingfailures",
    "studies_submittedsheet",
    "studies_user_groups",
    "studies_user_user_permissions",
)
# What signing in writes by itself is no act on the record.
UNSEALED_COLUMNS = frozenset({"extra_data", "failures", "last_login", "last_used_at"})
WRITTEN = "studies_written"  # the function a note calls on SQLite
NOTES = "pdx.written"  # where a transaction's notes stand on PostgreSQL
# Where a row of each table finds its study: SQL over {row}, which is NEW or OLD. Once the data were locked under a
# signature, none of these is written, whatever role or route asks (an imported study never was).
BY_MOUSE = "(SELECT study_id FROM studies_mouse WHERE id = {row}.mouse_id)"
BY_ARM = "(SELECT study_id FROM studies_arm WHERE id = {row}.arm_id)"
BY_ALERT = (
    "(SELECT m.study_id FROM studies_mouse m JOIN studies_welfarealert a ON a.mouse_id = m.id"
    " WHERE a.id = {row}.alert_id)"
)
BY_DEVIATION = "(SELECT study_id FROM studies_deviation WHERE id = {row}.deviation_id)"
BY_SESSION = "(SELECT study_id FROM studies_measurementsession WHERE id = {row}.session_id)"
LOCKED_WITH_STUDY = {
    "studies_alertanswer": BY_ALERT,
    "studies_allocation": BY_MOUSE,
    "studies_amendment": "{row}.study_id",
    "studies_analysisplan": "{row}.study_id",
    "studies_arm": "{row}.study_id",
    "studies_armagent": BY_ARM,
    "studies_cage": "{row}.study_id",
    "studies_cagemove": BY_MOUSE,
    "studies_cohort": "{row}.study_id",
    "studies_deviation": "{row}.study_id",
    "studies_deviation_mice": BY_DEVIATION,
    "studies_dose": BY_MOUSE,
    "studies_entrylimits": "{row}.study_id",
    "studies_exclusion": BY_MOUSE,
    "studies_exit": BY_MOUSE,
    "studies_expectedsigndeclaration": "{row}.study_id",
    "studies_formulation": "{row}.study_id",
    "studies_importbatch": "{row}.study_id",
    "studies_measurement": BY_SESSION,
    "studies_measurementsession": "{row}.study_id",
    "studies_mouse": "{row}.study_id",
    "studies_mousesample": BY_MOUSE,
    "studies_photo": BY_MOUSE,
    "studies_randomization": "{row}.study_id",
    "studies_studypdxmodel": "{row}.study_id",
    "studies_syringecode": "{row}.study_id",
    "studies_tumor": BY_MOUSE,
    "studies_welfarealert": BY_MOUSE,
    "studies_welfarelimits": "{row}.study_id",
}
IS_LOCKED = (
    "EXISTS (SELECT 1 FROM studies_study locked WHERE locked.id = {study}"
    " AND (locked.state IN ('data_locked', 'archived')"
    " OR (locked.state = 'unblinded' AND EXISTS (SELECT 1 FROM studies_signature signed"
    " WHERE signed.study_id = locked.id AND signed.act = 'data_lock'))))"
)
# Two people opened a reading for a while: its one further revision, and the alerts that
# revision raises or closes.
NOW, LATEST_END = "@now", "@latest_end"
UNLOCK_HOURS = 72
STILL_OPEN = (
    "EXISTS (SELECT 1 FROM studies_unlockedreading r JOIN studies_unlock u ON u.id = r.unlock_id"
    f" JOIN studies_study s ON s.id = u.study_id WHERE s.state <> 'archived' AND u.ends_at > {NOW}"
    " AND r.mouse_id = "
)
UNLOCKED = {
    "measurement_locked_insert": f"{STILL_OPEN} NEW.mouse_id AND r.session_id = NEW.session_id"
    " AND r.tumor_number = NEW.tumor_number AND r.replicate = NEW.replicate AND r.revision = NEW.revision)",
    "welfarealert_locked_insert": f"{STILL_OPEN} NEW.mouse_id)",
    "alertanswer_locked_insert": f"{STILL_OPEN} (SELECT mouse_id FROM studies_welfarealert"
    " WHERE id = NEW.alert_id))",
}
TWO_SIGNED = (
    "EXISTS (SELECT 1 FROM studies_signature asked, studies_signature said"
    " WHERE asked.id = NEW.request_id AND said.id = NEW.approval_id"
    " AND asked.act = 'unlock_request' AND said.act = 'unlock' AND asked.signer_id <> said.signer_id"
    " AND asked.study_id = NEW.study_id AND said.study_id = NEW.study_id)"
)
STUDY_FACTS = (
    "code",
    "title",
    "protocol_number",
    "origin",
    "is_blinded",
    "biomarker",
    "volume_formula",
    "tumor_rule",
    "lod_mm3",
    "day0_rule",
    "enrollment_min_mm3",
    "enrollment_max_mm3",
    "schedule_days",
    "time_zone",
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
    for table, study in LOCKED_WITH_STUDY.items():
        for act in ("insert", "update", "delete"):
            place = study.format(row="NEW" if act == "insert" else "OLD")
            message = f"the study is locked: nothing of {table} is written"
            name = f"{table.removeprefix('studies_')}_locked_{act}"
            opened = f" AND NOT {UNLOCKED[name]}" if name in UNLOCKED else ""
            yield Rule(name, table, act, message, IS_LOCKED.format(study=place) + opened)
    yield Rule(
        "unlock_by_two_for_a_while",
        "studies_unlock",
        "insert",
        f"unlocking takes two people who signed, and at most {UNLOCK_HOURS} hours",
        f"NOT {TWO_SIGNED} OR NEW.ends_at > {LATEST_END}",
    )
    yield Rule(
        "unlock_names_its_readings_once",
        "studies_unlockedreading",
        "insert",
        "an unlock opens the readings it was approved for and no more, all of its study",
        "(SELECT COUNT(*) FROM studies_unlockedreading r WHERE r.unlock_id = NEW.unlock_id)"
        " >= (SELECT reading_count FROM studies_unlock WHERE id = NEW.unlock_id)"
        " OR (SELECT study_id FROM studies_mouse WHERE id = NEW.mouse_id)"
        " <> (SELECT study_id FROM studies_unlock WHERE id = NEW.unlock_id)",
    )
    changed = " OR ".join(f"NEW.{name} <> OLD.{name}" for name in STUDY_FACTS)
    yield Rule(
        "study_facts_locked",
        "studies_study",
        "update",
        "the study is locked: nothing of its protocol is written",
        f"({changed}) AND {IS_LOCKED.format(study='OLD.id')}",
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
    """Lay every trigger afresh, all in one transaction: what stood stays until all are laid."""
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        drop(connection)
        for rule in RULES:
            for statement in _create(rule, connection.vendor):
                cursor.execute(statement)
        for table in SEALED:
            for statement in _create_notes(connection, cursor, table):
                cursor.execute(statement)


def drop(connection: BaseDatabaseWrapper) -> None:
    """Take every trigger away: for a migration that rewrites a guarded table, and for tests that reset."""
    with connection.cursor() as cursor:
        for rule in RULES:
            for statement in _drop(rule, connection.vendor):
                cursor.execute(statement)
        for name, table in _note_names():
            on = f" ON {table}" if connection.vendor == "postgresql" else ""
            cursor.execute(f"DROP TRIGGER IF EXISTS {name}{on}")


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
    return [name for name in names(connection.vendor) if name not in present]


def names(vendor: str) -> list[str]:
    """Every trigger there should be."""
    guards = [name for rule in RULES for name in _names(rule, vendor)]
    return guards + [name for name, table in _note_names()]


def take_notes(connection: BaseDatabaseWrapper) -> dict[tuple[str, int], Any]:
    """The rows of sealed tables (table, id) that this transaction wrote and nobody took yet.

    With each what it was before the first of these writes, for `rows_before`; None where there was none.
    """
    if connection.vendor == "sqlite":
        return _notes_of(connection).take()
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting(%s, true), set_config(%s, '', true)", [NOTES, NOTES])
        text = cursor.fetchone()[0] or ""
    notes: dict[tuple[str, int], Any] = {}
    for note in text.split("\n")[:-1]:
        table, key, before = note.split(":", 2)
        notes.setdefault((table, int(key)), before or None)
    return notes


def rows_before(
    connection: BaseDatabaseWrapper, table: str, columns: Sequence[str], notes: Iterable[Any]
) -> list[Sequence[Any]]:
    """Rows of one table as taken notes tell them, in these columns, as a cursor would give them."""
    if connection.vendor == "sqlite":
        return [[before[name] for name in columns] for before in notes]
    names = ", ".join(connection.ops.quote_name(name) for name in columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {names} FROM jsonb_populate_recordset(NULL::{table}, %s)", [f"[{','.join(notes)}]"]
        )
        return cursor.fetchall()


class _Notes:
    """What one SQLite connection's open transaction wrote; forgotten where that transaction ended."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection, self.rows = connection, {}

    def __call__(self, table: str, key: int, columns: str = "", *before: Any) -> None:
        if not self.connection.in_atomic_block:
            return
        self._forget_other_transactions()
        self.rows.setdefault((table, key), dict(zip(columns.split(), before, strict=True)) or None)

    def take(self) -> dict[tuple[str, int], Any]:
        self._forget_other_transactions()
        taken, self.rows = self.rows, {}
        return taken

    def _forget_other_transactions(self) -> None:
        # What waits for the commit is gone after commit and rollback alike, so it tells one from the next.
        if not any(waiting[1] == self._end for waiting in self.connection.run_on_commit):
            self.rows = {}
            if self.connection.in_atomic_block:
                self.connection.on_commit(self._end)

    def _end(self) -> None:
        self.rows = {}


def _notes_of(connection: BaseDatabaseWrapper) -> _Notes:
    if not hasattr(connection, "studies_notes"):
        connection.studies_notes = _Notes(connection)
    return connection.studies_notes


def hear_notes(connection: BaseDatabaseWrapper, **kwargs) -> None:
    """Give a new SQLite connection the function that the notes call."""
    if connection.vendor == "sqlite":
        connection.connection.create_function(WRITTEN, -1, _notes_of(connection))


def _note_names() -> list[tuple[str, str]]:
    acts = ("insert", "update", "delete")
    return [(f"{PREFIX}{table}_noted_{act}", table) for table in SEALED for act in acts]


def _create_notes(connection: BaseDatabaseWrapper, cursor, table: str) -> list[str]:
    """A note at every insert and delete, and at an update that changes a sealed column."""
    if connection.vendor == "postgresql":
        return _create_postgresql_notes(table)
    cursor.execute("SELECT name FROM pragma_table_info(%s)", [table])
    columns = [name for (name,) in cursor.fetchall() if name not in UNSEALED_COLUMNS]
    old, new = (", ".join(f'{side}."{name}"' for name in columns) for side in ("OLD", "NEW"))
    before = f"OLD.id, '{' '.join(columns)}', {old}"
    noted = {
        "insert": ("", "NEW.id"),
        "delete": ("", before),
        "update": (f"WHEN ({old}) IS NOT ({new})", before),
    }
    return [
        f"CREATE TRIGGER {PREFIX}{table}_noted_{act} AFTER {act.upper()} ON {table} FOR EACH ROW {condition} "
        f"BEGIN SELECT {WRITTEN}('{table}', {what}); END"
        for act, (condition, what) in noted.items()
    ]


def _create_postgresql_notes(table: str) -> list[str]:
    unsealed = "".join(f" - '{name}'" for name in sorted(UNSEALED_COLUMNS))
    changed = f"WHEN (to_jsonb(OLD){unsealed} IS DISTINCT FROM to_jsonb(NEW){unsealed})"
    when = {"insert": "", "delete": "", "update": changed}
    function = f"{PREFIX}note"
    return [
        f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE note text; BEGIN "
        "IF TG_OP = 'INSERT' THEN note := NEW.id || ':'; ELSE note := OLD.id || ':' || to_jsonb(OLD)::text; END IF; "
        f"PERFORM set_config('{NOTES}', coalesce(current_setting('{NOTES}', true), '') || "
        "TG_TABLE_NAME || ':' || note || chr(10), true); RETURN NULL; END $$",
        *(
            f"CREATE TRIGGER {PREFIX}{table}_noted_{act} AFTER {act.upper()} ON {table} FOR EACH ROW {condition} "
            f"EXECUTE FUNCTION {function}()"
            for act, condition in when.items()
        ),
    ]


def drop_before_migrate(using: str, plan: Iterable, **kwargs) -> None:
    """SQLite renames a table it rebuilds, which a trigger that speaks of another one forbids; laid again afterwards."""
    from django.db import connections

    connection = connections[using]
    if connection.vendor == "sqlite" and list(plan):
        drop(connection)


@contextmanager
def kept_where_it_fails(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Around a migration: one that fails leaves the triggers that stood, but for those whose table is gone."""
    stood = _statements(connection) if connection.vendor == "sqlite" else []
    try:
        yield
    except BaseException:
        for statement in stood:
            with suppress(DatabaseError), connection.cursor() as cursor:  # refused where it stands already
                cursor.execute(statement)
        raise


def _statements(connection: BaseDatabaseWrapper) -> list[str]:
    """What made the triggers that stand in an SQLite database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT sql FROM sqlite_master WHERE type = 'trigger'")
        return [sql for (sql,) in cursor.fetchall()]


def install_after_migrate(using: str, **kwargs) -> None:
    from django.db import connections

    connection = connections[using]
    wanted = {rule.table for rule in RULES} | set(SEALED)
    if wanted <= set(connection.introspection.table_names()):
        install(connection)


def _names(rule: Rule, vendor: str) -> list[str]:
    names = [PREFIX + rule.name]
    if vendor == "postgresql" and rule.act == "delete":
        names.append(PREFIX + rule.name + "_truncate")
    return names


def _create(rule: Rule, vendor: str) -> list[str]:
    name, act = PREFIX + rule.name, rule.act.upper()
    condition = _with_times(rule.condition, vendor)
    when = f"WHEN ({condition})" if condition else ""
    if vendor == "sqlite":
        return [
            f"CREATE TRIGGER {name} BEFORE {act} ON {rule.table} FOR EACH ROW {when} "
            f"BEGIN SELECT RAISE(ABORT, '{rule.message}'); END"
        ]
    # PostgreSQL allows no subquery in WHEN, so the condition moves into the function.
    test = f"IF {condition} THEN RAISE EXCEPTION '{rule.message}' USING ERRCODE = '23000'; END IF;"
    refusal = f"RAISE EXCEPTION '{rule.message}' USING ERRCODE = '23000';"
    result = "OLD" if rule.act == "delete" else "NEW"
    statements = [
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"{test if condition else refusal} RETURN {result}; END $$",
        f"CREATE TRIGGER {name} BEFORE {act} ON {rule.table} FOR EACH ROW EXECUTE FUNCTION {name}()",
    ]
    if rule.act == "delete":  # TRUNCATE fires no row trigger
        statements.append(
            f"CREATE TRIGGER {name}_truncate BEFORE TRUNCATE ON {rule.table} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
        )
    return statements


def _with_times(condition: str, vendor: str) -> str:
    """The condition with the database's own clock in it: nobody's program says what time it is."""
    latest = f"{UNLOCK_HOURS + 1} hours"  # the two clocks may differ a little
    now, end = {
        "sqlite": (
            "strftime('%Y-%m-%d %H:%M:%f', 'now')",
            f"strftime('%Y-%m-%d %H:%M:%f', 'now', '+{latest}')",
        ),
        "postgresql": ("clock_timestamp()", f"clock_timestamp() + interval '{latest}'"),
    }[vendor]
    return condition.replace(NOW, now).replace(LATEST_END, end)


def _drop(rule: Rule, vendor: str) -> list[str]:
    name = PREFIX + rule.name
    if vendor == "sqlite":
        return [f"DROP TRIGGER IF EXISTS {name}"]
    return [f"DROP FUNCTION IF EXISTS {name}() CASCADE"]
