"""Tampering beneath the audit: each attempt is stopped by the database or named by verify_audit, on both databases."""

import hashlib
import hmac
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.db import DatabaseError, connection, transaction

from studies import triggers
from studies.actions import anchors, audit, row_seals
from studies.actions.acceptance import plant_acceptance
from studies.actions.audit import BrokenLink
from studies.actions.coverage import broken_links
from studies.actions.seal_tables import seal_tables_of_before
from studies.models import Allocation, AuditEvent, AuditHead, Cage, Device, Mouse, Study, StudyMembership
from tests.factories import make_study
from tests.support.released_state import write_rows

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 6, 10, 10, tzinfo=UTC)


@pytest.fixture
def record(db) -> str:
    """A record of two studies, measured and allocated; returns the chain of the first."""
    plant_acceptance(3, now=NOW)
    anchors.write_anchor("backup", NOW)
    return audit.study_chain(Study.objects.get(code="ACC-BLIND"))


def run_sql(statement: str, *values) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, values)


def after(*statements: str) -> list[BrokenLink]:
    """What is found after statements of someone who took every trigger away; undone at the end."""
    with transaction.atomic():
        triggers.drop(connection)
        for statement in statements:
            run_sql(statement)
        found = broken_links()
        transaction.set_rollback(True)
    return found


def reasons() -> list[str]:
    return [link.reason for link in broken_links()]


def test_an_untouched_record_is_intact(record):
    assert broken_links() == []


def test_a_query_by_hand_is_stopped_where_rows_only_ever_come(record):
    for statement in (
        "UPDATE studies_auditevent SET reason = 'tidied'",
        "DELETE FROM studies_auditevent",
        "DELETE FROM studies_audithead",
        "UPDATE studies_audithead SET count = count - 1",
        "UPDATE studies_allocation SET arm_id = arm_id + 1",
        "DELETE FROM studies_allocation",
        "UPDATE studies_measurement SET weight_g = 30",
    ):
        with pytest.raises(DatabaseError):
            run_sql(statement)


@pytest.mark.sqlite_only
def test_another_program_cannot_write_a_sealed_table(record):
    """It lacks the function that notes what was written, so SQLite refuses its statement."""
    import sqlite3

    with sqlite3.connect(":memory:") as other:
        other.execute("CREATE TABLE studies_mouse (id INTEGER PRIMARY KEY, label TEXT)")
        other.execute(
            f"CREATE TRIGGER noted AFTER UPDATE ON studies_mouse BEGIN SELECT {triggers.WRITTEN}('m', 1); END"
        )
        with pytest.raises(sqlite3.OperationalError, match="no such function"):
            other.execute("UPDATE studies_mouse SET label = 'M99'")


SWAP = """UPDATE studies_allocation SET arm_id = (SELECT MIN(arm_id) + MAX(arm_id) FROM studies_allocation
    WHERE id IN ({0}, {1})) - arm_id WHERE id IN ({0}, {1})"""
EDITS = {
    "a state set by hand": ("UPDATE studies_study SET state = 'unblinded' WHERE code = 'ACC-BLIND'", "study"),
    "a mouse renamed": ("UPDATE studies_mouse SET label = 'M99' WHERE label = 'M01'", "mouse"),
    "an arm's role turned": ("UPDATE studies_arm SET role = 'vehicle'", "arm"),
    "a role given": ("UPDATE studies_studymembership SET role = 'study_director' WHERE role = 'technician'",
                     "study member"),
    "a person made administrator": ("UPDATE studies_user SET is_superuser = NOT is_superuser", "user"),
    "a session moved": ("UPDATE studies_measurementsession SET is_baseline = NOT is_baseline", "session"),
    "a limit raised": ("UPDATE studies_welfarelimits SET volume_cap_mm3 = 9000", "limits"),
    "a plan rewritten": ("UPDATE studies_analysisplan SET reason = 'as always'", "plan"),
    "a tumor moved": ("UPDATE studies_tumor SET site = 'left flank'", "tumor"),
    "a dose changed": ("UPDATE studies_armagent SET dose_mg_per_kg = 1", "agent"),
}  # fmt: skip


def test_a_row_edited_beneath_the_audit_is_named_with_its_event(record):
    for edit, (statement, named) in EDITS.items():
        found = list(after(statement))
        assert found, edit
        assert all(link.reason.endswith("was changed beneath the audit") for link in found), edit
        assert named in found[0].reason and found[0].sequence and found[0].chain, edit


def test_a_swapped_allocation_is_named(record):
    first = Allocation.objects.order_by("pk").first()
    other = Allocation.objects.exclude(arm=first.arm).filter(arm__study=first.arm.study).first()
    found = [link.reason for link in after(SWAP.format(first.pk, other.pk))]
    assert found == [f"allocation {pk} was changed beneath the audit" for pk in sorted((first.pk, other.pk))]


def test_an_allocation_taken_away_and_a_member_slipped_in_are_named(record):
    gone = Allocation.objects.order_by("pk").first()
    (found,) = after(f"DELETE FROM studies_allocation WHERE id = {gone.pk}")
    assert found.reason == f"allocation {gone.pk} was taken away beneath the audit"
    row = StudyMembership.objects.filter(role="doser").first()
    slipped = StudyMembership.objects.create(user=row.user, study=row.study, role="study_director")
    assert reasons() == [f"study member {slipped.pk} has no audit event"]


def events(chain: str):
    return AuditEvent.objects.filter(chain=chain).order_by("sequence")


def forge(chain: str, count: int, key: str) -> None:
    """The head of a chain set by someone who writes to the database and guesses the key."""
    django_settings.AUDIT_KEY, true_key = key, django_settings.AUDIT_KEY
    head = events(chain).get(sequence=count).hash
    AuditHead.objects.filter(chain=chain).update(count=count, head=head, seal=audit.seal(chain, count, head))
    django_settings.AUDIT_KEY = true_key


def test_a_head_forged_without_the_key_is_named(record):
    triggers.drop(connection)
    last = events(record).last()
    last.delete()
    forge(record, last.sequence - 1, "a key that somebody made up, long enough")
    assert "does not fit AUDIT_KEY" in reasons()[0]
    triggers.install(connection)


def test_a_tail_cut_with_the_key_is_named_by_the_anchor(record):
    triggers.drop(connection)
    last = events(record).last()
    last.delete()
    forge(record, last.sequence - 1, django_settings.AUDIT_KEY)
    told = reasons()
    triggers.install(connection)
    assert "the chain is not what line 1 of the anchors saw: it was cut or written anew" in told


@pytest.mark.parametrize("change", ["edit", "drop the first line", "swap lines"])
def test_anchors_changed_by_hand_are_named(record, change):
    anchors.write_anchor("backup", NOW)
    path = Path(django_settings.AUDIT_ANCHORS)
    first, second = path.read_text().splitlines()
    changed = {
        "edit": [first.replace("backup", "manual"), second],
        "drop the first line": [second],
        "swap lines": [second, first],
    }[change]
    path.write_text("\n".join(changed) + "\n")
    assert "of the anchors in" in reasons()[0]


def test_what_another_transaction_left_is_not_sealed_by_the_next_event(transactional_db):
    """A row written without an event stays unsealed, whatever is recorded after it on the same connection."""
    plant_acceptance(3, now=NOW)
    mouse = Mouse.objects.order_by("pk").first()
    for _ in range(2):
        Mouse.objects.filter(pk=mouse.pk).update(ear_tag="9")
        with transaction.atomic():
            Mouse.objects.filter(pk=mouse.pk).update(ear_tag="8")
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            Mouse.objects.filter(pk=mouse.pk).update(ear_tag="7")
            raise ZeroDivisionError
    study = Study.objects.get(code="ACC-OPEN")
    assert triggers.take_notes(connection) == {}  # outside a transaction
    with transaction.atomic():
        audit.record_event("noted", study, actor=None, at=NOW, chain=audit.study_chain(study), study=study)
    assert [row.reason for row in row_seals.unsealed_rows()] == [
        f"mouse {mouse.pk} was changed beneath the audit"
    ]


def test_rows_of_before_the_seals_are_sealed_once_by_an_event_that_says_so(record):
    assert list(row_seals.rows_to_seal()) == []
    Device.objects.create(code="caliper 9")
    triggers.take_notes(connection)
    assert [found[0] for found in row_seals.rows_to_seal()] == ["studies_device"]
    for _ in range(2):
        seal_tables_of_before("default")
    assert AuditEvent.objects.filter(action="sealed rows of before").count() == 1
    assert not [row for row in row_seals.unsealed_rows() if "device" in row.reason]


def test_tables_are_sealed_where_the_guards_stand_and_a_record_began(db):
    Device.objects.create(code="caliper 9")
    seal_tables_of_before("default")
    assert not AuditEvent.objects.exists()  # new: the acts that write it will seal it
    event("begun", Device.objects.get())
    Cage.objects.create(study=make_study(), code="C1")
    triggers.drop(connection)
    seal_tables_of_before("default")
    triggers.install(connection)
    seal_tables_of_before("a copy elsewhere")
    assert AuditEvent.objects.count() == 1
    Device.objects.create(code="caliper 10")
    seal_tables_of_before("default")
    sealed = AuditEvent.objects.filter(action="sealed rows of before").order_by("pk")
    assert [(one.object_type, one.new) for one in sealed] == [
        ("cage", {"table": "studies_cage", "rows": 1}),
        ("study", {"table": "studies_study", "rows": 1}),
    ]
    assert list(row_seals.rows_to_seal()) == []


def event(action: str, subject) -> AuditEvent:
    with transaction.atomic():
        return audit.record_event(action, subject, actor=None, at=NOW, chain=audit.INSTALLATION)


def test_a_row_put_back_beneath_the_audit_is_named(db):
    device = Device.objects.create(code="caliper 9")
    event("added", device)
    with transaction.atomic():
        Device.objects.all().delete()
        last = event("removed", device)
    assert last.rows["studies_device"]["seals"] == {str(device.pk): None}
    assert list(row_seals.unsealed_rows()) == []
    device.save(force_insert=True)
    reason = f"device {device.pk} was put back beneath the audit"
    assert list(row_seals.unsealed_rows()) == [row_seals.UnsealedRow("installation", last.sequence, reason)]


def test_a_seal_over_a_column_that_is_gone_fits_no_row(db):
    device = Device.objects.create(code="caliper 9")
    made = event("added", device)
    sealed = made.rows["studies_device"]
    triggers.drop(connection)
    AuditEvent.objects.update(rows={"studies_device": sealed | {"columns": [*sealed["columns"], "color"]}})
    triggers.install(connection)
    (found,) = row_seals.unsealed_rows()
    assert found.reason.endswith(f"{device.pk} was changed beneath the audit")


def tamper(statement: str, *values) -> None:
    """By hand, with every trigger away for the moment."""
    triggers.drop(connection)
    run_sql(statement, *values)
    triggers.install(connection)


def test_a_row_changed_by_hand_is_named_for_good_once_an_act_wrote_it_anew(record):
    mouse = Mouse.objects.order_by("pk").first()
    tamper("UPDATE studies_mouse SET ear_tag = '77' WHERE id = %s", mouse.pk)
    for label in ("renamed", "renamed again"):
        with transaction.atomic():  # the act itself goes through
            Mouse.objects.filter(pk=mouse.pk).update(label=label)
            told = audit.record_event("changed", mouse, actor=None, at=NOW, chain=record, study=mouse.study)
        assert told.rows["studies_mouse"].keys() == {"columns", "seals", "was"}
    reason = f"mouse {mouse.pk} was changed beneath the audit before this event"
    assert broken_links() == [BrokenLink(record, told.sequence - 1, reason)]


def test_rows_slipped_in_put_back_or_taken_away_are_named_once_an_act_wrote_them_anew(db):
    gone, kept = (Device.objects.create(code=f"of {number}") for number in (8, 9))
    event("added", kept)
    gone_key, _ = gone.pk, gone.delete()
    event("removed", kept)
    tamper("DELETE FROM studies_device")
    for key in (gone_key, 99):
        tamper(
            "INSERT INTO studies_device (id, code, kind) VALUES (%s, %s, 'caliper')", key, f"caliper {key}"
        )
    with transaction.atomic():
        Device.objects.update(kind="balance")
        kept.save(force_insert=True)
        last = event("changed", kept)
    told = {f"device {gone_key} was put back", "device 99 was slipped in", f"device {kept.pk} was taken away"}
    assert set(row_seals.unsealed_rows()) == {
        row_seals.UnsealedRow(last.chain, last.sequence, f"{one} beneath the audit before this event")
        for one in told
    }


def test_a_row_is_sealed_as_it_was_before_the_first_write_of_its_act(db):
    device = Device.objects.create(code="caliper 9")
    assert event("added", device).rows["studies_device"]["was"] == {}
    sealed = row_seals.seals("studies_device", [device.pk])["seals"]
    for code in ("caliper 10", "caliper 11"):
        Device.objects.filter(pk=device.pk).update(code=code)
    assert event("changed", device).rows["studies_device"]["was"] == sealed
    Device.objects.all().delete()
    assert event("removed", device).rows["studies_device"]["seals"] == dict.fromkeys(sealed)
    assert list(row_seals.unsealed_rows()) == []


def test_an_event_of_before_or_over_other_columns_tells_nothing_of_what_a_row_was(db):
    device = Device.objects.create(code="caliper 9")
    event("added", device)
    for version in ("older", "with another column"):
        tamper("UPDATE studies_device SET code = %s", version)
        Device.objects.update(kind="balance" if version == "older" else "reader")
        last = event("changed", device)
        sealed = last.rows["studies_device"]
        if version == "older":
            del sealed["was"]
        else:
            sealed["was_columns"] = [*sealed["columns"], "color"]
        triggers.drop(connection)
        AuditEvent.objects.filter(pk=last.pk).update(rows={"studies_device": sealed})
        triggers.install(connection)
        assert list(row_seals.unsealed_rows()) == []


def test_a_column_that_comes_to_be_sealed_is_sealed_after_the_migration(db, monkeypatch):
    """Once, over the rows as they stand; one that was changed by hand before is told of for good."""
    monkeypatch.setattr(triggers, "UNSEALED_COLUMNS", triggers.UNSEALED_COLUMNS | {"retired_on"})
    triggers.install(connection)
    first, second = (Device.objects.create(code=f"caliper {number}") for number in (8, 9))
    event("added", first)
    Device.objects.create(code="gone").delete()
    event("removed", second)
    monkeypatch.undo()
    tamper("UPDATE studies_device SET code = 'swapped' WHERE id = %s", second.pk)
    for _ in range(2):
        seal_tables_of_before("default")
    (last,) = AuditEvent.objects.filter(action="sealed rows of before", object_type="device")
    assert last.rows["studies_device"]["seals"].keys() == {str(first.pk), str(second.pk)}
    assert last.new == {"table": "studies_device", "rows": 2}
    reason = f"device {second.pk} was changed beneath the audit before this event"
    assert list(row_seals.unsealed_rows()) == [row_seals.UnsealedRow("installation", last.sequence, reason)]
    tamper("UPDATE studies_device SET retired_on = '2026-06-01' WHERE id = %s", first.pk)
    assert f"device {first.pk} was changed beneath the audit" in [
        one.reason for one in row_seals.unsealed_rows()
    ]


def test_every_kind_of_row_is_told_of_before_as_it_is_read(db):
    """What a trigger hands over of the old row is the same values, types and all, that a query gives."""
    with transaction.atomic():
        write_rows(apps)
        for rule in triggers.RULES:
            for statement in triggers._drop(rule, connection.vendor):
                run_sql(statement)
        triggers.take_notes(connection)  # of rows that were not there before
        stood = {}
        for table in triggers.SEALED:
            keys = row_seals.model_of(table)._base_manager.values_list("pk", flat=True)
            stood[table] = row_seals.seals(table, keys)["seals"]
        for table in triggers.SEALED:
            run_sql(f"DELETE FROM {table}")
        rows = event("emptied", Device(pk=1)).rows
        transaction.set_rollback(True)
    filled = {table: seals for table, seals in stood.items() if seals}
    assert len(filled) > 25 and filled == {table: said["was"] for table, said in rows.items()}


def test_what_nobody_wrote_has_no_seal_and_many_rows_have_one_each(db, monkeypatch):
    study = make_study()
    assert set(event("added", study).rows) == {"studies_study"}
    assert event("noted", study).rows is None
    monkeypatch.setattr(row_seals, "CHUNK", 2)
    cages = [Cage.objects.create(study=study, code=f"C{number}") for number in range(5)]
    told = event("added", study).rows["studies_cage"]["seals"]
    assert sorted(map(int, told)) == [cage.pk for cage in cages] and len(set(told.values())) == 5
    assert None not in told.values() and list(row_seals.unsealed_rows()) == []


def test_a_seal_is_over_one_spelling_that_no_version_may_change(settings):
    settings.AUDIT_KEY = "a key of the tests, longer than thirty-two characters"
    noon, picture = datetime(2026, 6, 1, 14, tzinfo=timezone(timedelta(hours=2))), b"\x01\x02"
    text = (
        '["studies_mouse",{"born_on":"2026-03-01","label":"Mö1","made_at":"2026-06-01T12:00:00.000000+00:00",'
        f'"photo":"{hashlib.sha256(picture).hexdigest()}","sex":null,"weight_g":"22.5"}}]'
    )
    seal = hmac.new(settings.AUDIT_KEY.encode(), text.encode(), hashlib.sha256).hexdigest()
    columns = ["label", "weight_g", "born_on", "made_at", "photo", "sex"]
    for stored in (picture, memoryview(picture)):  # as SQLite and PostgreSQL give it
        row = ["Mö1", Decimal("22.5"), date(2026, 3, 1), noon, stored, None]
        assert row_seals.seal_of_row("studies_mouse", columns, row) == seal
