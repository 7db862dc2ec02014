"""Mice of expansion cohorts whose tumor is large enough to pass on, or soon too large."""

from dataclasses import dataclass

from studies import access
from studies.frames import growth_curves
from studies.models import Mouse, Study, User
from studies.terms import CohortKind, StudyState

READY_FROM_MM3, READY_TO_MM3 = 1000, 1500


@dataclass(frozen=True)
class PassageAlert:
    """A donor that waits: its last volume (mm³) and the study day it was read on."""

    study: Study
    mouse: str
    mouse_id: int
    pdx_model: str
    day: float
    volume_mm3: float

    @property
    def words(self) -> str:
        if self.volume_mm3 > READY_TO_MM3:
            return f"past the window of {READY_FROM_MM3:,} to {READY_TO_MM3:,} mm³"
        return "ready to pass on"

    @property
    def is_late(self) -> bool:
        return self.volume_mm3 > READY_TO_MM3


def passage_alerts(user: User) -> list[PassageAlert]:
    """Donors of the active studies whose science the user reads, largest tumor first.

    A mouse that left or has been passed on waits no more.
    """
    studies = access.studies_of(user, access.SCIENCE_READERS).filter(
        state=StudyState.ACTIVE, cohorts__kind=CohortKind.EXPANSION
    )
    alerts = [alert for study in studies.distinct() for alert in _of_study(study, user)]
    return sorted(alerts, key=lambda alert: -alert.volume_mm3)


def _of_study(study: Study, user: User) -> list[PassageAlert]:
    waiting = Mouse.objects.filter(
        study=study, cohort__kind=CohortKind.EXPANSION, exit__isnull=True, exclusion__isnull=True,
        passages_donated__isnull=True,
    )  # fmt: skip
    keys = set(waiting.values_list("pk", flat=True))
    found = []
    for curve in growth_curves(study, user):
        readings = [(d, v) for d, v in zip(curve.days, curve.volumes_mm3, strict=True) if v is not None]
        if curve.mouse_id in keys and readings:
            day, volume = max(readings)
            if volume >= READY_FROM_MM3:
                found.append(PassageAlert(study, curve.label, curve.mouse_id, curve.pdx_model, day, volume))
    return found
