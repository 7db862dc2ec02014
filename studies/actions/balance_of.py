"""The balance of a stored randomization, by arm or, while arms are hidden, by groups that tell nothing."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from studies.models import Randomization

if TYPE_CHECKING:
    from studies.randomization import Balance


@dataclass(frozen=True)
class StoredBalance:
    """`is_blinded`: groups stand for arms, in order of size and mean volume, and no mouse's value is kept."""

    balance: "Balance"
    is_blinded: bool


def balance_of(randomization: Randomization, *, shows_arms: bool) -> StoredBalance:
    """Balance of the mice drawn, from the stored input. Where arms may not be shown, arms are called group 1,
    2, ... by size and mean volume, so that permuting the arms changes nothing.
    """
    from studies.randomization import balance, from_rows

    mice = [mouse for mouse in from_rows(randomization.ordered_input) if not mouse.arm]
    arm_of = dict(randomization.allocations.values_list("mouse__label", "arm__name"))
    arms = [arm_of[mouse.mouse] for mouse in mice]
    order = list(randomization.study.arms.order_by("position", "name").values_list("name", flat=True))
    if not shows_arms:
        order, arms = _grouped([mouse.volume_mm3 for mouse in mice], arms)
    factors = randomization.parameters["plan"]["strata"]
    found = balance(mice, arms, order, factors)
    return StoredBalance(found if shows_arms else _without_mice(found), not shows_arms)


def _grouped(volumes: list[float], arms: list[str]) -> tuple[list[str], list[str]]:
    def rank(arm: str) -> tuple[int, float]:
        own = sorted(volume for volume, its in zip(volumes, arms, strict=True) if its == arm)
        return -len(own), sum(own)

    name = {arm: f"group {place}" for place, arm in enumerate(sorted(set(arms), key=rank), start=1)}
    return list(name.values()), [name[arm] for arm in arms]


def _without_mice(found: "Balance") -> "Balance":
    """Single values could be matched with mice by anyone who reads their volumes."""
    covariates = tuple(
        replace(one, arms=tuple(replace(arm, values=()) for arm in one.arms)) for one in found.covariates
    )
    return replace(found, covariates=covariates)
