"""The methods there are, what is refused before any of them draws, and the drawing itself."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from studies.randomization.blocks import keys_of, permuted_block, simple, sorted_block
from studies.randomization.dealing import Assignment, generator
from studies.randomization.exchange import balanced_exchange, whole_cage
from studies.randomization.minimization import minimization
from studies.randomization.roster import FACTORS, Candidate, Drawing, Plan, RandomizationRefused

ALGORITHM_VERSION = "1"
DEFAULT_METHOD = "balanced_exchange"


@dataclass(frozen=True)
class Method:
    """One way to draw: its id is what is stored, `name` and `rule` what a director reads."""

    id: str
    name: str
    rule: str
    assign: Callable[..., Assignment]


METHODS: dict[str, Method] = {
    method.id: method
    for method in (
        Method(
            DEFAULT_METHOD,
            "balanced exchange",
            "many acceptable allocations by exchanging mice in pairs, one of them picked at random",
            balanced_exchange,
        ),
        Method("simple", "simple", "arms of planned size, otherwise left to chance", simple),
        Method("permuted_block", "permuted block", "shuffled blocks in order of arrival", permuted_block),
        Method("sorted_block", "sorted block", "shuffled blocks of mice alike in volume", sorted_block),
        Method("whole_cage", "whole cage", "balanced exchange of cages: one arm a cage", whole_cage),
        Method(
            "minimization",
            "minimization",
            "one mouse at a time to the arm furthest behind, by a biased coin",
            minimization,
        ),
    )
}


def draw(mice: Sequence[Candidate], plan: Plan, seed: str) -> Drawing:
    """The drawing of a cohort that a seed (hexadecimal) stands for: the same input gives the same bits.

    Mice that have an `arm` already are counted and not drawn for. Refused (RandomizationRefused): what
    `refusals` names.
    """
    if reasons := refusals(mice, plan):
        raise RandomizationRefused("; ".join(reasons))
    new = [mouse for mouse in mice if not mouse.arm]
    earlier = [mouse for mouse in mice if mouse.arm]
    assigned = METHODS[plan.method].assign(new, plan, generator(seed), earlier)
    return Drawing(
        mice=tuple(mouse.mouse for mouse in new),
        arms=tuple(plan.names[label] for label in assigned.labels),
        blocks=tuple(assigned.blocks) or ("",) * len(new),
        rejected=assigned.rejected,
        limits=assigned.limits,
        notes=(*assigned.notes, *_thin_strata(new, plan), *_split_cages(new, plan, assigned)),
    )


def refusals(mice: Sequence[Candidate], plan: Plan) -> list[str]:
    """Why this cohort cannot be drawn by this plan, each reason with its names."""
    new = [mouse for mouse in mice if not mouse.arm]
    return [
        reason
        for reason in (
            f"there is no method {plan.method}" if plan.method not in METHODS else "",
            "an allocation needs two arms or more" if len(plan.arms) < 2 else "",
            _twice("arm", [arm.strip().casefold() for arm in plan.names]),
            _twice("mouse", [mouse.mouse for mouse in mice]),
            *(f"arm {s.arm} has a share of {s.ratio}: give 1 or more" for s in plan.arms if s.ratio < 1),
            *(f"{factor} is no stratum; there are {', '.join(FACTORS)}" for factor in plan.strata
              if factor not in FACTORS),
            *(f"mouse {mouse.mouse} has a volume of {mouse.volume_mm3:g} mm³, not above 0" for mouse in new
              if not mouse.volume_mm3 > 0),
            *(f"mouse {mouse.mouse} is in {mouse.arm}, which is no arm of the plan" for mouse in mice
              if mouse.arm and mouse.arm not in plan.names),
            _too_few(new, plan),
        )
        if reason
    ]  # fmt: skip


def lone_strata(mice: Sequence[Candidate], plan: Plan) -> list[str]:
    """Strata with a single new mouse, which no comparison within the stratum can use: ask before drawing."""
    new = [mouse for mouse in mice if not mouse.arm]
    if not plan.strata:
        return []
    alone = {
        key: mouse.mouse
        for mouse, key in zip(new, keys_of(new, plan.strata), strict=True)
        if keys_of(new, plan.strata).count(key) == 1
    }
    return [f"{_named(key, plan)} holds one mouse, {mouse}" for key, mouse in sorted(alone.items())]


def _twice(what: str, names: Sequence[str]) -> str:
    doubled = sorted(name for name, count in Counter(names).items() if count > 1)
    return f"{what} {', '.join(doubled)} is named twice" if doubled else ""


def _too_few(new: Sequence[Candidate], plan: Plan) -> str:
    units = {mouse.cage or mouse.mouse for mouse in new} if plan.method == "whole_cage" else new
    if len(units) >= len(plan.arms) or plan.method == "minimization":
        return "" if units else "there is no mouse to allocate"
    kind = "cages" if plan.method == "whole_cage" else "mice"
    return f"{len(plan.arms)} arms ({', '.join(plan.names)}) are more than the {len(units)} {kind}"


def _thin_strata(new: Sequence[Candidate], plan: Plan) -> list[str]:
    """A stratum with fewer mice than arms cannot be in every arm: said, not hidden."""
    counts = Counter(keys_of(new, plan.strata)) if plan.strata else Counter()
    thin = [(key, count) for key, count in sorted(counts.items()) if count < len(plan.arms)]
    if len(thin) > 4:
        return [f"{len(thin)} of {len(counts)} strata hold fewer mice than there are arms."]
    return [
        f"{_named(key, plan)} holds {count} mice, fewer than the {len(plan.arms)} arms."
        for key, count in thin
    ]


def _split_cages(new: Sequence[Candidate], plan: Plan, assigned: Assignment) -> list[str]:
    if plan.method != "whole_cage":
        return []
    sizes = Counter(int(label) for label in assigned.labels)
    per_share = {arm: sizes[arm] / ratio for arm, ratio in enumerate(plan.ratios)}
    if max(per_share.values()) == min(per_share.values()):
        return []
    return [
        "Whole cages do not divide into arms of the planned sizes: the arms differ in their number of mice."
    ]


def _named(key: Sequence[str], plan: Plan) -> str:
    plain: Mapping[str, str] = {"pdx_model": "PDX model", "map2k4_status": "biomarker"}
    return ", ".join(
        f"{plain.get(factor, factor)} {value or 'not recorded'}"
        for factor, value in zip(plan.strata, key, strict=True)
    )
