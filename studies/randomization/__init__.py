"""Which mouse goes into which arm: seeded, replayable, balanced. Pure; the generator is an argument."""

from studies.randomization.balance import Balance, balance
from studies.randomization.dealing import generator
from studies.randomization.exchange import redraw
from studies.randomization.methods import (
    ALGORITHM_VERSION,
    DEFAULT_METHOD,
    METHODS,
    Method,
    draw,
    lone_strata,
    refusals,
)
from studies.randomization.roster import (
    COVARIATES,
    FACTORS,
    ArmShare,
    Candidate,
    Drawing,
    Plan,
    RandomizationRefused,
    as_rows,
    from_rows,
    rows_sha256,
)

__all__ = [
    "ALGORITHM_VERSION",
    "COVARIATES",
    "DEFAULT_METHOD",
    "FACTORS",
    "METHODS",
    "ArmShare",
    "Balance",
    "Candidate",
    "Drawing",
    "Method",
    "Plan",
    "RandomizationRefused",
    "as_rows",
    "balance",
    "draw",
    "from_rows",
    "generator",
    "lone_strata",
    "redraw",
    "refusals",
    "rows_sha256",
]
