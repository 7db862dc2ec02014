"""`manage.py work` on the test database, with a job that waits for a file: for tests that kill its worker."""

import os
import time
from pathlib import Path

import django


def do_slowly(job, progress) -> str:
    folder = Path(job.parameters["folder"])
    progress.step("slowly", 10)
    while not (folder / "go on").exists():
        time.sleep(0.05)
    time.sleep(float(os.environ.get("WORK_SECONDS", 0)))
    with (folder / "results").open("a") as results:
        results.write("done\n")
    return "done"


def main() -> None:
    from django.conf import settings
    from django.core.management import call_command

    django.setup()
    settings.DATABASES["default"]["NAME"] = os.environ["WORK_ON_DATABASE"]
    from studies.actions import jobs

    jobs.WORK["report"] = "tests.support.slow_work.do_slowly"
    call_command("work")


if __name__ == "__main__":
    main()
