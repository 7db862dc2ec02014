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
    welfare,
)
from studies.reports.sections.study import Study, is_pooled

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
    welfare,
    sensitivity,
    multiplicity,
    planned,
    arrive,
    methods,
    notes,
    glossary,
)
# While arms are closed to the reader: what describes, and no comparison.
POOLED_SECTIONS = (identity, flow, quality, growth, weight, welfare, methods, notes, glossary)


def sections_for(study: Study) -> tuple:
    return POOLED_SECTIONS if is_pooled(study) else SECTIONS
