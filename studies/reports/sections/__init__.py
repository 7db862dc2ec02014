"""The sections of a report in their order. Each module has `section(study, table) -> Section | None`.

`study` is one study of the JSON, `table` the long table behind it; None where the study has nothing of the kind.
"""

from studies.reports.sections import (
    arrive,
    baseline,
    combination,
    design,
    flow,
    glossary,
    growth,
    identity,
    map2k4,
    methods,
    mixed_model,
    multiplicity,
    notes,
    planned,
    quality,
    responses,
    sensitivity,
    summary,
    survival,
    tgi,
    weight,
)

SECTIONS = (
    summary,
    identity,
    design,
    flow,
    baseline,
    quality,
    growth,
    mixed_model,
    tgi,
    combination,
    map2k4,
    responses,
    survival,
    weight,
    sensitivity,
    multiplicity,
    planned,
    arrive,
    methods,
    notes,
    glossary,
)
