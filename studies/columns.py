"""The columns of a measurement table: their names, and the spellings they are read under.

Pure: standard library only. The importer and the analysis read headers and status words through
this one page, so that a file and a data frame mean the same thing by the same word.
"""

import re

from studies.terms import BiomarkerStatus

# Canonical name -> other spellings, as `canonical_header` folds them (lower case, underscores, American).
ALIASES: dict[str, tuple[str, ...]] = {
    "study": ("study_id", "study_code", "experiment"),
    "pdx_model": ("model", "model_id", "pdx", "pdx_id", "pdx_model_id", "tumor_line", "xenograft"),
    "map2k4_status": ("map2k4",),
    "arm": ("group", "treatment_group", "cohort_arm", "arm_name"),
    "treatment": ("drug", "agent", "compound"),
    "role": ("arm_role",),
    "mouse": ("mouse_id", "animal", "animal_id", "id", "subject", "mouse_number"),
    "tumor": ("tumor_id", "tumor_number"),
    "replicate": ("replicate_reading",),
    "day": ("days", "study_day", "time", "times", "time_days", "day_of_study"),
    "volume_mm3": ("volume", "tv", "tumor_volume", "tumor_volume_mm3", "vol", "vol_mm3", "tv_mm3"),
    "length_mm": ("length", "l", "l_mm", "tumor_length", "tumor_length_mm"),
    "width_mm": ("width", "w", "w_mm", "tumor_width", "tumor_width_mm"),
    "height_mm": ("height", "h", "h_mm", "tumor_height", "tumor_height_mm"),
    "weight_g": ("weight", "body_weight", "body_weight_g", "bw", "bw_g", "bodyweight", "bodyweight_g"),
    "status": ("measurement_status", "reading_status"),
    "exit_reason": ("reason_for_exit", "removal_reason"),
    "treatment_related": (),
    "block": ("randomization_block",),
    "cage": ("cage_id",),
    "operator": ("observer", "measured_by"),
    "passage": ("passage_number",),
    "tumor_type": ("cancer_type", "disease_type", "tissue"),
}

_BY_SPELLING = {spelling: name for name, aliases in ALIASES.items() for spelling in (name, *aliases)}

# A table whose `arm` column holds nothing but these words names its arms in `treatment`.
ROLE_WORDS: dict[str, bool] = {
    "control": True,
    "vehicle": True,
    "untreated": True,
    "treated": False,
    "treatment": False,
}

_STATUS_WORDS: dict[str, BiomarkerStatus] = {
    **dict.fromkeys(
        (
            "loss_of_function",
            "lof",
            "loss",
            "altered",
            "mutant",
            "mutated",
            "mut",
            "knockout",
            "ko",
            "deleted",
        ),
        BiomarkerStatus.LOSS_OF_FUNCTION,
    ),
    **dict.fromkeys(("wild_type", "wt", "wildtype"), BiomarkerStatus.WILD_TYPE),
    **dict.fromkeys(("uncertain", "vus"), BiomarkerStatus.UNCERTAIN),
    **dict.fromkeys(("unknown", "", "na", "n/a", "nan", "none", "not_sequenced"), BiomarkerStatus.UNKNOWN),
}
_PROVES_LOSS = {"loss_of_function", "lof", "loss", "knockout", "ko", "deleted"}

# Decimal and thousands separators never stand in a header, so folding them away is safe.
LONGEST_HEADER = 200  # a name; looking for a unit in a long run of brackets would take minutes
_UNIT_TAIL = re.compile(r"[(\[]\s*([^)\]]*?)\s*[)\]]\s*$")


def fold(text: str) -> str:
    """Lower case, American spelling, other characters as one underscore: "Tumour Volume" -> "tumor_volume"."""
    text = text.strip().lower().replace("tumour", "tumor").replace("³", "3").replace("^3", "3")
    return re.sub(r"[^a-z0-9/]+", "_", text).strip("_")


def canonical_header(header: str) -> str | None:
    """The canonical column a header means, or None: "Tumour volume (mm³)" -> "volume_mm3", "KRAS" -> None."""
    if len(header) > LONGEST_HEADER:
        return None
    with_unit = fold(_UNIT_TAIL.sub(r" \1", header))
    without_unit = fold(_UNIT_TAIL.sub("", header))
    return _BY_SPELLING.get(with_unit) or _BY_SPELLING.get(without_unit)


# What a gene's column says where no variant was found.
NO_VARIANT = frozenset({"0", "wt", "wild_type", "wild type", "none", "no"})


def biomarker_status(word: object) -> tuple[BiomarkerStatus | None, str | None]:
    """The status a word means, with a note where the spelling does not prove loss of function.

    An unreadable word gives (None, None), so that the caller can name the row it stands in.
    """
    folded = fold(str(word))  # None and NaN are written with words for unknown
    status = _STATUS_WORDS.get(folded)
    if status is BiomarkerStatus.LOSS_OF_FUNCTION and folded not in _PROVES_LOSS:
        return status, f'"{word}" was read as loss of function, which the word itself does not prove'
    return status, None
