"""What the tests need to know of the two databases.

Every test that touches the database runs on SQLite (`make unit`) and on PostgreSQL
(`make unit-postgresql`): the same test, DATABASE_URL decides. `mark_by_what_it_touches` finds those
tests by the fixtures they use, so nobody marks one by hand.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pytest
from django.db import connections, transaction
from django.test import TransactionTestCase

from studies import triggers

DATABASE_FIXTURES = {
    "db",
    "transactional_db",
    "live_server",
    "admin_user",
    "admin_client",
    "django_user_model",
}
BROWSER_FIXTURES = {"page", "context", "browser", "new_context"}


def mark_by_what_it_touches(items: list[pytest.Item]) -> None:
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if fixtures & BROWSER_FIXTURES:
            item.add_marker(pytest.mark.browser)
        if _touches_database(item, fixtures):
            item.add_marker(pytest.mark.database)


def _touches_database(item: pytest.Item, fixtures: set[str]) -> bool:
    test_class = getattr(item, "cls", None)
    is_django_case = isinstance(test_class, type) and issubclass(test_class, TransactionTestCase)
    return bool(item.get_closest_marker("django_db") or fixtures & DATABASE_FIXTURES or is_django_case)


@contextmanager
def taken_away_again(django_db_blocker) -> Iterator[None]:
    """What is written within stays for the tests of one module and is gone after it.

    For a fixture of that scope which costs seconds. Each test's own changes are undone as ever; every other test of
    that module sees the rows too, so one that needs an empty database lives in another file.
    """
    with django_db_blocker.unblock(), transaction.atomic():
        yield
        transaction.set_rollback(True)


@contextmanager
def triggers_lifted(aliases: Iterable[str]) -> Iterator[None]:
    """Take the append-only triggers away for a moment: emptying a table between tests is no tampering."""
    names = list(aliases)
    for alias in names:
        triggers.drop(connections[alias])
    try:
        yield
    finally:
        for alias in names:
            triggers.install(connections[alias])


def let_transactional_tests_reset() -> None:
    """Make the flush after a transactional test pass the triggers that refuse it, and only that flush."""
    flush = TransactionTestCase._fixture_teardown

    def flush_without_triggers(case: TransactionTestCase) -> None:
        with triggers_lifted(case._databases_names(include_mirrors=False)):
            flush(case)

    TransactionTestCase._fixture_teardown = flush_without_triggers
