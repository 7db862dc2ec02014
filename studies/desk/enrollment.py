"""Who can be randomized: each mouse at baseline, in or out of the window and why, and cohorts as they arrive."""

from dataclasses import dataclass
from math import log

from django.shortcuts import render

from studies import access
from studies.actions.enrollment import Standing, Wave, standings, take_rates, waves
from studies.endpoints import endpoint
from studies.models import Study

STRATA = ("pdx_model", "map2k4_status", "sex", "cage")


@dataclass(frozen=True)
class WindowStrip:
    """Baseline volumes on a log axis from 0 to 100: where the window lies and where each mouse."""

    low_at: float
    high_at: float
    marks: tuple[tuple[float, bool, str], ...]

    @property
    def width(self) -> float:
        return self.high_at - self.low_at


@endpoint(access.SCIENCE_READERS)
def enrollment(request, code: str):
    study = access.study_or_404(request.user, code)
    found = standings(study)
    drawn = study.randomizations.select_related("cohort", "made_by").order_by("made_at")
    context = {
        "nav": "studies",
        "study": study,
        "may_randomize": access.may_randomize(request.user, study),
        "shows_balance": bool(access.roles_in(request.user, study) & access.BALANCE_READERS),
        "may_print": bool(access.roles_in(request.user, study) & access.CARD_PRINTERS),
        "has_baseline": study.sessions.filter(is_baseline=True).exists(),
        "may_plan": access.may_enter_measurements(request.user, study),
        "shows_status": access.may_see_biomarker(request.user, study),
        "waves": [(wave, window_strip(wave, study), next_name(study)) for wave in waves(found)],
        "ready": sum(standing.is_ready for standing in found),
        "waiting": sum(standing.is_waiting for standing in found),
        "allocated": sum(standing.is_allocated for standing in found),
        "lost": sum(hasattr(one.mouse, "exclusion") or hasattr(one.mouse, "exit") for one in found),
        "take_rates": take_rates(study),
        "drawn": [(one, one.allocations.count()) for one in drawn],
    }
    return render(request, "studies/desk/enrollment.html", context)


def strata_of(study: Study) -> tuple[tuple[str, str], ...]:
    """What mice can be randomized within, by key and in words; the status is that of the study's biomarker."""
    words = {"pdx_model": "PDX model", "map2k4_status": f"{study.biomarker} status"}
    return tuple((name, words.get(name, name)) for name in STRATA)


def next_name(study: Study) -> str:
    """The next free letter for a cohort's name, a number after Z."""
    taken = set(study.cohorts.values_list("name", flat=True))
    names = (*(chr(letter) for letter in range(ord("A"), ord("Z") + 1)), *map(str, range(27, 1000)))
    return next(name for name in names if name not in taken)


def window_strip(wave: Wave, study: Study) -> WindowStrip | None:
    """None where no mouse of the wave has a tumor to show."""
    measured: list[Standing] = [standing for standing in wave.standings if standing.volume_mm3]
    if not measured:
        return None
    window = max(study.enrollment_min_mm3, 1.0), study.enrollment_max_mm3
    edges = [*window, *(standing.volume_mm3 for standing in measured)]
    low, high = log(min(edges) / 1.25), log(max(edges) * 1.25)

    def place(volume: float) -> float:
        return round(100 * (log(volume) - low) / (high - low), 2)

    marks = tuple(
        (place(one.volume_mm3), one.is_ready, f"{one.mouse.label}, {one.volume_mm3:.0f} mm³")
        for one in measured
    )
    return WindowStrip(place(window[0]), place(window[1]), marks)
