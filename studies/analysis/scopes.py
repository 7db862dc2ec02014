"""The parts of a study each descriptive statistic is given for: all of it, each MAP2K4 stratum, each PDX
model.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from studies.terms import BiomarkerStatus

STRATA = (str(BiomarkerStatus.LOSS_OF_FUNCTION), str(BiomarkerStatus.WILD_TYPE))


@dataclass(frozen=True)
class Scope:
    """`keys` are the columns that open every row of this part; `chosen` marks its mice."""

    name: str
    pdx_model: str | None
    map2k4_status: str | None
    chosen: np.ndarray

    @property
    def keys(self) -> dict[str, str | None]:
        return {"scope": self.name, "pdx_model": self.pdx_model, "map2k4_status": self.map2k4_status}


def scopes_of(mice: pd.DataFrame) -> Iterator[Scope]:
    """The scopes of a table of mice (columns pdx_model, map2k4_status); unproven statuses have no stratum."""
    yield Scope("study", None, None, np.ones(len(mice), dtype=bool))
    for status in STRATA:
        if (chosen := (mice["map2k4_status"] == status).to_numpy()).any():
            yield Scope("map2k4", None, status, chosen)
    models = mice.groupby("pdx_model", sort=False).indices
    for model, rows in models.items():
        chosen = np.zeros(len(mice), dtype=bool)
        chosen[rows] = True
        yield Scope("pdx_model", str(model), str(mice["map2k4_status"].iloc[rows[0]]), chosen)
