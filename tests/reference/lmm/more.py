"""Writes more.json with what models.R computes on growth.csv and on a slice of the corpus.

python -m tests.reference.lmm.more      (Debian: r-cran-lme4 r-cran-pbkrtest r-cran-nlme r-cran-jsonlite)
"""

import json
from pathlib import Path

import pandas as pd

from tests.bench.corpus import corpus_set
from tests.bench.r import R

HERE = Path(__file__).parent
FITS = (
    "log_volume ~ ns(day, 3) * arm + (1 + day | mouse)",
    "log_volume ~ ns(day, knots = c(5, 9)) + arm + (1 | mouse)",
    "log_volume ~ bs(day, 4) * arm + (1 + day | mouse)",
    "log_volume ~ bs(day, knots = c(7)) + arm + (1 | mouse)",
    "log_volume ~ factor(day) * arm + (1 | mouse)",
    "log_volume ~ day * arm + weight + (1 | cage) + (1 | mouse)",
    "log_volume ~ day * arm + (1 + day | cage) + (1 + day | mouse)",
    "log_volume ~ day * arm + (1 | pdx_model/arm/mouse)",
    "log_volume ~ day * arm + (day || pdx_model) + (1 + day | mouse)",
    "log_volume ~ day * arm + (0 + weight | mouse)",
)
SERIAL = (
    {"formula": "log_volume ~ day * arm", "random": "~ 1 | mouse"},
    {"formula": "log_volume ~ day * arm", "random": "~ 1 | mouse", "by": "arm"},
    {"formula": "log_volume ~ day * arm", "random": "~ 1 | pdx_model/mouse"},
)
CORPUS = range(0, 500, 20)


def main() -> None:
    growth = pd.read_csv(HERE / "growth.csv")
    sets = {number: corpus_set(number) for number in CORPUS}
    with R() as r:
        r.hand_over("growth", growth)
        r.hand_over("corpus", pd.concat([table for _, table in sets.values()]))
        formulas = {str(number): formula for number, (formula, _) in sets.items()}
        optima = r.ask("optima", table="corpus", formulas=formulas, by="set")
        result = {
            "fits": [r.ask("reference", table="growth", formula=formula) for formula in FITS],
            "serial": [r.ask("serial", table="growth", **question) for question in SERIAL],
            "corpus": {name: {"default": default, "tight": tight}
                       for name, default, tight in zip(*(optima[k] for k in ("set", "default", "tight")), strict=True)},
        }  # fmt: skip
    (HERE / "more.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
