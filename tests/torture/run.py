"""Break a running server in every way we can think of, and count what was lost, doubled or half stored.

    python -m tests.torture.run [--kills 200] [--cuts 20]

A real gunicorn on an SQLite file of its own; four clients post rows through the API and try again until
each is acknowledged, as the sheet does. After every fault: each acknowledged row is on record exactly once with its
values, `verify_audit` finds nothing, and the server goes on without a restart unless it was killed itself.
"""

import argparse
import json
import os
import random
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = 4
START_SECONDS = 120
PATIENCE_SECONDS = 30


@dataclass
class House:
    """One installation in a folder of its own: its database, its server, what its clients were told."""

    folder: Path
    port: int
    server: subprocess.Popen | None = None
    seed: dict = field(default_factory=dict)
    acknowledged: dict[str, dict] = field(default_factory=dict)
    answers: Counter = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def database(self) -> Path:
        return self.folder / "db.sqlite3"

    @property
    def environment(self) -> dict[str, str]:
        own = {"PDX_DATA_DIR": str(self.folder), "ACCEPTANCE": "1", "LOG_LEVEL": "CRITICAL"}
        return {name: value for name, value in os.environ.items() if name != "DATABASE_URL"} | own

    def manage(self, *command: str, check: bool = True) -> str:
        run = subprocess.run([sys.executable, "manage.py", *command], cwd=ROOT, env=self.environment,
                             capture_output=True, text=True, check=False)  # fmt: skip
        if check and run.returncode:
            raise RuntimeError(f"{command[0]}: {run.stderr}{run.stdout[-2000:]}")
        return run.stdout

    def plant(self) -> None:
        self.manage("migrate", "--verbosity=0")
        self.seed = json.loads(self.manage("acceptance_seed", "--seed=7"))

    def start(self) -> None:
        command = [sys.executable, "-m", "gunicorn", "--threads=4", f"--bind=127.0.0.1:{self.port}",
                   "--log-level=critical", "pdx_tracker.wsgi"]  # fmt: skip
        self.server = subprocess.Popen(command, cwd=ROOT, env=self.environment, start_new_session=True)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=10).close()
                return
            except urllib.error.HTTPError:
                return  # it answers; what it says of itself is not asked here
            except OSError:
                time.sleep(0.1)
        raise RuntimeError("the server did not come up")

    def kill(self) -> None:
        """SIGKILL to the server and its workers: nobody gets to say goodbye."""
        os.killpg(self.server.pid, signal.SIGKILL)
        self.server.wait()

    def post(self, session: int, row: dict, *, hang_up: bool = False) -> tuple[int, dict]:
        body = json.dumps({"rows": [row]}).encode()
        token = self.seed["tokens"]["acc_technician"]
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        path = f"/api/v1/sessions/{session}/measurements"
        if hang_up:
            return self._post_and_leave(path, headers, body)
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as reply:
                return reply.status, json.load(reply)
        except urllib.error.HTTPError as error:
            return error.code, {}
        except (OSError, ValueError):
            return 0, {}  # no reply: whether it was stored is not known

    def _post_and_leave(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict]:
        lines = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as wire:
                wire.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        except OSError:
            pass
        return 0, {}

    def send_until_told(self, session: int, row: dict, stop: threading.Event, lost: float = 0) -> None:
        """Send a row until it is acknowledged, losing the first reply with the chance `lost`."""
        hang_up = random.random() < lost
        while not stop.is_set():
            status, told = self.post(session, row, hang_up=hang_up)
            result = told["results"][0]["http_status"] if status == 200 else status
            with self.lock:
                self.answers["no reply" if result == 0 else result] += 1
            if result in (200, 201):
                with self.lock:
                    self.acknowledged[row["client_id"]] = row
                return
            if status == 200:
                with self.lock:
                    self.answers[f"refused: {told['results'][0]['rules']}"] += 1
                return
            hang_up = False
            time.sleep(0.05)

    def check(self) -> Counter:
        """What the record holds against what was acknowledged."""
        with sqlite3.connect(self.database) as database:
            sound = database.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
            found = database.execute(
                "SELECT client_id, length_mm, width_mm, weight_g FROM studies_measurement WHERE client_id IS NOT NULL"
            ).fetchall()
        stored = Counter(str(uuid.UUID(client_id)) for client_id, *_ in found)
        values = {str(uuid.UUID(client_id)): tuple(numbers) for client_id, *numbers in found}
        sent = {
            key: (row["length_mm"], row["width_mm"], row["weight_g"])
            for key, row in self.acknowledged.items()
        }
        intact = json.loads(self.manage("verify_audit", "--json", check=False))["intact"]
        return Counter(
            acknowledged=len(sent),
            lost=sum(key not in stored for key in sent),
            doubled=sum(count > 1 for count in stored.values()),
            changed=sum(key in values and values[key] != numbers for key, numbers in sent.items()),
            damaged=0 if sound else 1,
            audit_broken=0 if intact else 1,
        )


class Rows:
    """Rows that the rules accept, without end: each mouse's last reading again, one replicate further."""

    def __init__(self, house: House) -> None:
        dump = json.loads(house.manage("dump_measurements", "--json"))
        self.last = {one["mouse"]: one for one in dump}
        self.places = [
            (session["id"], mouse)
            for study in house.seed["studies"] for session in study["sessions"] for mouse in session["mice"]
            if mouse in self.last
        ]  # fmt: skip
        self.replicates: Counter = Counter()
        self.lock = threading.Lock()

    def next(self) -> tuple[int, dict]:
        with self.lock:
            place = self.places[self.replicates.total() % len(self.places)]
            self.replicates[place] += 1
            replicate = self.replicates[place]
        session, mouse = place
        values = {name: self.last[mouse][name] for name in ("length_mm", "width_mm", "weight_g")}
        # As a second reading of a caliper differs: rows that repeat the last visit to the digit are asked about.
        for name in ("length_mm", "width_mm"):
            values[name] = round(values[name] + random.choice((-0.2, -0.1, 0.1, 0.2)), 1)
        return session, {
            "client_id": str(uuid.uuid4()), "mouse": mouse, "replicate": replicate, "status": "measured",
            "observed_at": datetime.now(UTC).isoformat(timespec="seconds"), **values,
        }  # fmt: skip


def clients(house: House, rows: Rows, stop: threading.Event, lost: float = 0) -> list[threading.Thread]:
    def work() -> None:
        while not stop.is_set():
            house.send_until_told(*rows.next(), stop, lost)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    return threads


def while_posting(house: House, rows: Rows, fault: Callable[[], None], lost: float = 0) -> None:
    stop = threading.Event()
    threads = clients(house, rows, stop, lost)
    try:
        fault()
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def killed(house: House, rows: Rows, times: int) -> None:
    def fault() -> None:
        for _ in range(times):
            time.sleep(random.uniform(0.05, 1.5))
            house.kill()
            house.start()
        time.sleep(1)

    while_posting(house, rows, fault)


def replies_lost(house: House, rows: Rows) -> None:
    while_posting(house, rows, lambda: time.sleep(10), lost=0.5)


def locked_by_another(house: House, rows: Rows) -> None:
    """Another process holds the write lock for longer than the server waits, then lets go."""

    def fault() -> None:
        with sqlite3.connect(house.database, isolation_level=None, timeout=60) as other:
            other.execute("BEGIN IMMEDIATE")
            time.sleep(23)
            other.execute("ROLLBACK")
        time.sleep(2)

    while_posting(house, rows, fault)


def disk_full(house: House, rows: Rows) -> None:
    """No file of the server may grow any further, then it may again; nobody restarts it."""
    workers = subprocess.run(["ps", "-o", "pid=", "--ppid", str(house.server.pid)], capture_output=True,
                             text=True, check=True).stdout.split()  # fmt: skip

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


def power_lost(house: House, rows: Rows, cuts: int) -> Counter:
    """The database with its log cut anywhere: what is left opens, is sound and is whole sheets with their events."""
    with sqlite3.connect(house.database, timeout=60) as database:  # the log begins anew from this state
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        before = house.database.read_bytes()
    while_posting(house, rows, lambda: time.sleep(3))
    log = house.database.with_name("db.sqlite3-wal").read_bytes()
    told: Counter = Counter()
    for _ in range(cuts):
        with tempfile.TemporaryDirectory(prefix="pdx-cut-") as name:
            cut = House(Path(name), 0)
            for secret in ("audit_key", "secret_key"):
                shutil.copy(house.folder / secret, cut.folder / secret)
            cut.database.write_bytes(before)
            cut.database.with_name("db.sqlite3-wal").write_bytes(log[: random.randrange(len(log))])
            told.update(cut.check())
    told.update(cuts=cuts)
    return told


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--cuts", type=int, default=20)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pdx-torture-") as name, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        house = House(Path(name), port)
        house.plant()
        rows = Rows(house)
        house.start()
        bad = 0
        try:
            for title, fault in (
                ("replies lost", lambda: replies_lost(house, rows)),
                ("locked by another process", lambda: locked_by_another(house, rows)),
                ("disk full", lambda: disk_full(house, rows)),
                (f"killed {asked.kills} times", lambda: killed(house, rows, asked.kills)),
                (f"log cut {asked.cuts} times", lambda: power_lost(house, rows, asked.cuts)),
            ):
                house.answers.clear()
                cut = fault()
                found = house.check()
                found.update(cut or {})
                bad += sum(found[name] for name in ("lost", "doubled", "changed", "damaged", "audit_broken"))
                print(f"{title}: {dict(found)}, answers {dict(house.answers)}", flush=True)
        finally:
            house.kill()
    print("nothing lost, doubled or half stored" if not bad else f"{bad} FAULTS")
    return min(bad, 1)


if __name__ == "__main__":
    sys.exit(main())
