"""The sections of a report in their order. Each module has `section(study, table) -> Section | None`.

`study` is one study of the JSON, `table` the long table behind it; None where the study has nothing of the kind.
"""

from studies.reports.sections import (
    combination,
    design,
    growth,
    map2k4,
    methods,
    mixed_model,
    notes,
    responses,
    sensitivity,
    summary,
    survival,
    tgi,
    weight,
)

SECTIONS = (
    summary,
    design,
    growth,
    tgi,
    mixed_model,
    map2k4,
    responses,
    combination,
    survival,
    weight,
    sensitivity,
    notes,
    methods,
)
