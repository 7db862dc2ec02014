"""The project's own settings with what a test run may not share or wait for.

Everything else is as in production: the same middleware, constraints, triggers and SQLite options.
"""

import atexit
import os
import shutil
import tempfile

if "PDX_TEST_FOLDER" not in os.environ:  # a process started by a test uses the folder of the run
    os.environ["PDX_TEST_FOLDER"] = tempfile.mkdtemp(prefix="pdx-tests-")
    atexit.register(shutil.rmtree, os.environ["PDX_TEST_FOLDER"], ignore_errors=True)
os.environ["PDX_DATA_DIR"] = os.environ["PDX_TEST_FOLDER"]

from pdx_tracker.settings import *  # noqa: F403
from pdx_tracker.settings import DATA_DIR, DATABASES

# A file, never memory: threads and processes of a concurrency test must meet in one WAL database.
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}
else:
    DATABASES["default"]["CONN_MAX_AGE"] = (
        0  # an idle thread's connection would keep the database from being dropped
    )

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # scrypt is slow on purpose
