"""gunicorn with the program loaded beforehand: each line read starts a server and prints its process id.

    python -m tests.torture.serve PORT

A server started so is in a session of its own and can be killed whole; the next is up in a moment, since
what takes long, importing the program, is not done again. Nothing of the database is touched before.
"""

import os
import signal
import sys

from django.urls import get_resolver
from gunicorn.app.base import BaseApplication

from pdx_tracker.wsgi import application

THREADS = 4


class Server(BaseApplication):
    def __init__(self, port: str) -> None:
        self.port = port
        super().__init__()

    def load_config(self) -> None:
        self.cfg.set("bind", f"127.0.0.1:{self.port}")
        self.cfg.set("threads", THREADS)
        self.cfg.set("loglevel", "critical")

    def load(self):
        return application


def main(port: str) -> None:
    _ = get_resolver().url_patterns
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the killed leave no zombies
    for _line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            os.setsid()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            Server(port).run()
            os._exit(0)
        print(pid, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
