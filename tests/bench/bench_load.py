"""Twenty technicians at ten times real pace and two readers for a minute, against gunicorn on loopback.

A technician measures a mouse in some 52 s, so that each sends a row every 5.2 s. Every 0.25 s someone asks for a
view that does nothing. No request may fail, and the slowest saves may take 5 times as long as the slowest of those.
"""

import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from http.client import HTTPConnection
from uuid import uuid4

from tests.bench.ratio import Ratio

TECHNICIANS, STUDIES, MICE, READERS = 20, 4, 60, 2
SECONDS = float(os.environ.get("LOAD_SECONDS", "60"))
PACE_S, NOTHING_EVERY_S, READ_EVERY_S = 5.2, 0.25, 2.0
NOTHING = "/entry/whoami.json"
THREADS = 8


def main() -> list[Ratio]:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    from django.db import connection, connections

    own_name = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0)
    try:
        work = prepare()
        connections.close_all()
        with_server = Server(connection.settings_dict["NAME"], connection.vendor)
        try:
            took, failed = run(with_server.port, *work)
        finally:
            with_server.stop()
        return [_ratio(connection.vendor, took, failed)]
    finally:
        connection.creation.destroy_test_db(own_name, verbosity=0)


def prepare() -> tuple[list[dict], list[dict]]:
    """Four studies of 60 mice measured ten times; whom each of the people is, and what they send or read."""
    from studies.actions.api_tokens import create_token
    from studies.models import Measurement, MeasurementSession
    from studies.terms import Role, TokenScope
    from tests.factories import make_mouse, make_study
    from tests.people import join, make_user

    now = datetime.now(UTC)
    technicians, readers = [], []
    for number in range(STUDIES):
        study = make_study(f"LOAD-{number}", time_zone="UTC" if 5 <= now.hour <= 22 else "Asia/Tokyo")
        mice = [make_mouse(study, f"M{place:03d}") for place in range(MICE)]
        for ago in range(10, 0, -1):
            before = MeasurementSession.objects.create(study=study, due_on=date_before(now, 3 * ago))
            Measurement.objects.bulk_create(
                Measurement(
                    session=before, mouse=mouse, length_mm=10, width_mm=8, weight_g=22, recorded_at=now
                )
                for mouse in mice
            )
        session = MeasurementSession.objects.create(study=study, due_on=now.date())
        share = TECHNICIANS // STUDIES
        for place in range(share):
            user = join(make_user(f"tech-{number}-{place}"), study, Role.TECHNICIAN)
            token = create_token(user, "load", [TokenScope.ENTRY], actor=user, at=now)[1]
            path = f"/api/v1/sessions/{session.pk}/measurements"
            technicians.append(
                {"token": token, "path": path, "mice": [mouse.key for mouse in mice[place::share]]}
            )
        if number < READERS:
            user = join(make_user(f"reader-{number}"), study, Role.STATISTICIAN)
            token = create_token(user, "load", [TokenScope.READ], actor=user, at=now)[1]
            paths = [f"/api/v1/sessions/{session.pk}/history?mouse={mouse.key}" for mouse in mice]
            readers.append({"token": token, "paths": paths})
    return technicians, readers


def date_before(now: datetime, days: int) -> date:
    return (now - timedelta(days=days)).date()


class Server:
    """gunicorn on a free port of loopback, on the database of this bench."""

    def __init__(self, database: str, vendor: str):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        given = os.environ.get("DATABASE_URL", "")
        url = f"sqlite:///{database}" if vendor == "sqlite" else _other_database(given, database)
        command = [sys.executable, "-m", "gunicorn", "--workers", "1", "--threads", str(THREADS), "--bind",
                   f"127.0.0.1:{self.port}", "--log-level", "error", "pdx_tracker.wsgi"]  # fmt: skip
        self.process = subprocess.Popen(command, env={**os.environ, "DATABASE_URL": url})
        for _ in range(600):
            try:
                if ask(self.port, "GET", NOTHING)[0] == 200:
                    return
            except OSError:
                time.sleep(0.2)
        self.stop()
        raise RuntimeError("the server did not start")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=30)


def _other_database(url: str, name: str) -> str:
    """A database URL with another name of the database, its options kept."""
    head, _, options = url.partition("?")
    head = f"{head.rpartition('/')[0]}/{name}"
    return f"{head}?{options}" if options else head


def ask(port: int, method: str, path: str, body: str = "", token: str = "") -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Content-Type": "application/json", "Host": "localhost"}
    if token:
        headers |= {"Authorization": f"Bearer {token}"}
    try:
        connection.request(method, path, body or None, headers)
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


def run(port: int, technicians: list[dict], readers: list[dict]) -> tuple[dict[str, list[float]], list[str]]:
    """Seconds of every request by what it was, and what failed."""
    took: dict[str, list[float]] = defaultdict(list)
    failed: list[str] = []
    end = time.monotonic() + SECONDS

    def keep_on(kind: str, every: float, send) -> None:
        time.sleep(random.random() * every)
        while time.monotonic() < end:
            started = time.perf_counter()
            try:
                status, body = send()
                went_wrong = "" if status == 200 else f"{status} {body[:300]!r}"
            except OSError as error:
                went_wrong = str(error)
            spent = time.perf_counter() - started
            took[kind].append(spent)
            if went_wrong:
                failed.append(f"{kind}: {went_wrong}")
            time.sleep(max(0.0, every - spent))

    def saving(who: dict):
        mice = iter(who["mice"])

        def send() -> tuple[int, bytes]:
            mouse = next(mice, None)
            if mouse is None:
                return 200, b""
            row = {"client_id": str(uuid4()), "mouse": mouse, "observed_at": datetime.now(UTC).isoformat(),
                   "length_mm": 10.4, "width_mm": 8.2, "weight_g": 22.1, "status": "measured",
                   "confirmations": [{"rule": "R23", "reason": "load"}]}  # fmt: skip
            status, body = ask(port, "POST", who["path"], json.dumps({"rows": [row]}), who["token"])
            stored = status == 200 and json.loads(body)["results"][0]["http_status"] == 201
            return (200 if stored else status if status != 200 else 422), body

        return send

    def reading(who: dict):
        return lambda: ask(port, "GET", random.choice(who["paths"]), token=who["token"])

    jobs = [("save", PACE_S, saving(who)) for who in technicians]
    jobs += [("read", READ_EVERY_S, reading(who)) for who in readers]
    jobs += [("nothing", NOTHING_EVERY_S, lambda: ask(port, "GET", NOTHING))]
    threads = [threading.Thread(target=keep_on, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return took, failed


def p99(seconds: list[float]) -> float:
    return sorted(seconds)[min(len(seconds) - 1, int(0.99 * len(seconds)))]


def _ratio(vendor: str, took: dict[str, list[float]], failed: list[str]) -> Ratio:
    for one in failed[:10]:
        print(f"  failed: {one}")
    counts = ", ".join(
        f"{len(times)} {kind} (p99 {p99(times) * 1000:.0f} ms)" for kind, times in took.items()
    )
    print(f"  {vendor}, {SECONDS:.0f} s: {counts}; {len(failed)} errors")
    if failed:
        raise SystemExit(f"{len(failed)} requests failed under load")
    what = f"p99 of saving a row in {vendor}, {TECHNICIANS} technicians at ten times their pace, 0 errors"
    return Ratio(what, "p99 of a view that does nothing", p99(took["save"]), p99(took["nothing"]), at_most=5)


if __name__ == "__main__":
    print("\n".join(map(str, main())))
