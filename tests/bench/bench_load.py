"""Twenty technicians at ten times real pace and two report readers for a minute, against gunicorn on loopback.

A technician measures a mouse in some 52 s, so that each sends a row every 5.2 s, with the login and the key a tablet
sends. Two people open a study's reports, one report's page and the report itself in turn. Every 0.1 s someone who is
signed in asks for a view that does nothing, through the same middleware. No request may fail, and the slowest saves may
take 5 times as long as the slowest of those. The server runs as docs/operations.md says, under its own settings.
"""

import json
import os
import random
import resource
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from http.client import HTTPConnection
from itertools import cycle
from uuid import uuid4

from tests.bench.ratio import Ratio

TECHNICIANS, STUDIES, MICE, READERS = 20, 4, 60, 2
REPORT_KB = {"report.html": 800, "report.pdf": 300, "analysis.json": 200}
SECONDS = float(os.environ.get("LOAD_SECONDS", "60"))
PACE_S, NOTHING_EVERY_S, READ_EVERY_S = 5.2, 0.1, 2.0
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
    """Four studies of 60 mice measured ten times; each person's login, and what they send or read."""
    from studies.models import MeasurementSession
    from studies.terms import Role
    from tests.people import join, make_user

    now = datetime.now(UTC)
    technicians, readers = [], []
    for number in range(STUDIES):
        study, mice = measured_study(f"LOAD-{number}", now)
        session = MeasurementSession.objects.create(study=study, due_on=now.date())
        share = TECHNICIANS // STUDIES
        for place in range(share):
            user = join(make_user(f"tech-{number}-{place}"), study, Role.TECHNICIAN)
            path = f"/api/v1/sessions/{session.pk}/measurements"
            rows = [row_of(mouse.key) for mouse in mice[place::share]]
            technicians.append({"login": login(user), "path": path, "rows": rows})
    opened, _ = measured_study("LOAD-R", now, is_blinded=False)
    director = join(make_user("director"), opened, Role.STUDY_DIRECTOR)
    report = f"/studies/{opened.code}/reports/{stored_report(opened, director, now)}/"
    for number in range(READERS):
        user = join(make_user(f"reader-{number}"), opened, Role.STATISTICIAN)
        paths = [f"/studies/{opened.code}/reports/", report, f"{report}files/report.html"]
        readers.append({"login": login(user), "paths": paths})
    return technicians, readers


def measured_study(code: str, now: datetime, **fields) -> tuple:
    from studies.models import Measurement, MeasurementSession
    from tests.factories import make_mouse, make_study

    # A place where it is day, so that nobody asks which day a reading belongs to.
    study = make_study(code, time_zone="UTC" if 5 <= now.hour <= 22 else "Asia/Tokyo", **fields)
    mice = [make_mouse(study, f"M{place:03d}") for place in range(MICE)]
    for ago in range(10, 0, -1):
        before = MeasurementSession.objects.create(study=study, due_on=date_before(now, 3 * ago))
        Measurement.objects.bulk_create(
            Measurement(session=before, mouse=mouse, length_mm=10, width_mm=8, weight_g=22, recorded_at=now)
            for mouse in mice
        )
    return study, mice


def stored_report(study, director, now: datetime) -> int:
    """A report of a report's size; what stands in it is not looked at."""
    from studies.actions.snapshots import take_snapshot
    from studies.actions.stored_reports import store_report
    from studies.terms import ReportView

    files = {name: b"<p>reading\n" * (size * 1000 // 11) for name, size in REPORT_KB.items()}
    snapshot = take_snapshot(study, ReportView.OPEN)
    return store_report(study, ReportView.OPEN, snapshot, {}, files, asked_by=director, at=now).pk


def login(user) -> dict[str, str]:
    """The headers of this person's browser: its session and its CSRF token."""
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    store = SessionStore()
    store[SESSION_KEY], store[HASH_SESSION_KEY] = str(user.pk), user.get_session_auth_hash()
    store[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    store.save()
    token = "a" * 32
    return {"Cookie": f"sessionid={store.session_key}; csrftoken={token}", "X-CSRFToken": token}


def row_of(mouse: str) -> dict:
    return {"client_id": str(uuid4()), "mouse": mouse, "length_mm": 10.4, "width_mm": 8.2, "weight_g": 22.1,
            "status": "measured", "confirmations": [{"rule": "R23", "reason": "load"}]}  # fmt: skip


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
        command = [sys.executable, "-m", "gunicorn", "--threads", str(THREADS), "--bind", f"127.0.0.1:{self.port}",
                   "--log-level", "error", "pdx_tracker.wsgi"]  # fmt: skip
        own = {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "pdx_tracker.settings"}
        self.process = subprocess.Popen(command, env={**os.environ, **own})
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


def ask(port: int, method: str, path: str, body: str = "", **headers: str) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        headers |= {"Content-Type": "application/json", "Host": "localhost"}
        connection.request(method, path, body or None, headers)
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


def run(port: int, technicians: list[dict], readers: list[dict]) -> tuple[dict[str, list[float]], list[str]]:
    """Seconds of every request by what it was, and what failed."""
    took: dict[str, list[float]] = defaultdict(list)
    failed: list[str] = []
    end, before = time.monotonic() + SECONDS, time.process_time()

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
        rows = iter(who["rows"])

        def send() -> tuple[int, bytes]:
            row = next(rows) | {"observed_at": datetime.now(UTC).isoformat()}
            key = {"Idempotency-Key": row["client_id"]}
            status, body = ask(port, "POST", who["path"], json.dumps({"rows": [row]}), **who["login"], **key)
            stored = b'"http_status": 201' in body
            return (200 if stored else status if status != 200 else 422), body

        return send

    def reading(who: dict):
        paths = cycle(who["paths"])
        return lambda: ask(port, "GET", next(paths), **who["login"])

    jobs = [("save", PACE_S, saving(who)) for who in technicians]
    jobs += [("read", READ_EVERY_S, reading(who)) for who in readers]
    jobs += [("nothing", NOTHING_EVERY_S, lambda: ask(port, "GET", NOTHING, **technicians[0]["login"]))]
    jobs += [("nothing, signed out", 1.0, lambda: ask(port, "GET", NOTHING))]
    threads = [threading.Thread(target=keep_on, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took["processor"] = [time.process_time() - before]
    return took, failed


def at_share(seconds: list[float], share: float) -> float:
    return sorted(seconds)[min(len(seconds) - 1, int(share * len(seconds)))]


def costs(senders: float) -> str:
    """Processor seconds of the server, which has ended, and of this process, and how busy the machine is."""
    server = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (
        f"processor: server {server.ru_utime + server.ru_stime:.1f} s (its start included), "
        f"senders {senders:.1f} s; load average {os.getloadavg()[0]:.1f}"
    )


def _ratio(vendor: str, took: dict[str, list[float]], failed: list[str]) -> Ratio:
    for one in failed[:10]:
        print(f"  failed: {one}")
    print(f"  {vendor}, {SECONDS:.0f} s, {len(failed)} errors; {costs(took.pop('processor')[0])}")
    for kind, times in took.items():
        half, most = (at_share(times, share) * 1000 for share in (0.5, 0.99))
        print(f"    {len(times)} x {kind}: p50 {half:.0f} ms, p99 {most:.0f} ms")
    if failed:
        raise SystemExit(f"{len(failed)} requests failed under load")
    worst = (at_share(took[kind], 0.99) for kind in ("save", "nothing"))
    what = f"p99 of saving a row in {vendor}, {TECHNICIANS} technicians at ten times their pace, 0 errors"
    return Ratio(what, "p99 of a view that does nothing", *worst, at_most=5)


if __name__ == "__main__":
    print("\n".join(map(str, main())))
