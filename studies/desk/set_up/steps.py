"""The guide's steps in order, and what their pages share."""

from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone

from studies import access
from studies.actions.set_up import By, SetUpRefused
from studies.actions.set_up_gaps import Gap, set_up_gaps
from studies.endpoints import endpoint
from studies.models import Study
from studies.terms import StudyState


@dataclass(frozen=True)
class Step:
    """One page of the guide. `after_activation` marks those that still change something then."""

    slug: str
    title: str
    about: str
    after_activation: bool = False


STEPS = (
    Step("protocol", "Protocol", "What the study is called, and where it runs."),
    Step("pdx-models", "PDX models", "Which tumors, and from which passage they are implanted."),
    Step("arms", "Arms", "What each arm is given: agents, doses, schedules."),
    Step("mice", "Mice and cages", "The animals, by a list of yours or with generated ids.", True),
    Step(
        "criteria", "Criteria and limits", "Who is enrolled, when is measured, when an animal is taken out."
    ),
    Step("plan", "Analysis plan", "What is compared with what, decided before any data."),
    Step("blinding", "Blinding and people", "Who takes part, and who may not know the arms."),
    Step("review", "Review and activation", "Everything at a glance; your signature makes it run."),
)
SLUGS = tuple(step.slug for step in STEPS)


@dataclass(frozen=True)
class StepLine:
    """A step as the guide's list shows it."""

    step: Step
    address: str
    is_current: bool
    missing: int

    @property
    def status(self) -> str:
        return f"{self.missing} missing" if self.missing else "complete"


def step_address(study: Study, slug: str) -> str:
    return reverse(f"set_up_{slug.replace('-', '_')}", args=[study.code])


def step_view(slug: str):
    """A page of the guide: `view(request, study)` for the study's director, in a draft.

    Once the study is under way, or its arms are hidden, steps that only a draft takes lead to the review.
    """
    step = STEPS[SLUGS.index(slug)]

    def wrap(view):
        @endpoint(access.SET_UP_ROLES, post=access.SET_UP_ROLES)
        def page(request, code: str):
            study = access.study_or_404(request.user, code)
            is_open = takes_steps(request.user, study) or step.after_activation or slug == "review"
            if not is_open:
                return redirect(step_address(study, "review"))
            return view(request, study)

        return page

    return wrap


def takes_steps(user, study: Study) -> bool:
    """A draft whose arms this person may know: an allocated one is not written by its steps any more."""
    return study.state == StudyState.DRAFT and access.may_know_arms(user, study)


def by(request) -> By:
    return By(request.user, timezone.now())


def show(request, study: Study, slug: str, **context):
    """The step's page with the list of steps beside it."""
    place = SLUGS.index(slug)
    is_draft = takes_steps(request.user, study)
    gaps = set_up_gaps(study) if is_draft else []
    context |= {
        "nav": "studies",
        "study": study,
        "step": STEPS[place],
        "place": place + 1,
        "steps": step_lines(study, gaps, slug, is_draft),
        "gaps": [gap for gap in gaps if gap.step == slug],
        "all_gaps": [(gap, step_address(study, gap.step)) for gap in gaps],
        "is_draft": is_draft,
    }
    return render(request, f"studies/desk/set_up/{slug.replace('-', '_')}.html", context)


def step_lines(study: Study, gaps: list[Gap], slug: str, is_draft: bool) -> list[StepLine]:
    """Every step of a draft; of a study under way, those that still open."""
    return [
        StepLine(
            step,
            step_address(study, step.slug),
            step.slug == slug,
            sum(gap.step == step.slug and gap.is_missing for gap in gaps),
        )
        for step in STEPS
        if is_draft or step.after_activation or step.slug == "review"
    ]


def after_saving(request, study: Study, slug: str):
    """The next step, or the same one where "stay" was pressed."""
    place = SLUGS.index(slug)
    following = slug if "stay" in request.POST else SLUGS[place + 1]
    return redirect(step_address(study, following))


def refused(form, error: SetUpRefused | ValidationError) -> None:
    """Show each reason above the form's fields, or at the field it names."""
    if isinstance(error, ValidationError):
        known = error.message_dict if hasattr(error, "error_dict") else {None: error.messages}
        for field, messages in known.items():
            for message in messages:
                form.add_error(field if field in form.fields else None, message)
        return
    for reason in error.reasons:
        form.add_error(None, reason)


@endpoint(access.SET_UP_ROLES)
def overview(request, code: str):
    """The guide's front door: the first step that lacks something."""
    study = access.study_or_404(request.user, code)
    gaps = [gap for gap in set_up_gaps(study) if gap.is_missing]
    slug = gaps[0].step if gaps and takes_steps(request.user, study) else "review"
    return redirect(step_address(study, slug))
