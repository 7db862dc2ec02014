"""Who is drawn for and by what rule: mice, arms, plan. All of it goes into the record as JSON and back."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

COVARIATES = ("log_volume", "weight", "growth_rate")
FACTORS = ("pdx_model", "map2k4_status", "sex", "cage")


class RandomizationRefused(ValueError):
    """A drawing that must not be made, said so that the director can act on it."""


@dataclass(frozen=True)
class Candidate:
    """One enrolled mouse as it stands before the first dose.

    Volume in mm³, weight in g, growth rate as ln(mm³) per day. `arm` is set for mice allocated earlier, which
    minimization counts and nothing draws for again.
    """

    mouse: str
    volume_mm3: float
    weight_g: float | None = None
    growth_rate_per_day: float | None = None
    pdx_model: str = ""
    map2k4_status: str = ""
    sex: str = ""
    cage: str = ""
    arm: str = ""


@dataclass(frozen=True)
class ArmShare:
    """An arm and its share: 2 beside 1 gets twice the mice. Controls are arms like any other."""

    arm: str
    ratio: int = 1


@dataclass(frozen=True)
class Plan:
    """How a cohort is drawn. `strata` are names of `FACTORS`, the outermost first.

    `weights` say how much each covariate counts; 0 leaves it out. `cuts` (mm³, g) part volume and weight into
    levels for minimization, whose coin falls for the best arm with `coin`. `limit_factor` is how far the
    acceptance limits of the exchange are widened; None lets the cohort itself decide.
    """

    arms: tuple[ArmShare, ...]
    method: str = "balanced_exchange"
    strata: tuple[str, ...] = ()
    weights: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(COVARIATES, 1.0))
    balance_variances: bool = True
    starts: int = 200
    blocks_of: int = 1
    coin: float = 0.8
    cuts: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(share.arm for share in self.arms)

    @property
    def ratios(self) -> tuple[int, ...]:
        return tuple(share.ratio for share in self.arms)

    def as_record(self) -> dict[str, Any]:
        """The plan as JSON keeps it, lists for tuples."""
        return asdict(self) | {
            "arms": [[share.arm, share.ratio] for share in self.arms],
            "strata": list(self.strata),
            "cuts": {name: list(values) for name, values in self.cuts.items()},
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        arms = tuple(ArmShare(arm, ratio) for arm, ratio in record["arms"])
        cuts = {name: tuple(values) for name, values in record["cuts"].items()}
        return cls(**{**record, "arms": arms, "strata": tuple(record["strata"]), "cuts": cuts})


@dataclass(frozen=True)
class Drawing:
    """The arm of each new mouse, in the order given; `blocks` names its block where the method has any.

    `rejected` counts allocations turned down, `limits` those it was held to, `notes` what could not be met.
    """

    mice: tuple[str, ...]
    arms: tuple[str, ...]
    blocks: tuple[str, ...]
    rejected: int = 0
    limits: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def arm_of(self) -> dict[str, str]:
        return dict(zip(self.mice, self.arms, strict=True))


def as_rows(candidates: Iterable[Candidate]) -> list[dict[str, Any]]:
    return [asdict(candidate) for candidate in candidates]


def from_rows(rows: Iterable[Mapping[str, Any]]) -> list[Candidate]:
    return [Candidate(**row) for row in rows]


def rows_sha256(rows: Sequence[Mapping[str, Any]]) -> str:
    """SHA-256 over the ordered rows in one spelling, whatever the database made of 22 and 22.0."""
    numbers = ("volume_mm3", "weight_g", "growth_rate_per_day")
    canonical = [
        {
            name: float(value) if name in numbers and value is not None else value
            for name, value in row.items()
        }
        for row in rows
    ]
    text = json.dumps(canonical, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
