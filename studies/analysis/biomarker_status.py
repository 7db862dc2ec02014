"""Which gene divides a study's PDX models, and into which classes.

The classes are functional: loss of function against wild type. For a gene whose altered class is no loss of function
(KRAS G12C), the plan declares the words of that class; it is then called altered wherever a class is named.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from studies.analysis.errors import AnalysisError
from studies.analysis.scopes import STRATA
from studies.columns import biomarker_status, fold
from studies.terms import BiomarkerStatus

DEFAULT = "map2k4"
LOSS, WILD = STRATA


@dataclass(frozen=True)
class Biomarker:
    """`gene` in lower case; `altered` the plan's words of the altered class, none where that is loss of function."""

    gene: str = DEFAULT
    altered: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.gene.upper()

    @property
    def classes(self) -> dict[str, str]:
        """What the two strata of the JSON stand for."""
        first = f"altered ({', '.join(self.altered)})" if self.altered else "loss of function"
        return {LOSS: f"{self.name} {first}", WILD: f"{self.name} wild type"}

    @property
    def adjectives(self) -> dict[str, str]:
        return {LOSS: "altered" if self.altered else "loss-of-function", WILD: "wild-type"}

    def level(self, status: str) -> str:
        """A stratum as the mixed model's terms name it."""
        return "altered" if self.altered and status == LOSS else status


MAP2K4 = Biomarker()


def biomarker_of(given: str | Mapping[str, Any]) -> Biomarker:
    """The plan's `biomarker`: a gene, or {gene, altered: [words of its altered class]}."""
    if isinstance(given, str):
        return Biomarker(fold(given))
    return Biomarker(fold(given["gene"]), tuple(str(word) for word in given["altered"]))


def with_status_of(frame: pd.DataFrame, biomarker: Biomarker) -> tuple[pd.DataFrame, list[str]]:
    """The table with `map2k4_status`, the column every stratum goes by, holding the statuses of this gene; and notes.

    MAP2K4 itself then stands in a column `map2k4`, as a companion. Refuses a table without the gene's column, words it
    cannot class, and a PDX model of two classes.
    """
    if biomarker.gene == DEFAULT:
        return frame, []
    words = frame[_column(frame, biomarker)]
    classes = {word: _class_of(word, biomarker) for word in pd.unique(words)}
    status = words.map(classes)
    by_model = pd.DataFrame({"model": frame["pdx_model"], "status": status})
    told = by_model[by_model["status"] != str(BiomarkerStatus.UNKNOWN)].drop_duplicates()
    if (twice := told["model"].duplicated()).any():
        raise AnalysisError(
            f'PDX model "{told.loc[twice, "model"].iloc[0]}" has two different classes of {biomarker.name}'
        )
    of_model = dict(zip(told["model"], told["status"], strict=True))
    filled = frame["pdx_model"].map(of_model).fillna(str(BiomarkerStatus.UNKNOWN))
    note = (
        f"biomarker {biomarker.name}: in rows by map2k4_status, loss_of_function stands for "
        f"{biomarker.classes[LOSS]}, wild_type for {biomarker.classes[WILD]}"
    )
    return frame.assign(map2k4=frame["map2k4_status"], map2k4_status=filled), [note]


def _column(frame: pd.DataFrame, biomarker: Biomarker) -> str:
    names = [str(name) for name in frame.columns if fold(str(name)).removesuffix("_status") == biomarker.gene]
    if not names:
        raise AnalysisError(
            f'plan: biomarker "{biomarker.gene}": the table has no column {biomarker.gene} that tells its status; add '
            "it, a status for every PDX model"
        )
    return max(names, key=lambda name: fold(name).endswith("_status"))


def _class_of(word: object, biomarker: Biomarker) -> str:
    """A stratum, uncertain or unknown. Where altered words are declared, a word that means loss is refused."""
    folded = fold("" if word is None or word != word else str(word))
    if folded in {fold(one) for one in biomarker.altered}:
        return LOSS
    status, unproven = biomarker_status(word)
    if status is None or (status == LOSS and (biomarker.altered or unproven)):
        raise AnalysisError(
            f'{biomarker.name} "{word}" is not proven to be loss of function and not among the altered words: the plan '
            f'names those, as biomarker {{"gene": "{biomarker.gene}", "altered": ["{word}"]}}'
        )
    return str(status)
