"""`manage.py work`: take up the long work that waits in the database, until told to stop."""

import os
import signal
import time
from contextlib import suppress

from django.core.management.base import BaseCommand

from studies.actions.jobs import running_here

LOOK_SECONDS = 0.3


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
        cluster.start()
        while not self.is_stopped and cluster.sentinel.is_alive():
            if with_parent and os.getppid() != parent:
                break
            time.sleep(LOOK_SECONDS)
        halt(cluster)

    def stop(self, number, frame) -> None:
        self.is_stopped = True


def halt(cluster) -> None:
    """Stop at once: a job in hand is dropped, and taken up again by the next worker to start."""
    cluster.stop_event.set()
    while cluster.sentinel.is_alive():
        for pid in running_here(cluster.sentinel.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        cluster.sentinel.join(LOOK_SECONDS)
