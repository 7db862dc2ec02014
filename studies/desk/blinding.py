"""Blinding of a study: what is hidden, who was told what in an emergency, and how to unblind one mouse."""

from django import forms
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone

from studies import access
from studies.actions.blinding import RevealRefused, acknowledge, reveal_in_emergency, reveal_record
from studies.actions.sign import SigningRefused, changed_after
from studies.desk.signing import ReasonedSigningForm
from studies.endpoints import endpoint
from studies.models import Reveal, Signature, Study, User
from studies.models.protocol import signatures_of
from studies.terms import Role

READERS = access.SCIENCE_READERS | access.EMERGENCY_ROLES


class RevealForm(ReasonedSigningForm):
    mouse = forms.CharField(max_length=120, help_text="The label on its cage card.")
    notified = forms.ModelChoiceField(
        User.objects.none(), label="Second person", help_text="Told at once that you did this, not the arm."
    )
    field_order = ("mouse", "reason", "notified", "username", "password")

    def __init__(self, *args, second_persons, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["notified"].queryset = second_persons
        self.fields["reason"].label = "What is the emergency"


@endpoint(READERS)
def blinding(request, code: str):
    """The register of emergency unblindings; which arm was told stands nowhere on it."""
    study = access.study_or_404(request.user, code)
    context = {
        "nav": "studies",
        "study": study,
        "reveals": _signed(study),
        "may_reveal": not study.arms_are_open and access.may_reveal_in_emergency(request.user, study),
    }
    return render(request, "studies/desk/blinding.html", context)


@endpoint(access.EMERGENCY_ROLES, post=access.EMERGENCY_ROLES, blinded_safe=False)
def reveal(request, code: str):
    """The arm is in the answer to the request that recorded its telling, and on no page after it."""
    study = access.study_or_404(request.user, code)
    if study.arms_are_open:
        return redirect("study_blinding", code)
    second_persons = access.second_persons(request.user, study)
    form = RevealForm(request.POST or None, second_persons=second_persons)
    context = {"nav": "studies", "study": study, "form": form, "has_second": second_persons.exists()}
    if request.method == "POST" and form.is_valid():
        told = form.cleaned_data
        try:
            signer = form.signer(request)
            context["revealed"], context["arm"] = reveal_in_emergency(
                study, told["mouse"], told["reason"], signer=signer, notified=told["notified"]
            )
        except (RevealRefused, SigningRefused) as refused:
            form.add_error(None, str(refused))
    return render(request, "studies/desk/reveal.html", context)


@endpoint(post=access.SECOND_PERSONS)
def notice_read(request, reveal: int):
    """The second person confirms having read the notice."""
    found = get_object_or_404(Reveal.objects.select_related("study"), pk=reveal, notified=request.user)
    acknowledge(found, actor=request.user, at=timezone.now())
    return redirect("home")


def _signed(study: Study) -> list[tuple[Reveal, list[tuple[Signature, list[str]]]]]:
    """Each emergency unblinding with its signatures, and what was changed after them."""
    found = study.reveals.select_related("study", "mouse", "revealed_to", "notified")
    return [
        (row, [(one, changed_after(one, reveal_record(row))) for one in signatures_of(row)]) for row in found
    ]


def reads_blinding(roles: frozenset[Role]) -> bool:
    return bool(roles & READERS)
