"""Who measured how much, and how well readings taken again agree: per operator, never per arm."""

from collections import Counter, defaultdict

from django.http import JsonResponse

from studies import access
from studies.endpoints import endpoint
from studies.frames import Reading, readings, visit_volume_mm3
from studies.validation.replicates import agreement

SEVERAL = "read by several"


@endpoint(access.SCIENCE_READERS)
def operators(request, code: str) -> JsonResponse:
    """`operators`: name, readings, tumors read again and the CV (%) of those, the study's last."""
    study = access.study_or_404(request.user, code)
    counts: Counter[str] = Counter()
    again: dict[tuple, list[Reading]] = defaultdict(list)
    for reading in readings(study):
        counts[reading.operator or "not recorded"] += 1
        again[reading.mouse_id, reading.day, reading.tumor_number].append(reading)
    tumors = defaultdict(list)
    for found in again.values():
        volumes = [volume for one in found if (volume := visit_volume_mm3([one], study))]
        if len(volumes) > 1:
            names = {one.operator for one in found}
            tumors[names.pop() if len(names) == 1 else SEVERAL].append(volumes)
    names = sorted(set(counts) | set(tumors))
    rows = [_row(name, counts[name], tumors.get(name, [])) for name in names]
    every = [volumes for found in tumors.values() for volumes in found]
    return JsonResponse({"operators": [*rows, _row("all", sum(counts.values()), every)]})


def _row(name: str, count: int, tumors: list[list[float]]) -> dict:
    found = agreement(tumors)
    cv = None if found.cv_percent is None else round(found.cv_percent, 1)
    return {"name": name, "readings": count, "read_again": found.n_mice, "cv_percent": cv}
