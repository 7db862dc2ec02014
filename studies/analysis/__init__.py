"""The statistics of in-vivo efficacy studies, for a notebook as for the tracker: no Django, no clock, no files.

>>> from studies.analysis import analyze_study
>>> analysis = analyze_study(table, {"control": "Vehicle"})
"""

from studies.analysis.errors import AnalysisError
from studies.analysis.study import StudyAnalysis, analyze_study
from studies.analysis.tables import NormalizedTable, normalize_table, pool_studies, study_names

__all__ = [
    "AnalysisError",
    "NormalizedTable",
    "StudyAnalysis",
    "analyze_study",
    "normalize_table",
    "pool_studies",
    "study_names",
]
