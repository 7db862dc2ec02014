"""The whole report of every pathological study: `make pathological-reports`, some ten minutes.

Names given after the module make those alone. The suite renders a few of them without the PDF, in
tests/reports/test_pathological.py.
"""

import os
import sys
import time
from datetime import UTC, datetime
from io import BytesIO

MADE_AT = datetime(2026, 3, 1, tzinfo=UTC)
TOO_LARGE_TO_WAIT_FOR = ("100,000 readings",)


def analyzed(name: str):
    """A pathological study on the road of a file."""
    from studies.reports.headless import analyze_frame
    from tests.analysis.test_pathological import STUDIES

    table, plan, _ = STUDIES[name]
    frame = table()
    [study] = analyze_frame(frame if "study" in frame else frame.assign(study="pathological"), plan)
    return study


def names() -> list[str]:
    from tests.analysis.test_pathological import STUDIES

    return [
        name
        for name, (_, _, refusal) in STUDIES.items()
        if refusal is None and name not in TOO_LARGE_TO_WAIT_FOR
    ]


def main(chosen: list[str]) -> int:
    import django
    import pypdf

    django.setup()
    from studies.reports.build import report_files

    broken, asked = [], chosen or names()
    for name in asked:
        began = time.process_time()
        try:
            files = report_files(analyzed(name), MADE_AT)
            pages = len(pypdf.PdfReader(BytesIO(files["report.pdf"])).pages)
        except Exception as error:  # every one of them is shown, not the first alone
            broken.append(name)
            print(f"{name}: {type(error).__name__}: {error}", flush=True)
            continue
        print(f"{name}: {len(files)} files, {pages} pages, {time.process_time() - began:.1f} s", flush=True)
    print(f"{len(broken)} broken of {len(asked)}")
    return 1 if broken else 0


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    sys.exit(main(sys.argv[1:]))
