"""What PostgreSQL carries: the same pages and queries at 100,000 and at 10,000,000 measurements.

    python -m tests.bench.capacity [--rows 10000000] [--small 100000]

Two databases of one cluster of its own, gone at the end, each filled by copies of one acceptance study: 200 mice,
50 sessions, the last one due today. Rows are copied with triggers off; each measured session has the one event
that vouches for its readings, as in the study copied. Every request is timed in turn on both, so that a busy
machine slows both; buffers are pages of 8 kB the database read, which no load changes. The page of a session, of
a study and its curves, the portfolio, a mouse, a sheet of ten rows stored, and every valid reading of one PDX
model across its studies.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import psycopg

from tests.support import postgres

ROOT = Path(__file__).resolve().parents[2]
MICE, MEASURED, MODEL_STUDIES, MODELS = 200, 49, 5, 5
ROWS_A_STUDY = MICE * MEASURED
BASE = 1_000_000  # keys from here on are copies
MINE = 20  # studies the people of the test work in
STUDIES_AT_ONCE = 50
ROUNDS = 7
TABLES = ("studies_study", "studies_pdxmodel", "studies_measurementsession", "studies_mouse", "studies_tumor",
          "studies_measurement", "studies_auditevent", "studies_audithead")  # fmt: skip
FIRST = {
    "studies_study": "code = 'ACC-OPEN'",
    "studies_measurementsession": "completed_at IS NOT NULL",
    "studies_auditevent": "action = 'completed a measurement session'",
}


def environment(url: str, folder: Path) -> dict[str, str]:
    return {**os.environ, "DATABASE_URL": url, "PDX_DATA_DIR": str(folder), "ACCEPTANCE": "1"}


def manage(url: str, folder: Path, *command: str) -> str:
    run = subprocess.run([sys.executable, "manage.py", *command], cwd=ROOT, env=environment(url, folder),
                         capture_output=True, text=True, check=False)  # fmt: skip
    if run.returncode:
        raise RuntimeError(f"{command[0]}: {run.stderr}")
    return run.stdout


def copies(database: psycopg.Connection, table: str, source: str, **changed: str) -> None:
    """Rows of `table` like its first row, one a row of `source`, with these columns computed in SQL.

    Not again where a row of the last key is there: a load that was stopped goes on.
    """
    last = database.execute(f"SELECT max({changed['id']}) FROM {source}").fetchone()[0]
    if database.execute(f"SELECT 1 FROM {table} WHERE id = {last}").fetchone():
        return
    found = database.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_name = %s AND is_generated = 'NEVER'",
        [table],
    ).fetchall()
    columns = [name for (name,) in found]
    values = ", ".join(changed.get(name, f't."{name}"') for name in columns)
    names = ", ".join(f'"{name}"' for name in columns)
    template = f"t.id = (SELECT min(id) FROM {table} WHERE {FIRST.get(table, 'true')})"
    database.execute(
        f"INSERT INTO {table} ({names}) SELECT {values} FROM {table} t, {source} WHERE {template}"
    )


def fill(url: str, rows: int) -> None:
    """Copies of ACC-OPEN until `rows` readings are there."""
    studies = math.ceil(rows / ROWS_A_STUDY)
    with psycopg.connect(url, autocommit=True) as database:
        database.execute("SET session_replication_role = replica")  # no trigger: copies have no events
        database.execute("SET maintenance_work_mem = '512MB'")
        series = f"generate_series(0, {studies - 1}) s"
        copies(database, "studies_study", series, id=f"{BASE} + s", code="'CAP-' || s", is_blinded="true")
        copies(database, "studies_pdxmodel", series, id=f"{BASE} + s", code="'CAP-MODEL-' || s")
        copies(database, "studies_measurementsession", f"{series}, generate_series(0, {MEASURED}) k",
               id=f"{BASE} + s * {MEASURED + 1} + k", study_id=f"{BASE} + s", cohort_id="NULL",
               due_on=f"current_date - ({MEASURED} - k) * 3", is_baseline="k = 0",
               completed_at=f"CASE WHEN k < {MEASURED} THEN t.completed_at END",
               started_at=f"CASE WHEN k < {MEASURED} THEN t.started_at END")  # fmt: skip
        group = f"s / {MODEL_STUDIES} * {MODEL_STUDIES} + m % {MODELS}"
        mice = f"{series}, generate_series(0, {MICE - 1}) m"
        copies(database, "studies_mouse", mice, id=f"{BASE} + s * {MICE} + m",
               study_id=f"{BASE} + s", cohort_id="NULL", cage_id="NULL", label="'M' || lpad((m + 1)::text, 3, '0')",
               ear_tag="''", rfid="''", pdx_model_id=f"{BASE} + least({group}, {studies - 1})")  # fmt: skip
        copies(database, "studies_tumor", mice, id=f"{BASE} + s * {MICE} + m",
               mouse_id=f"{BASE} + s * {MICE} + m")  # fmt: skip
        take_indexes_away(database)
        for start in range(0, studies, STUDIES_AT_ONCE):
            fill_readings(database, start, min(start + STUDIES_AT_ONCE, studies))
        lay_indexes_again(database)
        fill_events(database, studies)
        database.execute(
            "INSERT INTO studies_studymembership (user_id, study_id, role, is_active) "
            "SELECT m.user_id, s.id, m.role, true FROM studies_studymembership m, studies_study s, studies_study o "
            f"WHERE o.code = 'ACC-OPEN' AND m.study_id = o.id AND s.id BETWEEN {BASE} AND {BASE + MINE - 1} "
            "ON CONFLICT DO NOTHING"
        )
        for table in (*TABLES, "studies_studymembership"):
            database.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))"
            )
        database.execute("VACUUM ANALYZE")


def fill_readings(database: psycopg.Connection, start: int, end: int) -> None:
    mice = f"generate_series({start}, {end - 1}) s, generate_series(0, {MICE - 1}) m"
    source = f"{mice}, generate_series(0, {MEASURED - 1}) k"
    copies(database, "studies_measurement", source,
           id=f"{BASE} + (s * {MEASURED} + k)::bigint * {MICE} + m", mouse_id=f"{BASE} + s * {MICE} + m",
           session_id=f"{BASE} + s * {MEASURED + 1} + k", client_id="gen_random_uuid()",
           length_mm="round((5 + 0.15 * k + random())::numeric, 1)",
           width_mm="round((4 + 0.12 * k + random())::numeric, 1)",
           weight_g="round((20 + 3 * random())::numeric, 1)",
           observed_at=f"t.observed_at - ({MEASURED} - k) * interval '3 days'")  # fmt: skip


def fill_events(database: psycopg.Connection, studies: int) -> None:
    """One event a measured session, and the heads of their chains, on which the next event is built."""
    series = f"generate_series(0, {studies - 1}) s"
    chain = f"'study:' || ({BASE} + s)"
    copies(database, "studies_auditevent", f"{series}, generate_series(0, {MEASURED - 1}) k",
           id=f"{BASE} + s * {MEASURED} + k", study_id=f"{BASE} + s", chain=chain, sequence="k + 1",
           object_id=f"({BASE} + s * {MEASURED + 1} + k)::text")  # fmt: skip
    copies(database, "studies_audithead", series, id=f"{BASE} + s", chain=chain, count=f"{MEASURED}")


def take_indexes_away(database: psycopg.Connection) -> None:
    """Drop the readings' indexes for the load, having noted how each is laid again."""
    table = "studies_measurement"
    database.execute("CREATE TABLE IF NOT EXISTS capacity_index (name text PRIMARY KEY, laid_by text)")
    unique = database.execute(
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass"
        " AND contype = 'u'", [table],
    ).fetchall()  # fmt: skip
    others = database.execute(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = %s AND indexname NOT LIKE '%%_pkey'"
        " AND indexname <> ALL(%s)", [table, [name for name, _ in unique]],
    ).fetchall()  # fmt: skip
    for name, definition in unique:
        with database.transaction():
            database.execute("INSERT INTO capacity_index VALUES (%s, %s)",
                             [name, f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}'])  # fmt: skip
            database.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
    for name, definition in others:
        with database.transaction():
            database.execute("INSERT INTO capacity_index VALUES (%s, %s)", [name, definition])
            database.execute(f'DROP INDEX "{name}"')


def lay_indexes_again(database: psycopg.Connection) -> None:
    for name, statement in database.execute("SELECT name, laid_by FROM capacity_index").fetchall():
        with database.transaction():
            database.execute(statement)
            database.execute("DELETE FROM capacity_index WHERE name = %s", [name])


class Measured:
    """One database's requests, asked through Django in a process of its own; a line in, a line of JSON out."""

    def __init__(self, url: str, folder: Path) -> None:
        command = [sys.executable, "-m", "tests.bench.capacity", "--serve"]
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment(url, folder), text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip

    def ask(self, name: str) -> dict:
        self.process.stdin.write(name + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def serve() -> None:
    """Answer names of requests on standard input with seconds, database seconds, queries and buffers."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pdx_tracker.settings")
    import django

    django.setup()
    from django.conf import settings
    from django.db import connection
    from django.test import Client

    from studies.models import User

    settings.ALLOWED_HOSTS.append("testserver")
    connection.ensure_connection()
    told = requests(Client, User)
    for line in sys.stdin:
        print(json.dumps(timed(connection, told[line.strip()])), flush=True)


def requests(client_class, user_class) -> dict[str, Callable]:
    from django.db.models import Avg

    from studies.models import Measurement, Mouse

    def signed_in(name: str):
        client = client_class()
        client.force_login(user_class.objects.get(username=name))
        return client

    technician, director = signed_in("acc_technician"), signed_in("acc_director")
    session, mouse = BASE + MEASURED, BASE + 7
    keys = list(Mouse.objects.filter(study=BASE).order_by("pk").select_related("study")[:MICE])
    place = iter(range(10_000))

    def page(client, path: str) -> Callable[[], None]:
        def ask() -> None:
            answer = client.get(path)
            assert answer.status_code == 200, f"{path}: {answer.status_code}"

        return ask

    def store() -> None:
        from django.utils import timezone

        number = next(place)
        rows = [
            {"client_id": str(uuid.uuid4()), "mouse": one.key, "length_mm": 12.6, "width_mm": 10.4, "weight_g": 21.4,
             "replicate": 1 + number // 20, "status": "measured", "observed_at": timezone.now().isoformat()}
            for one in keys[number % 20 * 10 : number % 20 * 10 + 10]
        ]  # fmt: skip
        answer = technician.post(
            f"/api/v1/sessions/{session}/measurements",
            json.dumps({"rows": rows}),
            content_type="application/json",
        )
        assert answer.status_code == 200

    def across() -> None:
        found = Measurement.objects.valid().filter(mouse__pdx_model=BASE)
        rows = found.values("session__study", "session__due_on").annotate(Avg("length_mm"), Avg("width_mm"))
        assert len(list(rows)) >= MEASURED

    return {
        "entry page, 200 mice": page(technician, f"/entry/sessions/{session}/"),
        "sheet of 10 rows stored": store,
        "study page": page(director, "/studies/CAP-0/"),
        "study curves": page(director, "/studies/CAP-0/curves.json"),
        "a mouse and its history": page(director, f"/entry/mice/{mouse}/"),
        "portfolio": page(director, "/portfolio/"),
        "a PDX model across its studies": across,
    }


def timed(connection, act: Callable[[], None]) -> dict:
    from django.test.utils import CaptureQueriesContext

    buffers = _buffers(connection)
    with CaptureQueriesContext(connection) as queries:
        began = time.perf_counter()
        act()
        seconds = time.perf_counter() - began
    return {
        "seconds": seconds,
        "queries": len(queries),
        "database_s": sum(float(one["time"]) for one in queries.captured_queries),
        "buffers": _buffers(connection) - buffers,
    }


def _buffers(connection) -> int:
    """Pages read so far in this database, from memory or disk; nobody else is in it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush(), pg_stat_clear_snapshot()")
    with connection.cursor() as cursor:
        cursor.execute("SELECT blks_hit + blks_read FROM pg_stat_database WHERE datname = current_database()")
        return cursor.fetchone()[0]


NAMES = ("entry page, 200 mice", "sheet of 10 rows stored", "study page", "study curves",
         "a mouse and its history", "portfolio", "a PDX model across its studies")  # fmt: skip


def main(sizes: list[int], kept: Path | None) -> None:
    """With `kept`, the databases stay in that folder, and those loaded there before are not loaded again."""
    with (
        nullcontext(kept / "data")
        if kept and (kept / "data").exists()
        else postgres.data_folder(kept) as data
    ):
        server = postgres.start_server(data, {"shared_buffers": "1GB", "max_wal_size": "8GB"})
        try:
            measured = [prepared(data, rows) for rows in sizes]
            figures: dict[str, list[list[dict]]] = {name: [[] for _ in sizes] for name in NAMES}
            for _ in range(ROUNDS):
                for name in NAMES:
                    for place, one in enumerate(measured):
                        figures[name][place].append(one.ask(name))
            for one in measured:
                one.process.stdin.close()
                one.process.wait()
            tell(figures, sizes)
        finally:
            postgres.stop_server(server)


def prepared(data: Path, rows: int) -> Measured:
    name, folder = f"capacity_{rows}", data.parent / f"files_{rows}"
    url = postgres.url_of(data).replace("/postgres?", f"/{name}?")
    if not (folder / "seeded").exists():
        folder.mkdir(exist_ok=True)
        with psycopg.connect(postgres.url_of(data), autocommit=True) as database:
            database.execute(f"DROP DATABASE IF EXISTS {name}")
            database.execute(f"CREATE DATABASE {name}")
        manage(url, folder, "migrate", "--verbosity=0")
        manage(url, folder, "acceptance_seed", "--seed=7")
        (folder / "seeded").touch()
    if not (folder / "loaded").exists():
        began = time.perf_counter()
        fill(url, rows)
        print(f"loaded in {time.perf_counter() - began:.0f} s", flush=True)
        (folder / "loaded").touch()
    with psycopg.connect(url) as database:
        count, size = database.execute(
            "SELECT (SELECT count(*) FROM studies_measurement), pg_size_pretty(pg_database_size(current_database()))"
        ).fetchone()
    print(f"{count} measurements, {size} on disk", flush=True)
    return Measured(url, folder)


def tell(figures: dict[str, list[list[dict]]], sizes: list[int]) -> None:
    """The least of each: what the machine needs where nobody else uses it."""
    for name, by_size in figures.items():
        least = [{key: min(one[key] for one in told) for key in told[0]} for told in by_size]
        parts = [
            f"{rows}: {1000 * one['seconds']:.0f} ms ({1000 * one['database_s']:.0f} in the database, "
            f"{one['queries']} queries, {one['buffers']} buffers)"
            for rows, one in zip(sizes, least, strict=True)
        ]
        print(f"{name}: {'; '.join(parts)}; x{least[-1]['seconds'] / least[0]['seconds']:.2f}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--small", type=int, default=100_000)
    parser.add_argument(
        "--keep", type=Path, help="a folder in /tmp for the databases, to load them only once"
    )
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    serve() if asked.serve else main([asked.small, asked.rows], asked.keep)
