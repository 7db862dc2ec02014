"""Look at what would be drawn, answer what is asked, press once: the director's page before the drawing."""

import secrets

from django.contrib import messages
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from studies import access
from studies.actions.allocate_mice import (
    AllocationRefused,
    AlreadyAllocated,
    Choices,
    Proposal,
    allocate,
    propose,
)
from studies.days import local_date
from studies.desk.enrollment import STRATA, next_name, strata_of
from studies.endpoints import endpoint
from studies.models import Study

SEED_BYTES = 16


@endpoint(access.SET_UP_ROLES, post=access.SET_UP_ROLES)
def randomize(request, code: str):
    from studies.randomization import METHODS

    study = access.study_or_404(request.user, code)
    told = request.POST or request.GET
    choices, cohort = choices_of(told, study), told.get("cohort", "").strip()[:60]
    problems: tuple[str, ...] = ()
    if request.method == "POST":
        try:
            return _draw(request, study, cohort, choices)
        except AlreadyAllocated as refusal:
            messages.warning(request, f"{refusal}.")
            return redirect(_balance(study, cohort))
        except AllocationRefused as refusal:
            problems = refusal.reasons
    proposal = propose(study, cohort, choices, local_date(timezone.now(), study.time_zone))
    context = {
        "nav": "studies",
        "study": study,
        "cohort": cohort or proposal.name or next_name(study),
        "is_new": proposal.wave.cohort is None,
        "proposal": proposal,
        "problems": [
            problem for problem in problems if problem not in (*proposal.refusals, *proposal.concerns)
        ],
        "accepted": request.POST.getlist("accept"),
        "choices": choices,
        "methods": METHODS.values(),
        "method": METHODS[choices.method],
        "strata": strata_of(study),
        "shares": shares(proposal),
        "waiting": [standing for standing in proposal.wave.left_out if standing.is_waiting],
    }
    return render(request, "studies/desk/randomize.html", context, status=422 if problems else 200)


def choices_of(told, study: Study) -> Choices:
    """What the form says; before it says anything, strata are what the study has several of."""
    from studies.randomization import DEFAULT_METHOD, METHODS

    method = told.get("method", DEFAULT_METHOD)
    names = STRATA
    if "method" in told:
        strata = tuple(name for name in names if name in told.getlist("strata"))
        variances = "balance_variances" in told
    else:
        several = study.mice.order_by().values("pdx_model").distinct().count() > 1
        sexes = study.mice.order_by().values("sex").distinct().count() > 1
        strata = tuple(name for name, is_so in (("pdx_model", several), ("sex", sexes)) if is_so)
        variances = True
    return Choices(method if method in METHODS else DEFAULT_METHOD, strata, variances)


def shares(proposal: Proposal) -> str:
    """ "arms, 2 : 1 : 1": in what ratio, never which."""
    ratios = sorted(proposal.plan.ratios, reverse=True)
    ratio = "equal shares" if len(set(ratios)) == 1 else " : ".join(map(str, ratios))
    return f"arms, {ratio}"


def _draw(request, study: Study, cohort: str, choices: Choices):
    randomization = allocate(
        study,
        cohort,
        choices,
        seed=secrets.token_hex(SEED_BYTES),
        actor=request.user,
        at=timezone.now(),
        accepted=request.POST.getlist("accept"),
        expected_token=request.POST.get("token", ""),
        exclude_outside="exclude_outside" in request.POST,
    )
    count = randomization.allocations.count()
    messages.success(request, f"Cohort {cohort}: {count} mice are randomized, sealed and on record.")
    return redirect(_balance(study, cohort))


def _balance(study: Study, cohort: str) -> str:
    return f"{reverse('balance', args=[study.code])}?{urlencode({'cohort': cohort})}"
