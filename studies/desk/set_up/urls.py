"""Addresses of the guide and of what follows activation. A code may hold a slash, hence `path`."""

from django.urls import path

from studies.desk import amendments, deviations, study_state
from studies.desk.set_up import (
    arms,
    blinding,
    criteria,
    mice,
    new_study,
    pdx_models,
    plan,
    protocol,
    review,
    steps,
)

PAGES = (
    protocol.protocol,
    pdx_models.pdx_models,
    arms.arms,
    mice.mice,
    criteria.criteria,
    plan.plan,
    blinding.blinding,
    review.review,
)

urlpatterns = [
    path("studies/new/", new_study.new_study, name="new_study"),
    path("studies/<path:code>/setup/", steps.overview, name="set_up"),
    *(
        path(f"studies/<path:code>/setup/{slug}/", page, name=f"set_up_{slug.replace('-', '_')}")
        for slug, page in zip(steps.SLUGS, PAGES, strict=True)
    ),
    path("studies/<path:code>/amendments/", amendments.amendments, name="amendments"),
    path("studies/<path:code>/deviations/", deviations.deviations, name="deviations"),
    path("studies/<path:code>/state/", study_state.study_state, name="study_state"),
]
