"""House the demo's mice."""

import pandas as pd

from studies.actions import demo_design as declared
from studies.actions.demo_protocol import HOST_STRAIN
from studies.actions.demo_setup import LabClock
from studies.models import Cage, Cohort, Mouse, PdxModel, Study, Tumor

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
