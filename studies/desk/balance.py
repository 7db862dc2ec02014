"""How alike the arms are before the first dose: by arm where arms are open, by unnamed groups where blinded."""

import base64

from django.shortcuts import get_object_or_404, render

from studies import access
from studies.actions.balance_of import balance_of
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
        context |= _report(request, study, chosen)
    return render(request, "studies/desk/balance.html", context | {"chosen": chosen})


def _report(request, study: Study, chosen) -> dict:
    from studies.plots.balance import by_arm, love_plot
    from studies.plots.style import to_svg
    from studies.randomization import METHODS

    shows_arms = access.may_see_arms(request.user, study)
    stored = balance_of(chosen, shows_arms=shows_arms)
    found = stored.balance
    return {
        "stored": stored,
        "balance": found,
        "grade": found.grade,
        "grade_words": WORDS[found.grade],
        "rows": [(NAMES[one.name], UNITS[one.name], one, WORDS[one.grade]) for one in found.covariates],
        "arms": [(arm, found.counts[arm], found.cages[arm]) for arm in found.counts],
        "method": METHODS[chosen.method],
        "love_plot": _embedded(to_svg(love_plot(found.covariates))),
        "by_arm": _embedded(to_svg(by_arm(found.covariates, _colors(study) if shows_arms else {}))),
        "shows_seed": shows_arms,
        "notes": [*chosen.parameters["notes"], *found.left_out],
    }


def _colors(study: Study) -> dict[str, str]:
    arms = study.arms.order_by("position", "name").values("name", "role")
    return arm_colors([{"arm": arm["name"], "role": arm["role"]} for arm in arms])


def _embedded(svg: bytes) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"
