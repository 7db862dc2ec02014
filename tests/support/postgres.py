"""A PostgreSQL server of the tests' own: made in a temporary folder, gone when they end.

    python -m tests.support.postgres COMMAND...     run COMMAND with DATABASE_URL naming the server
    PDX_POSTGRES=durable python -m ...              the same, every commit flushed to disk as in production: for benches

Only the binaries must be on the machine; no running server, account or password is used. The server
listens on a socket in its own folder, never on the network, and dies with the process that started it,
even when that one is killed.
"""

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.doctor import PARTS, in_ci, postgresql_bin

SUPERUSER = "pdx"
START_SECONDS = 60
PR_SET_PDEATHSIG = 1
SERVER_OPTIONS = {"listen_addresses": "", "max_connections": "100", "log_min_messages": "fatal"}
# A test's data live minutes and are made again, so nothing is worth a disk flush.
HASTY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class PostgresError(RuntimeError):
    pass


def server_account() -> dict:
    """Whom to run the server as: initdb and postgres refuse root, so root lends them an account."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    raise PostgresError(
        "PostgreSQL refuses to run as root, and there is neither a postgres nor a nobody account"
    )


def _die_with_parent() -> None:
    """Ask the kernel to stop the server (fast shutdown) when this process is gone; Linux only.

    A session of its own keeps Ctrl-C in the terminal from reaching the server before the tests end.
    """
    os.setsid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)


def _run_initdb(binaries: Path, data: Path, account: dict) -> None:
    command = [
        binaries / "initdb", "--pgdata", data, "--username", SUPERUSER, "--auth", "trust",
        "--encoding", "UTF8", "--locale", "C", "--no-sync",
    ]  # fmt: skip
    run = subprocess.run(command, capture_output=True, text=True, cwd=data.parent, check=False, **account)
    if run.returncode:
        raise PostgresError(f"initdb failed: {run.stderr.strip()}")


def start_server(data: Path, more: dict[str, str] | None = None) -> subprocess.Popen:
    """The server of a data folder, ready to take connections; `more` goes over SERVER_OPTIONS."""
    hasty = {} if os.environ.get("PDX_POSTGRES") == "durable" else HASTY
    options = {**SERVER_OPTIONS, **hasty, "unix_socket_directories": str(data.parent), **(more or {})}
    command = [postgresql_bin() / "postgres", "-D", data]
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]
    with open(data.parent / "server.log", "wb") as log:
        server = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=data.parent,
            preexec_fn=_die_with_parent, **server_account(),
        )  # fmt: skip
    _wait_until_ready(server, data)
    return server


def _wait_until_ready(server: subprocess.Popen, data: Path) -> None:
    """The postmaster writes "ready" as the last line of its pid file once it takes connections."""
    deadline = time.monotonic() + START_SECONDS
    pid_file = data / "postmaster.pid"
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise PostgresError(f"the server stopped at once: {(data.parent / 'server.log').read_text()}")
        if pid_file.exists() and "ready" in pid_file.read_text().split():
            return
        time.sleep(0.05)
    raise PostgresError(f"the server was not ready within {START_SECONDS} s")


def stop_server(server: subprocess.Popen) -> None:
    server.send_signal(signal.SIGINT)
    try:
        server.wait(timeout=20)
    except subprocess.TimeoutExpired:
        server.send_signal(signal.SIGQUIT)
        server.wait()


@contextmanager
def data_folder(kept: Path | None = None) -> Iterator[Path]:
    """A new cluster's data folder, gone at the end unless it is `kept`.

    Raises PostgresError where the binaries are missing.
    """
    binaries = postgresql_bin()
    if binaries is None:
        raise PostgresError(f"no PostgreSQL server binaries found: {PARTS['postgresql'].apt_line}")
    account = server_account()
    # A socket's path may hold about 100 characters, so the folder is made in /tmp whatever TMPDIR says.
    folder = kept or Path(tempfile.mkdtemp(prefix="pdx-postgres-", dir="/tmp"))
    folder.mkdir(exist_ok=True)
    try:
        if account:
            os.chown(folder, account["user"], account["group"])
        _run_initdb(binaries, folder / "data", account)
        yield folder / "data"
    finally:
        if kept is None:
            shutil.rmtree(folder, ignore_errors=True)


def url_of(data: Path) -> str:
    """The DATABASE_URL of the cluster's `postgres` database."""
    return f"postgres://{SUPERUSER}@/postgres?host={data.parent}"


@contextmanager
def cluster() -> Iterator[str]:
    """A running server; yields its DATABASE_URL. Raises PostgresError where it does not come up."""
    with data_folder() as data:
        server = start_server(data)
        try:
            yield url_of(data)
        finally:
            stop_server(server)


def _raise_exit(signum: int, frame: object) -> None:
    raise SystemExit(128 + signum)


def main(command: list[str]) -> int:
    if not command:
        print(__doc__, file=sys.stderr)
        return 2
    if postgresql_bin() is None and not in_ci():
        print(
            f"SKIPPED on PostgreSQL: {' '.join(command)}\n  {PARTS['postgresql'].apt_line}", file=sys.stderr
        )
        return 0
    signal.signal(signal.SIGTERM, _raise_exit)
    signal.signal(signal.SIGHUP, _raise_exit)
    with cluster() as url:
        child = subprocess.Popen(command, env={**os.environ, "DATABASE_URL": url})
        while True:
            try:
                return child.wait()
            except KeyboardInterrupt:
                continue  # Ctrl-C reached the command too; it decides when to end
            except SystemExit:
                child.terminate()
                child.wait()
                raise


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
