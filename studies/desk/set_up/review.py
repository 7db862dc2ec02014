"""Step 8: the whole protocol at a glance, what is missing, and the signature that activates it."""

from django import forms
from django.contrib import messages
from django.db.models import Count
from django.shortcuts import redirect

from studies import access
from studies.actions.protocol_facts import protocol_record, save_template
from studies.actions.set_up import SetUpRefused
from studies.actions.sign import SigningRefused, changed_after
from studies.actions.study_states import activate_study
from studies.desk.set_up.steps import by, refused, show, step_address, step_view
from studies.desk.signing import SigningForm
from studies.desk.study_facts import arm_lines, facts
from studies.models import Study, StudyTemplate
from studies.models.protocol import signatures_of
from studies.terms import SignedAct


class TemplateForm(forms.ModelForm):
    class Meta:
        model = StudyTemplate
        fields = ("name", "description")
        widgets = {"description": forms.Textarea({"rows": 2})}


@step_view("review")
def review(request, study: Study):
    way = request.POST.get("way", "")
    signing = SigningForm(request.POST if way == "activate" else None)
    template = TemplateForm(request.POST if way == "template" else None, prefix="template")
    if way == "activate" and signing.is_valid():
        try:
            activate_study(study, signing.signer(request))
            messages.success(request, f"{study.code} is active.")
            return redirect(step_address(study, "review"))
        except (SetUpRefused, SigningRefused) as error:
            signing.refuse(error)
    if way == "template" and template.is_valid():
        try:
            saved = save_template(study, **template.cleaned_data, by=by(request))
            messages.success(request, f'Saved as the template "{saved.name}".')
            return redirect(step_address(study, "review"))
        except SetUpRefused as error:
            refused(template, error)
    return show(request, study, "review", signing=signing, template_form=template, **summary(request, study))


def summary(request, study: Study) -> dict:
    """What the page lists of the protocol; of arms only what this person may know."""
    counted = study.mice.order_by("pdx_model__code").values("pdx_model__code")
    plan = study.analysis_plans.order_by("-version").first()
    knows_arms = access.may_know_arms(request.user, study)
    return {
        "facts": facts(study),
        "shows_arms": knows_arms,
        "arms": arm_lines(study, request.user),
        "mice_by_model": counted.annotate(mice=Count("pk"), cages=Count("cage", distinct=True)),
        "planned_pdx_models": study.planned_pdx_models.filter(is_withdrawn=False).select_related(
            "pdx_model", "passage"
        ),
        "limits": study.welfare_limits.order_by("-version").first(),
        "plan": plan if knows_arms else None,
        "members": study.memberships.filter(is_active=True).select_related("user").order_by("role"),
        "signatures": signature_lines(study),
    }


def signature_lines(study: Study) -> list[dict]:
    """Every signature under the study, and whether what was signed still stands as it was."""
    current = protocol_record(study)
    return [
        {
            "signature": signature,
            "changed": changed_after(signature, current) if signature.act == SignedAct.ACTIVATION else [],
        }
        for signature in signatures_of(study)
    ]
