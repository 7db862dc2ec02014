"""What a reader must know besides: every note of the analysis."""

import pandas as pd

from studies.reports.blocks import Bullets, Paragraph, Section
from studies.reports.sections.study import Study


def section(study: Study, table: pd.DataFrame) -> Section:
    notes = list(study["notes"])
    return Section("notes", "Notes", [Bullets(notes) if notes else Paragraph("The analysis made no notes.")])
