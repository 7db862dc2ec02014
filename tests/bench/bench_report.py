"""A study's whole report against its parts timed alone, and against the report of a study eight times as large.

The parts are printed one by one, so that the largest is attacked first.
"""

import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests.bench.ratio import Ratio, processor_seconds

MADE_AT = datetime(2026, 3, 1, tzinfo=UTC)
DAYS = (0, 3, 7, 10, 14, 17, 21)
RATES = {"Vehicle": 0.06, "A": 0.05, "B": 0.045, "A+B": 0.02}


def readings(mice: int, pdx_models: int = 6) -> pd.DataFrame:
    """Six PDX models by four arms, as the demo study: exponential growth with variation between mice and readings."""
    random = np.random.default_rng(7)
    each = mice // (pdx_models * len(RATES))
    rows = []
    for number in range(pdx_models):
        for arm, rate in RATES.items():
            for mouse in range(each):
                start, own = 150 * np.exp(random.normal(0, 0.15)), rate + random.normal(0, 0.012)
                for day in DAYS:
                    volume = start * np.exp(own * day + random.normal(0, 0.1))
                    status = "loss_of_function" if number % 2 else "wild_type"
                    rows.append(
                        (
                            f"P{number}",
                            status,
                            arm,
                            f"P{number}-{arm}-{mouse}",
                            day,
                            volume,
                            22.0 + 0.01 * day,
                        )
                    )
    columns = ["pdx_model", "map2k4_status", "arm", "mouse", "day", "volume_mm3", "weight_g"]
    return pd.DataFrame(rows, columns=columns).assign(study="bench", role=lambda t: t["arm"].map(_role))


def _role(arm: str) -> str:
    return {"Vehicle": "vehicle", "A+B": "combination"}.get(arm, "single_agent")


def report(frame: pd.DataFrame) -> None:
    from studies.reports.build import build_report
    from studies.reports.headless import analyze_frame

    with tempfile.TemporaryDirectory() as folder:
        [analyzed] = analyze_frame(frame)
        build_report(analyzed, Path(folder), MADE_AT)


def parts(frame: pd.DataFrame) -> dict[str, Callable[[], Any]]:
    """Part -> the work of it alone, on what the parts before it made."""
    from studies.exports import workbook
    from studies.reports.build import LARGEST_SVG_IN_PDF, draw_figures, report_sections
    from studies.reports.headless import analyze_frame
    from studies.reports.render_html import render_html
    from studies.reports.render_pdf import render_pdf
    from studies.reports.sheets import sheets_of

    [analyzed] = analyze_frame(frame)
    sections = report_sections(analyzed)
    pages, _ = draw_figures(sections)

    def page(**options: Any) -> str:
        return render_html("bench", [], sections, pages, MADE_AT, **options)

    for_print = page(largest_svg_bytes=LARGEST_SVG_IN_PDF)
    return {
        "analysis": lambda: analyze_frame(frame),
        "figures": lambda: draw_figures(sections),
        "page": page,
        "PDF": lambda: render_pdf(for_print, MADE_AT),
        "workbook": lambda: workbook(sheets_of(analyzed.document), "bench", MADE_AT),
    }


def main() -> list[Ratio]:
    import django

    django.setup()
    small = readings(120)
    alone = {name: processor_seconds(work, 1) for name, work in parts(small).items()}
    for name, seconds in sorted(alone.items(), key=lambda part: -part[1]):
        print(f"  {name:9s} {seconds:6.2f} s")
    whole, large = (
        processor_seconds(lambda: report(small), 1),
        processor_seconds(lambda: report(readings(1008)), 1),
    )
    return [
        Ratio(
            "report of 120 mice, HTML and PDF",
            "the sum of its parts alone",
            whole,
            sum(alone.values()),
            at_most=1.3,
        ),
        Ratio("report of 1,008 mice", "that of 120 mice", large, whole, at_most=6),
    ]
