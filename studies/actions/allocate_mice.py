"""Randomize a cohort, once: check who may be drawn and how, draw, and store what a replay needs.

Whatever the seed decides stands in the randomization record and the sealed allocation chain alone; the
study's own chain tells that and how mice were randomized, never where they went.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from importlib.metadata import PackageNotFoundError, version
from math import gcd
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils.crypto import salted_hmac

from studies.actions.audit import allocation_chain, record_event, study_chain
from studies.actions.enrollment import Standing, Wave, standings, waves
from studies.days import local_date
from studies.models import Allocation, Arm, Cohort, Exclusion, Mouse, Randomization, Study, SyringeCode, User
from studies.terms import StudyState

if TYPE_CHECKING:
    from studies.randomization import Candidate, Drawing, Plan

STALE_DAYS = 3
# Letters and digits nobody mistakes for one another on a syringe.
CODE_LETTERS, CODE_DIGITS = "CDFHJKMPRTVWX", "234679"


class AllocationRefused(ValueError):
    """Why nothing was drawn; `reasons` one a line, nothing was stored."""

    def __init__(self, reasons: Sequence[str]):
        super().__init__("; ".join(reasons))
        self.reasons = tuple(reasons)


class AlreadyAllocated(AllocationRefused):
    """The cohort was drawn before, by whom and when; it is never drawn again."""

    def __init__(self, randomization: Randomization):
        said = f"{randomization.made_at:%d %B %Y %H:%M} UTC by {randomization.made_by}"
        super().__init__([f"cohort {randomization.cohort} was randomized on {said}; no second seed is drawn"])
        self.randomization = randomization


class ConcernsRaised(AllocationRefused):
    """What a director may do knowingly; each concern is to be accepted by its own words."""


@dataclass(frozen=True)
class Choices:
    """How the director wants it drawn."""

    method: str = "balanced_exchange"
    strata: tuple[str, ...] = ()
    balance_variances: bool = True


@dataclass(frozen=True)
class Proposal:
    """A cohort as it would be drawn now. `token` changes when mice, volumes or arms do, and tells nobody which."""

    wave: Wave
    plan: "Plan"
    candidates: "tuple[Candidate, ...]"
    token: str
    refusals: tuple[str, ...]
    concerns: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.wave.cohort.name if self.wave.cohort else ""


def propose(study: Study, cohort_name: str, choices: Choices, today: date) -> Proposal:
    """What pressing the button would draw: whom, by which plan, and what stands in the way.

    `cohort_name` names a cohort that waits, or a new one for the ready mice without a cohort.
    """
    from studies.randomization import lone_strata, refusals

    found = standings(study)
    wave = _wave(found, cohort_name)
    arms = list(study.arms.order_by("position", "name").prefetch_related("arm_agents__agent"))
    plan = _plan(arms, choices, study)
    candidates = (*_earlier(study, found), *(_candidate(standing) for standing in wave.ready))
    named = _as_shown(plan, study)
    return Proposal(
        wave=wave,
        plan=plan,
        candidates=candidates,
        token=_token(candidates, plan),
        refusals=(*_not_now(study, wave, today), *(refusals(_new(candidates), named) if wave.ready else ())),
        concerns=(*_overlapping(arms, named.names), *lone_strata(candidates, plan), *_stale(wave, today)),
    )


def allocate(
    study: Study,
    cohort_name: str,
    choices: Choices,
    *,
    seed: str,
    actor: User,
    at: datetime,
    accepted: Sequence[str] = (),
    expected_token: str | None = None,
    exclude_outside: bool = False,
) -> Randomization:
    """Draw the cohort and store it, in one transaction that no second press can enter meanwhile.

    `seed` is hexadecimal, made by the caller from the machine's own randomness. `accepted` repeats the
    concerns the director has read; `expected_token` the proposal they looked at. With `exclude_outside` the mice
    left out are excluded, each with its reason; else they wait for a later cohort.

    Raises AlreadyAllocated, ConcernsRaised, or AllocationRefused.
    """
    from studies.randomization import RandomizationRefused, draw

    with transaction.atomic():
        study = Study.objects.select_for_update().get(pk=study.pk)
        if drawn := _drawn_before(study, cohort_name):
            raise AlreadyAllocated(drawn)
        proposal = propose(study, cohort_name, choices, local_date(at, study.time_zone))
        if proposal.refusals:
            raise AllocationRefused(proposal.refusals)
        if expected_token is not None and expected_token != proposal.token:
            raise AllocationRefused(["the mice or arms changed since they were shown: look at them again"])
        if open_concerns := [concern for concern in proposal.concerns if concern not in accepted]:
            raise ConcernsRaised(open_concerns)
        try:
            drawing = draw(proposal.candidates, proposal.plan, seed)
        except RandomizationRefused as refusal:
            raise AllocationRefused([str(refusal)]) from refusal
        cohort = _gathered(study, cohort_name, proposal.wave, actor, at)
        randomization = _store(study, cohort, proposal, drawing, seed, actor, at)
        _record(randomization, proposal, drawing, actor, at)
        if exclude_outside:
            _exclude(study, proposal.wave, actor, at)
        return randomization


def code_version() -> str:
    """The tracker's own version where it is installed as a package, and NumPy's, whose generator draws."""
    try:
        own = version("pdx-tracker")
    except PackageNotFoundError:
        own = "source"
    return f"pdx-tracker {own}, numpy {version('numpy')}"


def syringe_codes(seed: str, count: int) -> list[str]:
    """`count` different codes such as K7M that follow from the seed and tell nothing of the arm."""
    codes: list[str] = []
    turn = 0
    while len(codes) < count:
        digest = hashlib.sha256(f"{seed}/syringe/{turn}".encode()).digest()
        first, digit, last = digest[0] % 13, digest[1] % 6, digest[2] % 13
        code = f"{CODE_LETTERS[first]}{CODE_DIGITS[digit]}{CODE_LETTERS[last]}"
        codes += [code] if code not in codes else []
        turn += 1
    return codes


def _token(candidates: "Sequence[Candidate]", plan: "Plan") -> str:
    """Of who is drawn for, and by which plan. A plain hash that covered the arms of mice drawn earlier could be tried
    against every way they may lie; this covers none, and has a key.
    """
    from studies.randomization import as_rows, rows_sha256

    rows = as_rows(replace(one, arm="drawn" if one.arm else "") for one in candidates)
    told = rows_sha256([*rows, {"plan": str(plan.as_record())}])
    return salted_hmac("studies.actions.allocate_mice", told, algorithm="sha256").hexdigest()


def _wave(found: Sequence[Standing], cohort_name: str) -> Wave:
    for wave in waves(found):
        if (wave.cohort.name if wave.cohort else None) == (cohort_name or None):
            return wave
    known = {standing.mouse.cohort.name for standing in found if standing.mouse.cohort}
    if cohort_name in known:
        return Wave(
            next(s.mouse.cohort for s in found if s.mouse.cohort and s.mouse.cohort.name == cohort_name), ()
        )
    return next((wave for wave in waves(found) if wave.cohort is None), Wave(None, ()))


def _plan(arms: Sequence[Arm], choices: Choices, study: Study) -> "Plan":
    """Shares are the planned mice of the arms in smallest whole numbers; equal where one has none."""
    from studies.randomization import ArmShare, Plan

    planned = [arm.planned_mice for arm in arms]
    divisor = gcd(*planned) if planned and all(planned) else 0
    shares = [mice // divisor if divisor else 1 for mice in planned]
    low, high = max(study.enrollment_min_mm3, 1.0), study.enrollment_max_mm3
    thirds = tuple(round(low * (high / low) ** (part / 3), 1) for part in (1, 2))
    return Plan(
        arms=tuple(ArmShare(arm.name, share) for arm, share in zip(arms, shares, strict=True)),
        method=choices.method,
        strata=choices.strata,
        balance_variances=choices.balance_variances,
        cuts={"log_volume": thirds} if choices.method == "minimization" else {},
    )


def _candidate(standing: Standing, arm: str = "") -> "Candidate":
    from studies.randomization import Candidate

    mouse = standing.mouse
    return Candidate(
        mouse=mouse.label,
        volume_mm3=float(standing.volume_mm3 or 0),
        weight_g=standing.weight_g,
        growth_rate_per_day=standing.growth_rate_per_day,
        pdx_model=mouse.pdx_model.code,
        map2k4_status=str(standing.map2k4_status),
        sex=mouse.sex,
        cage=mouse.cage.code if mouse.cage else "",
        arm=arm,
    )


def _earlier(study: Study, found: Sequence[Standing]) -> "list[Candidate]":
    arm_of = dict(Allocation.objects.filter(mouse__study=study).values_list("mouse_id", "arm__name"))
    return [_candidate(one, arm_of[one.mouse.pk]) for one in found if one.mouse.pk in arm_of]


def _not_now(study: Study, wave: Wave, today: date) -> list[str]:
    reasons = []
    if study.state != StudyState.ACTIVE:
        reasons.append(
            f"study {study} is {study.get_state_display()}: mice are randomized in an active study"
        )
    if not any(standing.measured_on for standing in wave.standings):
        reasons.append("no baseline is measured: randomization comes after the baseline session")
    elif not wave.ready:
        reasons.append("no mouse of the cohort is ready")
    if wave.cohort and wave.cohort.day0 and wave.cohort.day0 < today:
        reasons.append(f"cohort {wave.cohort} was first dosed on {wave.cohort.day0:%d %B %Y}: it is too late")
    return reasons


def _as_shown(plan: "Plan", study: Study) -> "Plan":
    """The plan with numbers for the names of its arms while the study is blinded."""
    if study.arms_are_open:
        return plan
    numbered = tuple(replace(share, arm=str(place)) for place, share in enumerate(plan.arms, start=1))
    return replace(plan, arms=numbered)


def _new(candidates: "Sequence[Candidate]") -> "list[Candidate]":
    return [candidate for candidate in candidates if not candidate.arm]


def _overlapping(arms: Sequence[Arm], shown: Sequence[str]) -> list[str]:
    """Arms that give the same: two names for one treatment."""
    by_content: dict[tuple, list[str]] = defaultdict(list)
    for arm, name in zip(arms, shown, strict=True):
        given = sorted(
            (
                one.agent.name,
                one.dose_mg_per_kg or 0,
                one.route,
                one.frequency,
                str(one.dosing_days),
                one.first_day if one.first_day is not None else -999,
                one.last_day if one.last_day is not None else -999,
            )
            for one in arm.arm_agents.all()
        )
        by_content[(*given,) or (arm.role,)].append(name)
    return [f"arms {' and '.join(names)} give the same" for names in by_content.values() if len(names) > 1]


def _stale(wave: Wave, today: date) -> list[str]:
    old = [
        (standing.mouse.label, (today - standing.measured_on).days)
        for standing in wave.ready
        if standing.measured_on and (today - standing.measured_on).days > STALE_DAYS
    ]
    if not old:
        return []
    oldest = max(days for _, days in old)
    names = ", ".join(label for label, _ in old[:5]) + (f" and {len(old) - 5} more" if len(old) > 5 else "")
    return [f"the baseline of {names} is up to {oldest} days old"]


def _drawn_before(study: Study, cohort_name: str) -> Randomization | None:
    return study.randomizations.filter(cohort__name=cohort_name).select_related("cohort", "made_by").first()


def _gathered(study: Study, cohort_name: str, wave: Wave, actor: User, at: datetime) -> Cohort:
    """The cohort of the ready mice: the one that waited, or a new one they are brought into."""
    if wave.cohort:
        return wave.cohort
    if not cohort_name:
        raise AllocationRefused(["name the new cohort"])
    cohort = Cohort.objects.create(study=study, name=cohort_name)
    Mouse.objects.filter(pk__in=[standing.mouse.pk for standing in wave.ready]).update(cohort=cohort)
    labels = [standing.mouse.label for standing in wave.ready]
    _tell(study, "formed a cohort", cohort, actor, at, {"cohort": cohort_name, "mice": labels})
    return cohort


def _store(
    study: Study, cohort: Cohort, proposal: Proposal, drawing: "Drawing", seed: str, actor: User, at: datetime
) -> Randomization:
    from studies.randomization import ALGORITHM_VERSION, as_rows, rows_sha256

    rows = as_rows(proposal.candidates)
    randomization = Randomization.objects.create(
        study=study,
        cohort=cohort,
        method=proposal.plan.method,
        seed=seed,
        algorithm_version=ALGORITHM_VERSION,
        code_version=code_version(),
        parameters={
            "plan": proposal.plan.as_record(),
            "limits": dict(drawing.limits),
            "notes": list(drawing.notes),
            "left_out": [[one.mouse.label, "; ".join(one.reasons)] for one in proposal.wave.left_out],
            "accepted": list(proposal.concerns),
        },
        ordered_input=rows,
        input_sha256=rows_sha256(rows),
        rejected_count=drawing.rejected,
        made_at=at,
        made_by=actor,
    )
    arms = {arm.name: arm for arm in study.arms.all()}
    mice = {standing.mouse.label: standing.mouse for standing in proposal.wave.ready}
    Allocation.objects.bulk_create(
        Allocation(mouse=mice[label], arm=arms[arm], block=block, randomization=randomization)
        for label, arm, block in zip(drawing.mice, drawing.arms, drawing.blocks, strict=True)
    )
    if not study.syringe_codes.exists():
        codes = syringe_codes(seed, len(proposal.plan.names))
        SyringeCode.objects.bulk_create(
            SyringeCode(study=study, arm=arms[name], code=code)
            for name, code in zip(proposal.plan.names, codes, strict=True)
        )
    return randomization


def _record(
    randomization: Randomization, proposal: Proposal, drawing: "Drawing", actor: User, at: datetime
) -> None:
    study, cohort = randomization.study, randomization.cohort
    told = {
        "cohort": cohort.name,
        "mice": len(drawing.mice),
        "method": proposal.plan.method,
        "strata": list(proposal.plan.strata),
        "input_sha256": randomization.input_sha256,
        "left_out": randomization.parameters["left_out"],
        "accepted": list(proposal.concerns),
    }
    _tell(study, "randomized mice", randomization, actor, at, told)
    record_event(
        "allocated mice",
        randomization,
        actor=actor,
        at=at,
        chain=allocation_chain(study),
        study=study,
        new={
            "cohort": cohort.name,
            "seed": randomization.seed,
            "allocation": [list(row) for row in zip(drawing.mice, drawing.arms, drawing.blocks, strict=True)],
            "syringe_codes": dict(study.syringe_codes.values_list("arm__name", "code")),
        },
    )


def _exclude(study: Study, wave: Wave, actor: User, at: datetime) -> None:
    for standing in wave.left_out:
        if not standing.is_waiting:
            continue
        reason = f"Not enrolled: {'; '.join(standing.reasons)}."
        exclusion = Exclusion.objects.create(mouse=standing.mouse, reason=reason, excluded_at=at)
        _tell(study, "excluded a mouse", exclusion, actor, at, {"mouse": standing.mouse.label}, reason)


def _tell(
    study: Study, action: str, subject: Any, actor: User, at: datetime, new: dict, reason: str = ""
) -> None:
    record_event(
        action, subject, actor=actor, at=at, chain=study_chain(study), study=study, new=new, reason=reason
    )


@dataclass(frozen=True)
class Deviation:
    """Where a stored allocation is not what its seed and input give."""

    study: str
    cohort: str
    reason: str

    def __str__(self) -> str:
        return f"{self.study}, cohort {self.cohort}: {self.reason}"


def deviations(randomization: Randomization) -> list[Deviation]:
    """Replay a randomization bit for bit; names no arm, so that anyone may run it."""
    cohort = randomization.cohort.name if randomization.cohort else "-"
    return [Deviation(randomization.study.code, cohort, reason) for reason in _replayed(randomization)]


def _replayed(randomization: Randomization) -> list[str]:
    from studies.randomization import (
        ALGORITHM_VERSION,
        Plan,
        RandomizationRefused,
        draw,
        from_rows,
        rows_sha256,
    )

    stored = {
        label: (arm, block)
        for label, arm, block in randomization.allocations.values_list("mouse__label", "arm__name", "block")
    }
    reasons = []
    if "plan" not in randomization.parameters:
        return [f"its method, {randomization.method}, is none of this version's"]
    if randomization.algorithm_version != ALGORITHM_VERSION:
        return [f"drawn by version {randomization.algorithm_version}; this is version {ALGORITHM_VERSION}"]
    if rows_sha256(randomization.ordered_input) != randomization.input_sha256:
        reasons.append("the ordered input was changed")
    plan = Plan.from_record(randomization.parameters["plan"])
    try:
        drawing = draw(from_rows(randomization.ordered_input), plan, randomization.seed)
    except (RandomizationRefused, ValueError) as refusal:
        return [*reasons, f"it cannot be drawn again: {refusal}"]
    drawn = dict(zip(drawing.mice, zip(drawing.arms, drawing.blocks, strict=True), strict=True))
    reasons += _differing(drawn, stored)
    if drawing.rejected != randomization.rejected_count:
        reasons.append(
            f"{drawing.rejected} allocations are rejected, stored are {randomization.rejected_count}"
        )
    if dict(drawing.limits) != randomization.parameters["limits"]:
        reasons.append("the acceptance limits differ from those stored")
    first = randomization.study.randomizations.order_by("pk").first()
    if randomization == first:
        codes = dict(zip(plan.names, syringe_codes(randomization.seed, len(plan.names)), strict=True))
        if codes != dict(randomization.study.syringe_codes.values_list("arm__name", "code")):
            reasons.append("the syringe codes are not those of the seed")
    return reasons


def _differing(drawn: dict[str, tuple[str, str]], stored: dict[str, tuple[str, str]]) -> list[str]:
    wrong = sorted(label for label in drawn.keys() & stored.keys() if drawn[label] != stored[label])
    missing, extra = sorted(drawn.keys() - stored.keys()), sorted(stored.keys() - drawn.keys())
    return [
        f"{what}: {', '.join(labels)}"
        for what, labels in (
            ("not in the arm that seed and input give", wrong),
            ("drawn, but not allocated", missing),
            ("allocated, but not drawn", extra),
        )
        if labels
    ]
