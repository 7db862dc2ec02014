"""`manage.py work`: take up the long work that waits in the database, until told to stop."""

import logging
import os
import signal
import time
from contextlib import suppress

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError, connection
from django.utils import timezone

from studies.actions.backups import schedule_backups
from studies.actions.jobs import running_here
from studies.actions.letters import send_waiting_letters

LOOK_SECONDS = 0.3
LETTERS_LOOK_SECONDS = 60

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Build reports and do other long work that waits. Start it beside the server; stop it at any time."

    def add_arguments(self, parser) -> None:
        parser.add_argument(
            "--with-parent", action="store_true", help="stop when the program that started this one is gone"
        )

    def handle(self, *, with_parent: bool, **options) -> None:
        from django_q.cluster import Cluster

        cluster, parent = Cluster(), os.getppid()
        self.is_stopped = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self.stop)
        if settings.BACKUP_FOLDER:
            schedule_backups(timezone.now())
        connection.close()  # what is forked takes no connection along
        cluster.start()
        next_look = 0.0
        while not self.is_stopped and cluster.sentinel.is_alive():
            if with_parent and os.getppid() != parent:
                break
            if time.monotonic() >= next_look:
                send_what_waits()
                next_look = time.monotonic() + LETTERS_LOOK_SECONDS
            time.sleep(LOOK_SECONDS)
        halt(cluster)

    def stop(self, number, frame) -> None:
        self.is_stopped = True


def send_what_waits() -> None:
    """Letters whose next try is due; what fails is kept with its letter."""
    try:
        send_waiting_letters(timezone.now())
    except DatabaseError as error:
        logger.error("letters wait: %s", error)
    finally:
        connection.close()


def halt(cluster) -> None:
    """Stop at once: a job in hand is dropped, and taken up again by the next worker to start."""
    cluster.stop_event.set()
    while cluster.sentinel.is_alive():
        for pid in running_here(cluster.sentinel.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        cluster.sentinel.join(LOOK_SECONDS)
