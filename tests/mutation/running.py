"""Run chosen tests in a forked child, and tell what became of it.

Everything is loaded and collected once, before the fork; a child has a database of its own, a copy of an empty one.
"""

import hashlib
import json
import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
OPTIONS = [
    *("-q", "--no-header", "--tb=no", "-x", "-p", "no:cacheprovider", "-W", "ignore"),
    *("-m", "not browser and not reference"),
    # Asks every URL as everyone: a minute, and what it asks of each role the tests beside it ask one by one.
    *("--deselect", "tests/test_endpoints.py::test_who_is_answered_is_who_is_declared"),
]
SPACE_GB = 8


class OwnDatabase:
    """The tests' database is a copy of the empty one that the first child made."""

    def pytest_configure(self, config: pytest.Config) -> None:
        config.pluginmanager.register(OwnSetup())  # after pytest-django: of two fixtures the later one counts


class OwnSetup:
    @pytest.fixture(scope="session")
    def django_db_setup(self, django_db_blocker):
        from django.db import connection

        own = Path(os.environ["PDX_TEST_FOLDER"]) / "own.sqlite3"
        for end in ("-wal", "-shm"):
            own.with_name(own.name + end).unlink(missing_ok=True)
        shutil.copyfile(empty_database(), own)
        with django_db_blocker.unblock():
            connection.close()
            connection.settings_dict["NAME"] = str(own)


def empty_database() -> Path:
    return Path(os.environ["PDX_TEST_FOLDER"]) / "test.sqlite3"


def prepare_database(kept: Path) -> None:
    """The empty database, made by the migrations as they are now, or the one made by the same before."""
    sources = [*sorted((ROOT / "studies" / "migrations").glob("*.py")), ROOT / "studies" / "triggers.py"]
    state = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    made = kept / f"empty-{state}.sqlite3"
    if not made.exists():
        in_child(make_empty_database)
        shutil.copyfile(empty_database(), made)
    shutil.copyfile(made, empty_database())


def make_empty_database() -> None:
    import django
    from django.db import connections
    from django.test.utils import setup_databases

    django.setup()
    setup_databases(verbosity=0, interactive=False, keepdb=True)
    with connections["default"].cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connections.close_all()


def in_child(work: Callable[[], object], cpu_seconds: float = 0) -> object:
    """What `work` returned in a forked child (as JSON carries it); None if it died or ran out of its time."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read_end)
        silence()
        if cpu_seconds:
            signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
            signal.alarm(int(30 + 20 * cpu_seconds))  # for one that sleeps; others' work slows this machine
            resource.setrlimit(resource.RLIMIT_AS, (SPACE_GB << 30, SPACE_GB << 30))
        try:
            with os.fdopen(write_end, "w") as pipe:
                json.dump(work(), pipe)
        finally:
            os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    with suppress(json.JSONDecodeError):
        return json.loads(said)
    return None


def silence() -> None:
    silent = os.open(
        os.environ.get("MUTATION_LOG", os.devnull), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644
    )
    os.dup2(silent, 1)
    os.dup2(silent, 2)


def run_items(session: pytest.Session, items: list[pytest.Item]) -> str:
    """The first test that fails, or ""."""
    for item, after in zip(items, [*items[1:], None], strict=True):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
        if session.testsfailed:
            return item.nodeid
    return ""


def with_collected(tests: tuple[str, ...], loop: Callable[[pytest.Session], object]) -> None:
    """Collect `tests`, then call `loop` in place of running them."""

    class Loop(OwnDatabase):
        def pytest_runtestloop(self, session: pytest.Session) -> bool:
            loop(session)
            return True

    code = pytest.main([*OPTIONS, *tests], plugins=[Loop()])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        print(f"pytest ended with {code!r}", file=sys.stderr)
