"""The statistics of in-vivo efficacy studies, for a notebook as for the tracker.

No Django, no clock, no files.

>>> from studies.analysis import analyze_study
>>> analysis = analyze_study(table, {"control": "Vehicle"})
"""

from studies.analysis.errors import AnalysisError
from studies.analysis.growth import growth
from studies.analysis.mixed_model import LmmFit, fit_lmm
from studies.analysis.mixed_model_each import LmmFits, fit_lmm_each
from studies.analysis.power import (
    Variability,
    detectable_effect,
    mice_per_arm,
    mice_per_arm_for_bliss,
    models_or_mice,
    models_per_status,
    power_of,
)
from studies.analysis.response import mrecist, response_rates, responses
from studies.analysis.response_criteria import response_criteria
from studies.analysis.response_tests import compare_responses, model_responses
from studies.analysis.study import StudyAnalysis, analyze_study
from studies.analysis.survival import compare_survival, time_to_event
from studies.analysis.tables import NormalizedTable, normalize_table, pool_studies, study_names
from studies.analysis.tgi import tgi
from studies.analysis.weight import weight_change, weight_summary

__all__ = [
    "AnalysisError",
    "LmmFit",
    "LmmFits",
    "NormalizedTable",
    "StudyAnalysis",
    "Variability",
    "analyze_study",
    "compare_responses",
    "compare_survival",
    "detectable_effect",
    "fit_lmm",
    "fit_lmm_each",
    "growth",
    "mice_per_arm",
    "mice_per_arm_for_bliss",
    "model_responses",
    "models_or_mice",
    "models_per_status",
    "mrecist",
    "normalize_table",
    "pool_studies",
    "power_of",
    "response_criteria",
    "response_rates",
    "responses",
    "study_names",
    "tgi",
    "time_to_event",
    "weight_change",
    "weight_summary",
]
