"""One installation in a folder of its own, its clients, and what they were told against what is on record."""

import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path

import psycopg

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = 4
START_SECONDS = 120
PATIENCE_SECONDS = 30


@dataclass
class House:
    """A database, a server, and what its clients were told. `url` is empty for SQLite in the folder."""

    folder: Path
    port: int
    url: str = ""
    starter: subprocess.Popen | None = None
    server: int = 0
    starts_s: list[float] = field(default_factory=list)
    seed: dict = field(default_factory=dict)
    acknowledged: dict[str, dict] = field(default_factory=dict)
    answers: Counter = field(default_factory=Counter)
    served: Counter = field(default_factory=Counter)  # client -> rows acknowledged to it
    lock: threading.Lock = field(default_factory=threading.Lock)
    may_send: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.may_send.set()

    @property
    def database(self) -> Path:
        return self.folder / "db.sqlite3"

    @property
    def environment(self) -> dict[str, str]:
        own = {"PDX_DATA_DIR": str(self.folder), "ACCEPTANCE": "1", "LOG_LEVEL": "CRITICAL"}
        own |= {"DATABASE_URL": self.url} if self.url else {}
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
        began = time.monotonic()
        if self.starter is None:
            command = [sys.executable, "-m", "tests.torture.serve", str(self.port)]
            self.starter = subprocess.Popen(command, cwd=ROOT, env=self.environment, text=True,
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
        self.starter.stdin.write("start\n")
        self.starter.stdin.flush()
        self.server = int(self.starter.stdout.readline())
        while time.monotonic() < began + START_SECONDS:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=10).close()
                break
            except urllib.error.HTTPError:
                break  # it answers; what it says of itself is not asked here
            except OSError:
                time.sleep(0.02)
        else:
            raise RuntimeError("the server did not come up")
        self.starts_s.append(time.monotonic() - began)

    def kill(self) -> None:
        """SIGKILL to the server and its workers: nobody gets to say goodbye."""
        os.killpg(self.server, signal.SIGKILL)

    def close(self) -> None:
        if self.starter:
            self.kill()
            self.starter.stdin.close()
            self.starter.wait()

    def rows(self, query: str) -> list[tuple]:
        """What the database says itself, past the program."""
        if self.url:
            with psycopg.connect(self.url) as database:
                return database.execute(query).fetchall()
        with closing(sqlite3.connect(self.database, timeout=30)) as database:
            return database.execute(query).fetchall()

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
        except (OSError, ValueError, HTTPException):
            return 0, {}  # no reply, or half of one: whether it was stored is not known

    def _post_and_leave(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict]:
        lines = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as wire:
                wire.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        except OSError:
            pass
        return 0, {}

    def send_until_told(
        self, client: int, session: int, row: dict, stop: threading.Event, lost: float = 0
    ) -> None:
        """Send a client's row until it is acknowledged, losing the first reply with the chance `lost`."""
        hang_up = random.random() < lost
        while not stop.is_set():
            self.may_send.wait()
            status, told = self.post(session, row, hang_up=hang_up)
            result = told["results"][0]["http_status"] if status == 200 else status
            with self.lock:
                self.answers["no reply" if result == 0 else result] += 1
            if result in (200, 201):
                with self.lock:
                    self.acknowledged[row["client_id"]] = row
                    self.served[client] += 1
                return
            if status == 200:
                with self.lock:
                    self.answers[f"refused: {told['results'][0]['rules']}"] += 1
                return
            hang_up = False
            time.sleep(0.05)

    def check(self) -> Counter:
        """What the record holds against what was acknowledged."""
        found = self.rows(
            "SELECT client_id, length_mm, width_mm, weight_g FROM studies_measurement WHERE client_id IS NOT NULL"
        )
        stored = Counter(str(uuid.UUID(str(client_id))) for client_id, *_ in found)
        values = {str(uuid.UUID(str(client_id))): tuple(numbers) for client_id, *numbers in found}
        sent = {
            key: (row["length_mm"], row["width_mm"], row["weight_g"])
            for key, row in self.acknowledged.items()
        }
        intact = json.loads(self.manage("verify_audit", "--json", check=False))["intact"]
        sound = bool(self.url) or self.rows("PRAGMA integrity_check")[0][0] == "ok"
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


def while_posting(house: House, rows: Rows, fault: Callable[[], object], lost: float = 0) -> None:
    """Make the fault while four clients post, each trying again until it is told."""
    stop = threading.Event()

    def work(client: int) -> None:
        while not stop.is_set():
            house.send_until_told(client, *rows.next(), stop, lost)

    threads = [threading.Thread(target=work, args=[client], daemon=True) for client in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        fault()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
