"""The faults, each made while four clients post. What one returns is counted with the check that follows."""

import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path

import psycopg

from tests.support import postgres
from tests.torture.house import ROOT, House, Rows, while_posting

HELD_SECONDS = 23  # longer than the server waits for SQLite's lock (20 s)
REPORT_SECONDS = 900
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
ASK_FOR_REPORT = """
from django.utils import timezone
from studies.models import Study, User
from studies.reports.stored import ask_for_report
study = Study.objects.get(code="ACC-OPEN")
ask_for_report(study, User.objects.get(username="acc_director"), timezone.now())
"""


def replies_lost(house: House, rows: Rows) -> None:
    while_posting(house, rows, lambda: time.sleep(10), lost=0.5)


def killed(house: House, rows: Rows, times: int) -> dict:
    def fault() -> None:
        for _ in range(times):
            time.sleep(random.uniform(0.05, 1.0))
            house.kill()
            house.start()
        time.sleep(1)

    before = len(house.starts_s)
    while_posting(house, rows, fault)
    starts = sorted(house.starts_s[before:])
    return {"restart_median_ms": round(1000 * starts[len(starts) // 2])}


def locked_by_another(house: House, rows: Rows) -> None:
    """Another process holds the write lock for longer than the server waits, then lets go."""

    def fault() -> None:
        if house.url:
            with psycopg.connect(house.url) as other:
                other.execute("LOCK TABLE studies_auditevent IN ACCESS EXCLUSIVE MODE")
                time.sleep(HELD_SECONDS)
                other.rollback()
        else:
            other = sqlite3.connect(house.database, isolation_level=None, timeout=60)
            other.execute("BEGIN IMMEDIATE")
            time.sleep(HELD_SECONDS)
            other.execute("ROLLBACK")
            other.close()
        time.sleep(2)

    while_posting(house, rows, fault)


def disk_full(house: House, rows: Rows, disk: Path) -> None:
    """Not a byte is left on the disk, then there is room again; nobody restarts anything."""
    filler = disk / "filler"

    def fault() -> None:
        time.sleep(0.5)
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(b"\0" * 4096)
        time.sleep(6)
        filler.unlink()
        time.sleep(3)

    while_posting(house, rows, fault)


def file_limit(house: House, rows: Rows) -> None:
    """No file of the server may grow any further: what stands for a full disk where none may be mounted."""
    listed = ["ps", "-o", "pid=", "--ppid", str(house.server)]
    workers = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()

    def limit(size: int) -> None:
        for pid in workers:
            resource.prlimit(int(pid), resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def fault() -> None:
        time.sleep(0.5)
        limit(house.database.stat().st_size // 100)
        time.sleep(4)
        limit(resource.RLIM_INFINITY)
        time.sleep(2)

    while_posting(house, rows, fault)


def read_only(house: House, rows: Rows, disk: Path | None) -> None:
    """The database may be read and not written: SQLite's disk mounted read-only, PostgreSQL set so."""

    def set_to(is_read_only: bool) -> None:
        if house.url:
            word = "on" if is_read_only else "off"
            with psycopg.connect(house.url, autocommit=True) as database:
                database.execute(f"ALTER SYSTEM SET default_transaction_read_only = {word}")
                database.execute("SELECT pg_reload_conf()")
            return
        mount = ["mount", "-o", f"remount,{'ro' if is_read_only else 'rw'}", str(disk)]
        house.may_send.clear()  # a disk is busy as long as a request has a file of it open
        while subprocess.run(mount, capture_output=True, check=False).returncode:
            time.sleep(0.1)
        house.may_send.set()

    def fault() -> None:
        time.sleep(0.5)
        set_to(True)
        time.sleep(4)
        set_to(False)
        time.sleep(3)

    while_posting(house, rows, fault)


def power_lost(house: House, rows: Rows, cuts: int) -> dict:
    """The database with its log cut anywhere: what is left opens, is sound and is whole sheets with their events.

    A reader holds that state meanwhile: otherwise SQLite would move a long burst into the database and begin the log
    anew, and a log that did not begin at the state it is laid beside tells nothing. The last to close would clear it.
    Copied by another program: to close a file that SQLite has open in this one would drop its locks.
    """
    with (
        closing(sqlite3.connect(house.database, timeout=60)) as reader,
        tempfile.TemporaryDirectory(prefix="pdx-cut-") as name,
    ):
        reader.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()  # the log begins anew from this state
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        before, after, log = (Path(name) / part for part in ("before", "after", "log"))
        subprocess.run(["cp", str(house.database), str(before)], check=True)
        while_posting(house, rows, lambda: time.sleep(3))
        subprocess.run(["cp", f"{house.database}-wal", str(log)], check=True)
        subprocess.run(["cp", str(house.database), str(after)], check=True)
        if before.read_bytes() != after.read_bytes():
            raise RuntimeError(
                "the burst was moved into the database: its log cannot be laid beside the state of before"
            )
        told: Counter = Counter()
        for _ in range(cuts):
            told.update(cut_once(house, before, log.read_bytes()))
    return {name: told[name] for name in ("damaged", "audit_broken")}


def cut_once(house: House, before: Path, log: bytes) -> Counter:
    with tempfile.TemporaryDirectory(prefix="pdx-cut-") as name:
        cut = House(Path(name), 0)
        for secret in ("audit_key", "secret_key"):
            shutil.copy(house.folder / secret, cut.folder / secret)
        shutil.copy(before, cut.database)
        cut.database.with_name("db.sqlite3-wal").write_bytes(log[: random.randrange(len(log))])
        try:
            return cut.check()
        except sqlite3.DatabaseError:
            return Counter(damaged=1)


class Cluster:
    """A PostgreSQL that keeps what it acknowledged, and can be killed and started again."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.server = postgres.start_server(data, DURABLE)

    def kill(self) -> None:
        listed = ["ps", "-o", "pid=", "--ppid", str(self.server.pid)]
        children = subprocess.run(listed, capture_output=True, text=True, check=False).stdout.split()
        self.server.kill()
        for pid in children:
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        self.server.wait()

    def start(self) -> None:
        for attempt in range(20):  # the shared memory of the killed one goes when its last process does
            try:
                (self.data / "postmaster.pid").unlink(missing_ok=True)
                self.server = postgres.start_server(self.data, DURABLE)
                return
            except postgres.PostgresError:
                if attempt == 19:
                    raise
                time.sleep(0.5)


def database_killed(house: House, rows: Rows, cluster: Cluster, times: int) -> None:
    """SIGKILL to every process of PostgreSQL, then a new start; the web server stays up all the time."""

    def fault() -> None:
        for _ in range(times):
            time.sleep(random.uniform(0.3, 2))
            cluster.kill()
            time.sleep(random.uniform(0, 1))
            cluster.start()
        time.sleep(2)

    while_posting(house, rows, fault)


def worker_killed(house: House, times: int) -> dict:
    """SIGKILL to the worker in the middle of a report, each time at another moment; the next takes it up again."""
    house.manage("shell", "-c", ASK_FOR_REPORT)
    deadline = time.monotonic() + REPORT_SECONDS
    for kill in range(times + 1):
        worker = subprocess.Popen([sys.executable, "manage.py", "work"], cwd=ROOT, env=house.environment,
                                  start_new_session=True, stderr=subprocess.DEVNULL)  # fmt: skip
        while time.monotonic() < deadline:
            ((state, attempts),) = house.rows("SELECT state, attempts FROM studies_job")
            if state in ("done", "failed") or (kill < times and state == "running" and attempts == kill + 1):
                break
            time.sleep(0.2)
        if kill < times:
            time.sleep(random.uniform(0, 5))
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
    ((state, attempts),) = house.rows("SELECT state, attempts FROM studies_job")
    (reports,) = house.rows("SELECT count(*) FROM studies_storedreport")[0]
    (files,) = house.rows("SELECT count(DISTINCT report_id) FROM studies_reportfile")[0]
    return {
        "attempts": attempts,
        "reports": reports,
        "not_one_report": int((state, reports, files) != ("done", 1, 1)),
    }
