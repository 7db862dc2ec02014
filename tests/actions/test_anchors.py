"""Anchors: what a line holds, when it is written, and which lines and chains no longer hold."""

import fcntl
import json
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from studies import triggers
from studies.actions import anchors, audit, health
from studies.actions.audit import INSTALLATION
from studies.models import AuditEvent, AuditHead

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
# As the first version wrote it, under the key of the test: copies of such lines are kept outside this house.
OF_BEFORE = (
    r'["[\"2026-06-01T12:00:00+00:00\",\"backup\",\"sqlite::/srv/Zürich.sqlite3\",[[\"study:1\",3,\"aa\"]],'
    + rf'\"{"0" * 64}\"]", "2dcfc6d9037a3ff9407ed4465f9dd8e470d08e25b2c329b8dbe1ce4a1e8535f5"]'
)


@pytest.fixture
def chain(study) -> str:
    """Two events about a study."""
    for _ in range(2):
        add_event(study)
    return audit.study_chain(study)


def add_event(study) -> None:
    with transaction.atomic():
        audit.record_event("noted", study, actor=None, at=NOON, chain=audit.study_chain(study), study=study)


def path() -> Path:
    return Path(django_settings.AUDIT_ANCHORS)


def lines() -> list[str]:
    return path().read_text(encoding="utf-8").splitlines()


def reasons() -> list[str]:
    return [link.reason for link in anchors.broken_anchors()]


def wipe() -> None:
    """Someone takes every event away, and the heads with them."""
    triggers.drop(connection)
    AuditEvent.objects.all().delete()
    AuditHead.objects.all().delete()
    triggers.install(connection)


def test_a_line_holds_the_ends_of_the_chains_named_and_the_hash_of_the_line_before(study, chain):
    assert reasons() == []  # nothing was anchored yet
    AuditHead.objects.create(chain="study:0", count=0, head=audit.GENESIS, seal="only begun")
    first = anchors.write_anchor("backup", NOON)
    add_event(study)
    second = anchors.write_anchor("export to Zürich", NOON, [chain])
    third, begun = AuditEvent.objects.get(chain=chain, sequence=3), AuditEvent.objects.get(chain=INSTALLATION)
    ends = ((INSTALLATION, 1, begun.hash), ("study:0", 0, audit.GENESIS), (chain, 2, third.previous_hash))
    assert first.chains == ends
    assert (second.at, second.chains) == ("2026-06-01T12:00:00+00:00", ((chain, 3, third.hash),))
    assert [json.loads(line) for line in lines()] == [[one.text, one.seal] for one in (first, second)]
    assert (first.previous, second.previous) == (audit.GENESIS, anchors._hash(lines()[0]))
    assert "export to Zürich" in lines()[1]  # readable to whoever keeps the file
    assert path().stat().st_mode & 0o777 == 0o600
    assert reasons() == []


def test_a_line_of_the_first_version_is_still_read(db, settings):
    settings.AUDIT_KEY = "a key of the tests, longer than thirty-two characters"
    path().write_text(OF_BEFORE + "\n", encoding="utf-8")
    assert anchors.write_anchor("backup", NOON).previous == anchors._hash(OF_BEFORE)
    assert reasons() == []  # of another database: nothing is asked of its chains here


def test_a_chain_that_does_not_reach_its_anchor_is_named_in_its_own_database_alone(chain, monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "HOST", "db.example.org")
    there = f"{connection.vendor}:db.example.org:{connection.settings_dict['NAME']}"
    assert anchors.write_anchor("backup", NOON).database == there
    wipe()
    reason = "the chain is not what line 1 of the anchors saw: it was cut or written anew"
    told = {INSTALLATION: 1, chain: 2}
    assert list(anchors.broken_anchors()) == [audit.BrokenLink(*end, reason) for end in told.items()]
    monkeypatch.setitem(connection.settings_dict, "HOST", None)
    assert anchors.database_name() == f"{connection.vendor}::{connection.settings_dict['NAME']}"
    assert reasons() == []


@pytest.mark.parametrize(
    "line", ["no JSON", "3", '["one"]', '["[1, 2]", "seal"]', '["[1,2,3,[4],5]", "seal"]']
)
def test_a_line_that_is_none_is_named_by_its_number(chain, line):
    anchors.write_anchor("backup", NOON)
    path().write_text(f"{lines()[0]}\n{line}\n", encoding="utf-8")
    assert reasons() == [f"line 2 of the anchors in {path().name} was changed or moved"]


def test_an_act_is_anchored_once_it_is_committed(study, chain, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        anchors.anchor_after_commit("report", NOON, [chain, chain])
        add_event(study)
        assert not path().exists()
    ((_, occasion, _, ends, _),) = (json.loads(json.loads(line)[0]) for line in lines())
    assert (occasion, [end[:2] for end in ends]) == ("report", [[chain, 3]])


def test_a_line_is_on_the_disk_before_it_counts_as_written(chain, monkeypatch):
    seen = []
    monkeypatch.setattr(anchors.os, "fsync", lambda number: seen.append(path().read_text(encoding="utf-8")))
    written = anchors.write_anchor("backup", NOON)
    assert seen == [written.line + "\n"]


def begun() -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(action="began anchors").order_by("pk"))


def test_that_the_anchors_began_is_an_event_once_and_of_a_record_that_has_any(db, study):
    anchors.write_anchor("backup", NOON)
    assert begun() == []  # nothing to anchor: an older version left a file without the event as well
    add_event(study)
    for _ in range(2):
        anchors.write_anchor("backup", NOON)
    (event,) = begun()
    told = {"database": anchors.database_name(), "file": path().name}
    assert (event.chain, event.actor, event.happened_at, event.new, event.reason) == (
        INSTALLATION, None, NOON, told, "",
    )  # fmt: skip
    assert reasons() == [] and not anchors.anchors_are_gone()


@pytest.mark.parametrize("loss", ["unlinked", "emptied"])
def test_anchors_that_are_gone_are_named_until_somebody_says_why(chain, loss, capsys):
    anchors.write_anchor("backup", NOON)
    (first,) = begun()
    path().unlink() if loss == "unlinked" else path().write_text("")
    gone = f"the anchors begun here are gone: {path().name} is missing or empty"
    assert list(anchors.broken_anchors()) == [audit.BrokenLink(INSTALLATION, first.sequence, gone)]
    assert [one.says for one in health.health(NOON) if one.name == "anchors" and not one.is_well] == ["gone"]
    for _ in range(2):
        anchors.write_anchor("backup", NOON)
    anew = "the anchors began anew here without a reason: those of before were lost"
    assert list(anchors.broken_anchors()) == [audit.BrokenLink(INSTALLATION, begun()[1].sequence, anew)]
    with pytest.raises(CommandError) as refused:
        call_command("begin_anchors", "--reason", " ")
    assert refused.value.returncode == 2 and len(begun()) == 2
    for number in (1, 2):  # with what was left of the file, and where it is gone once more
        call_command("begin_anchors", "--reason", " the disk broke ")
        assert [event.reason for event in begun()] == ["", "", *["the disk broke"] * number]
        assert reasons() == [] and [one.is_well for one in health.health(NOON) if one.name == "anchors"] == [
            True
        ]
        path().unlink()
    anchors.write_anchor("backup", NOON)
    assert list(anchors.broken_anchors()) == [audit.BrokenLink(INSTALLATION, begun()[-1].sequence, anew)]


def test_a_record_restored_elsewhere_begins_anchors_of_its_own(chain, monkeypatch):
    anchors.write_anchor("backup", NOON)
    monkeypatch.setitem(connection.settings_dict, "HOST", "db.example.org")
    path().unlink()
    assert reasons() == [] and not anchors.anchors_are_gone()
    anchors.write_anchor("backup", NOON)
    assert reasons() == [] and len(begun()) == 2


class StillWaiting(Exception):
    pass


def test_of_two_that_anchor_at_once_one_waits(chain):
    def give_up(*_):
        raise StillWaiting

    before = signal.signal(signal.SIGALRM, give_up)
    try:
        with path().open("a") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(StillWaiting):
                anchors.write_anchor("backup", NOON)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert lines() == []
    assert anchors.write_anchor("backup", NOON).line == lines()[0]
