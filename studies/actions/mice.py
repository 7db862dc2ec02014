"""Bring mice into a study that is a draft or under way: from a list, or with generated ids."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from django.db import transaction

from studies.actions.set_up import By, SetUpRefused, record
from studies.imports import ImportRefused, RowError
from studies.imports.mice import MouseRow
from studies.models import Cage, Cohort, Mouse, Passage, Study, Tumor
from studies.terms import CohortKind, StudyState

DEFAULT_COHORT = "A"


@dataclass(frozen=True)
class Batch:
    """How many mice of one PDX model are to be made, and their sex."""

    pdx_model: str
    mice: int
    sex: str


@dataclass(frozen=True)
class Housing:
    """What the mice of one delivery share."""

    cohort: str = DEFAULT_COHORT
    mice_per_cage: int = 5
    strain: str = ""
    source: str = ""
    born_on: date | None = None
    implanted_on: date | None = None
    site: str = ""
    room: str = ""
    rack: str = ""


def generated_rows(study: Study, batches: Sequence[Batch], housing: Housing) -> list[MouseRow]:
    """Mice numbered on from those the study has, in cages of one PDX model and sex each."""
    labels = set(study.mice.values_list("label", flat=True))
    cages = set(study.cages.values_list("code", flat=True))
    rows: list[MouseRow] = []
    number, cage_number, cage = len(labels), len(cages), ""
    for batch in batches:
        for place in range(batch.mice):
            number = _next(number, "M{:03d}", labels)
            if place % housing.mice_per_cage == 0:
                cage_number = _next(cage_number, "C{:02d}", cages)
                cage = f"C{cage_number:02d}"
            ear = str(place % housing.mice_per_cage + 1)
            rows.append(_generated(len(rows) + 1, f"M{number:03d}", batch, housing, cage, ear))
    return rows


def _next(number: int, pattern: str, taken: set[str]) -> int:
    number += 1
    while pattern.format(number) in taken:
        number += 1
    taken.add(pattern.format(number))
    return number


def _generated(line: int, label: str, batch: Batch, housing: Housing, cage: str, ear: str) -> MouseRow:
    return MouseRow(
        line=line,
        mouse=label,
        pdx_model=batch.pdx_model,
        sex=batch.sex,
        born_on=housing.born_on,
        strain=housing.strain,
        source=housing.source,
        cage=cage,
        ear_tag=ear,
        cohort=housing.cohort,
        site=housing.site,
        implanted_on=housing.implanted_on,
        room=housing.room,
        rack=housing.rack,
    )


@transaction.atomic
def add_mice(study: Study, rows: Sequence[MouseRow], by: By, origin: str) -> list[Mouse]:
    """All of the rows, or none: with their cages, cohorts and tumors, in one event.

    Raises ImportRefused naming line, column and reason of each row that cannot be stored; SetUpRefused
    where the study takes no mice any more.
    """
    study = Study.objects.select_for_update().get(pk=study.pk)
    if not study.accepts_data:
        raise SetUpRefused(f"Study {study.code} is {study.get_state_display()} and takes no mice.")
    if not rows:
        raise SetUpRefused("No mouse is listed.")
    models = {row.pdx_model.code: row for row in _planned(study)}
    if defects := list(_defects(study, rows, models)):
        raise ImportRefused(defects)
    cages = _cages(study, rows)
    cohorts = _cohorts(study, rows)
    mice = Mouse.objects.bulk_create(
        Mouse(
            study=study,
            cohort=cohorts[row.cohort or DEFAULT_COHORT],
            pdx_model=models[row.pdx_model].pdx_model,
            label=row.mouse,
            sex=row.sex,
            strain=row.strain,
            source=row.source,
            born_on=row.born_on,
            ear_tag=row.ear_tag,
            rfid=row.rfid,
            cage=cages.get(row.cage),
        )
        for row in rows
    )
    passages = _passages(rows, models)
    Tumor.objects.bulk_create(
        Tumor(mouse=mouse, site=row.site, implanted_on=row.implanted_on, passage=passages[row.line])
        for mouse, row in zip(mice, rows, strict=True)
    )
    record("added mice", mice[0], study, by, new={
        "origin": origin, "mice": [mouse.label for mouse in mice], "cages": sorted(cages),
        "cohorts": sorted(cohorts),
    })  # fmt: skip
    return mice


def _planned(study: Study):
    rows = study.planned_pdx_models.filter(is_withdrawn=False)
    return rows.select_related("pdx_model", "passage")


def _defects(study: Study, rows: Sequence[MouseRow], models: dict) -> Iterator[RowError]:
    labels = set(study.mice.values_list("label", flat=True))
    tags = {(cage, tag) for cage, tag in study.mice.exclude(ear_tag="").values_list("cage__code", "ear_tag")}
    told = [row.rfid for row in rows if row.rfid]
    chips = {
        mouse.rfid: mouse
        for mouse in Mouse.objects.filter(rfid__in=told).select_related("study").exclude(rfid="")
    }
    for row in rows:
        if row.pdx_model not in models:
            known = ", ".join(models) or "none is chosen yet"
            yield RowError(row.line, "pdx_model", row.pdx_model, f"is no PDX model of this study ({known})")
        elif row.passage is not None and not _has_passage(models[row.pdx_model].pdx_model, row.passage):
            reason = f"PDX model {row.pdx_model} has no such passage on record"
            yield RowError(row.line, "passage", str(row.passage), reason)
        if row.mouse in labels:
            yield RowError(row.line, "mouse", row.mouse, "is in this study already")
        if row.cage and row.ear_tag and (row.cage, row.ear_tag) in tags:
            yield RowError(row.line, "ear_tag", row.ear_tag, f"another mouse of cage {row.cage} has it")
        if row.rfid in chips:
            yield RowError(row.line, "rfid", row.rfid, _whose(chips[row.rfid], study))
        if row.born_on and row.implanted_on and row.implanted_on <= row.born_on:
            yield RowError(row.line, "implanted_on", str(row.implanted_on), "is not after the birth date")


def _whose(mouse: Mouse, study: Study) -> str:
    if mouse.study_id == study.pk:
        return f"is mouse {mouse.label} of this study"
    return "this mouse is in another study already; a mouse takes part in one study"


def _has_passage(pdx_model, number: int) -> bool:
    return pdx_model.passages.filter(number=number).exists()


def _passages(rows: Sequence[MouseRow], models: dict) -> dict[int, Passage | None]:
    """Line -> the passage the row names, else the one the study plans for its PDX model."""
    named = {
        (passage.pdx_model_id, passage.number): passage
        for passage in Passage.objects.filter(pdx_model__in=[row.pdx_model for row in models.values()])
    }
    return {
        row.line: models[row.pdx_model].passage
        if row.passage is None
        else named[models[row.pdx_model].pdx_model_id, row.passage]
        for row in rows
    }


def _cages(study: Study, rows: Sequence[MouseRow]) -> dict[str, Cage]:
    told = {row.cage: row for row in rows if row.cage}
    known = {cage.code: cage for cage in study.cages.filter(code__in=told)}
    new = [
        Cage(study=study, code=code, room=row.room, rack=row.rack)
        for code, row in told.items()
        if code not in known
    ]
    return {**known, **{cage.code: cage for cage in Cage.objects.bulk_create(new)}}


def _cohorts(study: Study, rows: Sequence[MouseRow]) -> dict[str, Cohort]:
    """A cohort under way takes no more mice: those that arrive later are a cohort of their own."""
    found = {}
    for name in dict.fromkeys(row.cohort or DEFAULT_COHORT for row in rows):
        cohort, _ = Cohort.objects.get_or_create(study=study, name=name)
        if cohort.mice.filter(allocation__isnull=False).exists():
            line = next(row.line for row in rows if (row.cohort or DEFAULT_COHORT) == name)
            reason = "is randomized already; name a further cohort for mice that arrive later"
            raise ImportRefused([RowError(line, "cohort", name, reason)])
        found[name] = cohort
    return found


def set_cohort_kind(study: Study, name: str, kind: CohortKind, by: By) -> Cohort:
    """Make a cohort one for expansion, or back; not once its mice are allocated."""
    with transaction.atomic():
        cohort = Cohort.objects.select_for_update().get(study=study, name=name)
        if study.state not in (StudyState.DRAFT, StudyState.ACTIVE):
            raise SetUpRefused(f"Study {study.code} is {study.get_state_display()}.")
        if cohort.mice.filter(allocation__isnull=False).exists():
            raise SetUpRefused(f"Cohort {name} is randomized; it stays what it is.")
        old, cohort.kind = cohort.kind, str(kind)
        if old != cohort.kind:
            cohort.save(update_fields=["kind"])
            record("changed", cohort, study, by, old={"kind": old}, new={"kind": cohort.kind})
    return cohort
