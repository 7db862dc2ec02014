"""How alike the arms are before the first dose: by arm where arms are open, within which limits where blinded."""

import base64

from django.shortcuts import get_object_or_404, render

from studies import access
from studies.actions.balance_of import balance_of, bands
from studies.endpoints import endpoint
from studies.models import Study
from studies.plots.style import arm_colors

NAMES = {"log_volume": "Tumor volume", "weight": "Body weight", "growth_rate": "Growth rate"}
UNITS = {"log_volume": "mm³", "weight": "g", "growth_rate": "per day"}
WORDS = {"green": "well balanced", "amber": "balanced with reservations", "red": "not balanced"}


@endpoint(access.BALANCE_READERS)
def balance_report(request, code: str):
    study = access.study_or_404(request.user, code)
    drawn = study.randomizations.select_related("cohort", "made_by").order_by("made_at")
    cohort = request.GET.get("cohort")
    context = {"nav": "studies", "study": study, "drawn": list(drawn)}
    if cohort is None and not drawn:
        return render(request, "studies/desk/balance.html", context)
    chosen = get_object_or_404(drawn, cohort__name=cohort) if cohort is not None else drawn.last()
    if "plan" in chosen.parameters:
        context |= _report(study, chosen, access.may_see_arms(request.user, study))
    return render(request, "studies/desk/balance.html", context | {"chosen": chosen})


def _report(study: Study, chosen, shows_arms: bool) -> dict:
    from studies.randomization import METHODS

    found = balance_of(chosen)
    told = {
        "grade": found.grade,
        "grade_words": WORDS[found.grade],
        "shows_arms": shows_arms,
        "method": METHODS[chosen.method],
        "notes": [*chosen.parameters["notes"], *found.left_out],
    }
    if shows_arms:
        return told | _by_arm(study, found)
    return told | {"bands": [(NAMES[one.name], one, WORDS[one.grade]) for one in bands(found)]}


def _by_arm(study: Study, found) -> dict:
    from studies.plots.balance import by_arm, love_plot
    from studies.plots.style import to_svg

    return {
        "balance": found,
        "rows": [(NAMES[one.name], UNITS[one.name], one, WORDS[one.grade]) for one in found.covariates],
        "arms": [(arm, found.counts[arm], found.cages[arm]) for arm in found.counts],
        "love_plot": _embedded(to_svg(love_plot(found.covariates))),
        "by_arm": _embedded(to_svg(by_arm(found.covariates, _colors(study)))),
    }


def _colors(study: Study) -> dict[str, str]:
    arms = study.arms.order_by("position", "name").values("name", "role")
    return arm_colors([{"arm": arm["name"], "role": arm["role"]} for arm in arms])


def _embedded(svg: bytes) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"
