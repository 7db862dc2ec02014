"""The demo, loaded once a file for the tests that only read it or start from it."""

from datetime import UTC, datetime

import pytest

from tests.support.databases import taken_away_again

NOW = datetime(2026, 3, 5, 14, 30, tzinfo=UTC)
PASSWORD = "amber-basil-cedar-delta-042"


@pytest.fixture(scope="module")
def loaded(django_db_setup, django_db_blocker):
    from studies.actions.load_demo import load_demo

    with taken_away_again(django_db_blocker):
        yield load_demo(now=NOW, password=PASSWORD)


@pytest.fixture
def demo(loaded, db):
    return loaded
