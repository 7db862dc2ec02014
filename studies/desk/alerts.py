"""The welfare alerts of a study, the open ones first, and what is done about each. No arm stands here."""

from django import forms
from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect, render
from django.utils import timezone

from studies import access
from studies.actions.welfare import AnswerRefused, answer_alert
from studies.endpoints import endpoint
from studies.models import Study, WelfareAlert
from studies.terms import AlertAction, AlertLevel, StudyState

CLOSED_SHOWN = 100


class AnswerForm(forms.Form):
    action = forms.ChoiceField(label="What is done", choices=[("", "choose"), *AlertAction.of_people()])
    note = forms.CharField(required=False, max_length=2000, widget=forms.TextInput())


@endpoint(access.SCIENCE_READERS, post=access.ALERT_ANSWERERS)
def alerts(request, code: str):
    study = access.study_or_404(request.user, code)
    refused, form = None, AnswerForm(request.POST or None)
    if request.method == "POST":
        refused = _alert(study, request.POST.get("alert", ""))
        if refused and form.is_valid():
            told = form.cleaned_data
            try:
                answer = answer_alert(
                    refused, told["action"], told["note"], actor=request.user, at=timezone.now()
                )
                said = "acknowledged" if answer.is_acknowledgement else "noted"
                messages.success(request, f"{refused.mouse.label}: {answer.get_action_display()}, {said}.")
                return redirect("alerts", study.code)
            except AnswerRefused as error:
                form.add_error(None, str(error))
    rows = study.welfare_alerts.select_related("mouse__cage", "session")
    rows = rows.prefetch_related("answers__answered_by")
    waiting = sorted(rows.open(), key=lambda alert: alert.level != AlertLevel.RED)
    may_answer = study.state == StudyState.ACTIVE and access.may_answer_alerts(request.user, study)
    context = {
        "nav": "studies",
        "study": study,
        "waiting": [(alert, form if alert == refused else AnswerForm()) for alert in waiting],
        "closed": rows.filter(answers__is_acknowledgement=True).distinct()[:CLOSED_SHOWN],
        "may_answer": may_answer,
        "may_close": access.may_acknowledge_alerts(request.user, study),
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "studies/desk/alerts.html", context, status=status)


def _alert(study: Study, text: str) -> WelfareAlert | None:
    """The alert that is answered; 404 for one of another study, None where the form names none."""
    if not text.isdecimal():
        return None
    found = study.welfare_alerts.select_related("mouse").filter(pk=int(text[:18])).first()
    if found is None:
        raise Http404
    return found
