"""Reading the cells of a table: text, numbers and words, each refusal naming row, column and value."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from studies import wording
from studies.analysis.errors import Defect

MISSING_NUMBERS = {"", "na", "n/a", "nan", "null", "none", "."}
DEFECTS_PER_COLUMN = 1000


def is_missing(values: pd.Series) -> pd.Series:
    """True where a cell holds nothing. The text "None" or "NA" is something: an arm may be called that."""
    missing = values.isna()
    if values.dtype == object:
        missing = missing | (
            values.map(lambda value: isinstance(value, str) and not value.strip()).astype(bool)
        )
    return missing


def text(values: pd.Series, default: str = "") -> pd.Series:
    """Cells as trimmed text; 7.0 reads "7" as a mouse number should; missing cells read `default`."""
    codes, uniques = pd.factorize(values, use_na_sentinel=True)
    spelled = np.array([_spell(value) for value in uniques] + [default], dtype=object)
    spelled[:-1] = [word or default for word in spelled[:-1]]
    return pd.Series(spelled[codes], index=values.index, dtype=object)


def _spell(value: object) -> str:
    return wording.level(value).strip()


def numbers(values: pd.Series, column: str, defects: list[Defect]) -> pd.Series:
    """Cells as floats, missing as NaN; what is neither a finite number nor missing is added to `defects`."""
    if values.dtype == bool:
        values = values.astype(object).map(str)
    parsed = pd.to_numeric(values, errors="coerce").astype(float)
    if values.dtype == object:
        blank = values.map(lambda value: value is None or str(value).strip().lower() in MISSING_NUMBERS)
        refuse(values, parsed.isna() & ~blank.astype(bool), column, "is not a number", defects)
    refuse(values, parsed.abs() == np.inf, column, "is not a finite number", defects)
    return parsed


def refuse(values: pd.Series, bad: pd.Series, column: str, reason: str, defects: list[Defect]) -> None:
    """Add a defect for each row where `bad` is true."""
    for position in np.flatnonzero(bad.to_numpy())[:DEFECTS_PER_COLUMN]:
        value = values.iloc[position]
        defects.append(Defect(int(position) + 1, column, "" if value is None else str(value), reason))


def words(
    values: pd.Series, column: str, read: Callable[[str], str | None], reason: str, defects: list[Defect]
) -> pd.Series:
    """Cells as the field's words by `read`, which gives None for a word it does not know; missing cells
    read "".
    """
    spelled = text(values)
    codes, uniques = pd.factorize(spelled)
    meanings = ["" if word.lower() in MISSING_NUMBERS else read(word) for word in uniques]
    unknown = np.array([meaning is None for meaning in meanings], dtype=bool)
    refuse(spelled, pd.Series(unknown[codes], index=values.index), column, reason, defects)
    return pd.Series(np.array(meanings, dtype=object)[codes], index=values.index, dtype=object)
