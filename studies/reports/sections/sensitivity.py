"""The same question under other assumptions."""

import pandas as pd

from studies.reports.blocks import Section
from studies.reports.sections.study import Study, general_table


def section(study: Study, table: pd.DataFrame) -> Section | None:
    rows = study.get("sensitivity") or []
    if not rows:
        return None
    return Section(
        "sensitivity",
        "Sensitivity",
        [general_table(study, "One assumption changed a row.", rows, ("scope",))],
    )
