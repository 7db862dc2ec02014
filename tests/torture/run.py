"""Break a running server in every way we can think of, and count what was lost, doubled or half stored.

    python -m tests.torture.run [--kills 200] [--cuts 20] [--only sqlite|postgresql]

A real gunicorn on a database of its own, first SQLite, then PostgreSQL; four clients post rows through the API
and try again until each is acknowledged, as the sheet does. After every fault: each acknowledged row is on record
exactly once with its values, `verify_audit` finds nothing, and the server goes on without a restart unless it was
killed itself. A fault that was to give an answer (507 for a full disk) and gave none counts as not made, and a
client to which nothing was acknowledged meanwhile as idle.
"""

import argparse
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psycopg

from tests.support import postgres
from tests.torture import faults
from tests.torture.house import CLIENTS, House, Rows

FAULTY = (
    "lost",
    "doubled",
    "changed",
    "damaged",
    "audit_broken",
    "not_one_report",
    "not_made",
    "idle_clients",
)
DISK_MB = 96
Fault = tuple[
    str, Callable[[], dict | None], int | None
]  # what it is, how it is made, the answer it must give


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def small_disk() -> Iterator[Path | None]:
    """A disk of its own of DISK_MB; None where this account may mount none."""
    with tempfile.TemporaryDirectory(prefix="pdx-torture-") as name:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=0777", "tmpfs", name]
        try:
            is_mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
        except FileNotFoundError:
            is_mounted = False
        try:
            yield Path(name) if is_mounted else None
        finally:
            if is_mounted:
                subprocess.run(["umount", "-l", name], check=True)


def break_it(house: House, made: list[Fault]) -> int:
    """Make each fault, check after each, print what was found; returns how much was found wrong."""
    bad = 0
    for title, fault, expected in made:
        house.answers.clear()
        house.served.clear()
        told = fault() or {}
        found = house.check()
        found.update(told)
        found["not_made"] = int(expected is not None and not house.answers[expected])
        found["idle_clients"] = CLIENTS - len(house.served) if house.answers else 0
        bad += sum(found[name] for name in FAULTY)
        by_client = [house.served[client] for client in range(CLIENTS)]
        print(
            f"{title}: {dict(found)}, answers {dict(house.answers)}, rows of each client {by_client}",
            flush=True,
        )
    return bad


def torture_sqlite(kills: int, cuts: int) -> int:
    with tempfile.TemporaryDirectory(prefix="pdx-torture-") as name, small_disk() as disk:
        house, full = House(Path(name), free_port()), disk and House(disk, free_port())
        try:
            house.plant()
            rows = Rows(house)
            house.start()
            made: list[Fault] = [
                ("replies lost", lambda: faults.replies_lost(house, rows), None),
                ("locked by another process", lambda: faults.locked_by_another(house, rows), 503),
            ]
            if full is None:
                made.append(("no file may grow", lambda: faults.file_limit(house, rows), 503))
            made += [
                (f"server killed {kills} times", lambda: faults.killed(house, rows, kills), None),
                (f"log cut {cuts} times", lambda: faults.power_lost(house, rows, cuts), None),
                ("worker killed twice in a report", lambda: faults.worker_killed(house, 2), None),
            ]
            bad = break_it(house, made)
            if full:
                full.plant()
                more = Rows(full)
                full.start()
                bad += break_it(full, [
                    ("disk full", lambda: faults.disk_full(full, more, disk), 507),
                    ("disk read-only", lambda: faults.read_only(full, more, disk), 503),
                ])  # fmt: skip
            return bad
        finally:
            house.close()
            if full:
                full.close()


def torture_postgresql(kills: int) -> int:
    """The same on PostgreSQL, which is killed as well."""
    with (
        tempfile.TemporaryDirectory(prefix="pdx-torture-") as name,
        postgres.data_folder() as data,
        small_disk() as disk,
    ):
        cluster = faults.Cluster(data)
        house = House(Path(name), free_port(), postgres.url_of(data))
        try:
            house.plant()
            rows = Rows(house)
            house.start()
            made: list[Fault] = [
                ("replies lost", lambda: faults.replies_lost(house, rows), None),
                ("table locked by another", lambda: faults.locked_by_another(house, rows), None),
                ("read-only", lambda: faults.read_only(house, rows, None), 503),
                (f"database killed {max(1, kills // 10)} times",
                 lambda: faults.database_killed(house, rows, cluster, max(1, kills // 10)), 503),
                (f"server killed {kills} times", lambda: faults.killed(house, rows, kills), None),
                ("worker killed twice in a report", lambda: faults.worker_killed(house, 2), None),
            ]  # fmt: skip
            if disk:
                move_to(house.url, disk)
                made.insert(3, ("disk full", partial(faults.disk_full, house, rows, disk), 507))
            return break_it(house, made)
        finally:
            house.close()
            cluster.kill()


def move_to(url: str, disk: Path) -> None:
    """The tables that grow stand on the small disk from here on; the rest has room."""
    place = disk / "tables"
    place.mkdir()
    if account := postgres.server_account():
        subprocess.run(["chown", f"{account['user']}:{account['group']}", str(place)], check=True)
    with psycopg.connect(url, autocommit=True) as database:
        database.execute(f"CREATE TABLESPACE small LOCATION '{place}'")
        for table in ("studies_measurement", "studies_auditevent"):
            database.execute(f"ALTER TABLE {table} SET TABLESPACE small")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--cuts", type=int, default=20)
    parser.add_argument("--only", choices=["sqlite", "postgresql"])
    asked = parser.parse_args()
    bad = 0
    if asked.only != "postgresql":
        print("SQLite", flush=True)
        bad += torture_sqlite(asked.kills, asked.cuts)
    if asked.only != "sqlite":
        print("PostgreSQL", flush=True)
        bad += torture_postgresql(asked.kills)
    print("nothing lost, doubled or half stored" if not bad else f"{bad} FAULTS")
    return min(bad, 1)


if __name__ == "__main__":
    sys.exit(main())
