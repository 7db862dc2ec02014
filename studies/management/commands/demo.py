"""`manage.py demo`: load the demo studies and serve them on this machine."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from studies.actions.demo_people import (
    CODES,
    COMPLETED,
    PEOPLE,
    TRUTH_FOLDER,
    TRUTH_JSON,
    TRUTH_TEXT,
    DemoRefused,
    demo_password,
)
from studies.actions.load_demo import demo_is_missing, load_demo
from studies.models import Study

HOST = "127.0.0.1"


class Command(BaseCommand):
    help = "Load the simulated demo studies where they are not yet, and serve them on this machine."

    def add_arguments(self, parser):
        parser.add_argument("--no-server", action="store_true", help="load the demo and stop")
        parser.add_argument("--port", type=int, default=8000, help="serve on this port (default 8000)")
        parser.add_argument(
            "--into-existing", action="store_true", help="load beside studies that are not the demo's"
        )

    def handle(self, *, no_server: bool, port: int, into_existing: bool, **options) -> None:
        if not no_server:
            refuse_taken_port(port)
        try:
            self.load(into_existing)
        except DemoRefused as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError("stopped; nothing was half-loaded", returncode=130) from None
        if not no_server:
            self.serve(port)

    def load(self, into_existing: bool) -> None:
        if Study._meta.db_table in connection.introspection.table_names():
            demo_is_missing(into_existing)  # refuses before a database of real studies is touched
        self.migrate()
        password = demo_password(Path(settings.DATA_DIR), os.environ.get("DEMO_PASSWORD", ""))
        loaded = load_demo(now=timezone.now(), password=password, into_existing=into_existing)
        if loaded.is_new:
            self.say(f"Loaded the simulated studies {', '.join(CODES)}.")
        if loaded.sessions_added:
            self.say("Added the measurement session due today.")
        self.tell_truth(loaded.is_new)
        self.tell_people(password)

    def migrate(self) -> None:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            self.say("Preparing the database.")
            call_command("migrate", verbosity=0, interactive=False)

    def tell_truth(self, is_new: bool) -> None:
        folder = Path(settings.DATA_DIR) / TRUTH_FOLDER
        if is_new or not (folder / TRUTH_JSON).exists():
            from studies.actions.demo_truth import write_truth  # loads the analysis, which takes seconds

            write_truth(Path(settings.DATA_DIR))
        for sentence in json.loads((folder / TRUTH_JSON).read_text(encoding="utf-8"))["summary"]:
            self.say(sentence)
        self.say(f"The truth behind {COMPLETED} is written in {folder / TRUTH_TEXT}")

    def tell_people(self, password: str) -> None:
        self.say("\nSign in as                        to")
        for person in PEOPLE:
            role = person.role.label if person.role else "administrator"
            self.say(f"  {person.username:<13} {role:<18} {person.may}")
        self.say(f"Password of all of them: {password}")

    def serve(self, port: int) -> None:
        self.say(f"\nServing the demo at http://{HOST}:{port}/  (Ctrl-C stops it)")
        self.stdout.flush()
        # Django's warning about its own server does not apply: the demo serves this machine alone.
        os.environ.setdefault("DJANGO_RUNSERVER_HIDE_WARNING", "true")
        # A shell starts what it runs in the background deaf to Ctrl-C; both ways to stop are the same to us.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        # In our own process group, so that Ctrl-C and a closed terminal reach it too.
        manage = [sys.executable, str(settings.BASE_DIR / "manage.py")]
        worker = subprocess.Popen([*manage, "work", "--with-parent"], stdin=subprocess.DEVNULL)
        try:
            call_command("runserver", f"{HOST}:{port}", use_reloader=False, skip_checks=True)
        except KeyboardInterrupt:
            pass
        except SystemExit as stopped:
            if stopped.code:
                raise
        finally:
            stop_worker(worker)

    def say(self, text: str) -> None:
        self.stdout.write(text)


def stop_worker(worker: subprocess.Popen) -> None:
    """Its last moments are its own: a second Ctrl-C ends the waiting, and the worker follows its parent."""
    worker.terminate()
    try:
        worker.wait(timeout=15)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        worker.kill()


def refuse_taken_port(port: int) -> None:
    """Raise CommandError for a port out of range or one that another program answers on."""
    if not 1 <= port <= 65535:
        raise CommandError(f"port {port} is not between 1 and 65535")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the server itself binds: a port still lingering from the last run is free to take.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except PermissionError as error:
            raise CommandError(f"port {port} is reserved for the system; take one above 1023") from error
        except OSError as error:
            raise CommandError(
                f"port {port} is taken by another program. Use another one: make demo PORT={port + 1}, "
                f"or manage.py demo --port {port + 1}"
            ) from error
