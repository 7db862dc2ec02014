"""House the demo's mice and draw their allocation."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pandas as pd

from studies.actions import demo_design as declared
from studies.actions.allocate_mice import code_version
from studies.actions.audit import allocation_chain, record_event
from studies.actions.demo_allocation import (
    ALGORITHM_VERSION,
    METHOD,
    AllocatedMouse,
    allocate_in_blocks,
    input_sha256,
)
from studies.actions.demo_protocol import HOST_STRAIN
from studies.actions.demo_setup import LabClock, act
from studies.models import Allocation, Arm, Cage, Cohort, Mouse, PdxModel, Randomization, Study, Tumor, User

IMPLANTED_DAY, BORN_DAY, BASELINE_DAY = -24, -75, -1


def house_mice(
    study: Study, cohort: Cohort, mice: pd.DataFrame, models: dict[str, PdxModel], clock: LabClock
) -> dict[str, Mouse]:
    """Mice of a cohort in cages of one model each, up to five a cage whatever their arm will be; by label."""
    first_cage = study.cages.count()
    places, cage_number = [], first_cage
    for _, group in mice.groupby("pdx_model", sort=False):
        size = 5 if len(group) % 5 == 0 else 4
        for place in range(len(group)):
            cage_number += place % size == 0
            places.append((f"C{cage_number:02d}", place % size + 1))
    cages = {
        code: Cage(study=study, code=code, room="B2.14 (simulated)", rack="R1")
        for code in dict.fromkeys(code for code, _ in places)
    }
    Cage.objects.bulk_create(cages.values())
    housed = [
        _mouse(study, cohort, row, models, clock, cages[code], ear)
        for row, (code, ear) in zip(mice.itertuples(), places, strict=True)
    ]
    Mouse.objects.bulk_create(housed)
    passages = {
        code: models[code].passages.order_by("-number").first() for code in mice["pdx_model"].unique()
    }
    Tumor.objects.bulk_create(
        Tumor(
            mouse=mouse,
            site="right flank",
            passage=passages[mouse.pdx_model.code],
            implanted_on=clock.date(IMPLANTED_DAY),
        )
        for mouse in housed
    )
    return {mouse.label: mouse for mouse in housed}


def _mouse(
    study: Study, cohort: Cohort, row, models: dict[str, PdxModel], clock: LabClock, cage: Cage, ear: int
) -> Mouse:
    return Mouse(
        study=study,
        cohort=cohort,
        pdx_model=models[row.pdx_model],
        label=row.mouse,
        sex=declared.MODEL_OF[row.pdx_model].mouse_sex,
        strain=HOST_STRAIN,
        source="simulated supplier",
        born_on=clock.date(BORN_DAY),
        ear_tag=str(ear),
        rfid=f"SIM{study.code[-2:]}{row.mouse.lstrip('M'):0>10}",
        cage=cage,
        enrolled_on=clock.date(BASELINE_DAY),
    )


def ordered_input(mice: pd.DataFrame) -> list[dict]:
    """What the drawing is made from: each mouse's model and its volume as read at enrollment."""
    volume = (mice["first_length_mm"] * mice["first_width_mm"] ** 2 / 2).round(4)
    return [
        {"mouse": mouse, "pdx_model": model, "volume_mm3": float(value)}
        for mouse, model, value in zip(mice["mouse"], mice["pdx_model"], volume, strict=True)
    ]


def draw_arms(mice: pd.DataFrame, cohort_name: str, seed: int) -> list[AllocatedMouse]:
    arms = [truth.name for truth in declared.ARM_TRUTHS]
    return allocate_in_blocks(ordered_input(mice), arms, seed, f"{cohort_name}/")


def record_allocation(
    study: Study,
    cohort: Cohort,
    mice: pd.DataFrame,
    drawn: Sequence[AllocatedMouse],
    by_label: dict[str, Mouse],
    seed: int,
    director: User,
    at: datetime,
) -> None:
    """The randomization record and every mouse's arm; the arms themselves stand in the sealed chain alone."""
    rows = ordered_input(mice)
    arms = {arm.name: arm for arm in Arm.objects.filter(study=study)}
    randomization = Randomization.objects.create(
        study=study,
        cohort=cohort,
        method=METHOD,
        seed=str(seed),
        algorithm_version=ALGORITHM_VERSION,
        code_version=code_version(),
        parameters={"arms": list(arms), "block_size": len(arms), "blocks_within": "pdx_model"},
        ordered_input=rows,
        input_sha256=input_sha256(rows),
        made_at=at,
        made_by=director,
    )
    Allocation.objects.bulk_create(
        Allocation(mouse=by_label[one.mouse], arm=arms[one.arm], randomization=randomization, block=one.block)
        for one in drawn
    )
    act(study, "randomized mice", randomization, director, at, new={
        "cohort": cohort.name, "mice": len(rows), "method": METHOD,
        "input_sha256": randomization.input_sha256,
    })  # fmt: skip
    record_event(
        "allocated mice",
        randomization,
        actor=director,
        at=at + timedelta(seconds=1),
        chain=allocation_chain(study),
        study=study,
        new={
            "cohort": cohort.name,
            "seed": str(seed),
            "allocation": [[one.mouse, one.arm, one.block] for one in drawn],
        },
    )
