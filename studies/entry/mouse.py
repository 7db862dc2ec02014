"""One mouse: what is on record of it and how it came to be, its exit, what was taken from it. Never its arm."""

from collections.abc import Iterator
from dataclasses import replace

from django import forms
from django.contrib import messages
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.text import slugify

from studies import access
from studies.actions import exits
from studies.actions.unlocking import open_places, place_after
from studies.endpoints import endpoint
from studies.entry.mouse_history import COLUMNS, ReadingLine, exit_changes, history_rows, reading_lines
from studies.models import Exit, Mouse, MouseSample
from studies.terms import ExitReason, PhotoSubject, StudyState, YesNoUnknown

# In the order they are pressed: what was decided, what was found, what was planned.
EXIT_GROUPS = (
    ("Euthanized", (
        (ExitReason.TUMOR_SIZE, "tumor size"), (ExitReason.ULCERATION, "ulceration"),
        (ExitReason.BODY_WEIGHT, "body weight"), (ExitReason.CLINICAL_SIGNS, "clinical signs"),
        (ExitReason.TREATMENT_TOXICITY, "toxicity"), (ExitReason.SCHEDULED_END, "scheduled end"),
    )),
    ("Found dead", ((ExitReason.FOUND_DEAD, "found dead"), (ExitReason.ACCIDENT, "accident"))),
    ("Sampled", ((ExitReason.SAMPLED, "sampled as planned"),)),
)  # fmt: skip


class ExitForm(forms.ModelForm):
    reason = forms.ChoiceField(choices=ExitReason.choices())
    treatment_related = forms.ChoiceField(choices=YesNoUnknown.choices(), initial=YesNoUnknown.UNKNOWN)
    exited_at = forms.DateTimeField(
        label="When, in UTC", required=False, help_text="Blank for now.",
        widget=forms.DateTimeInput({"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"],
    )  # fmt: skip

    class Meta:
        model = Exit
        fields = exits.EXIT_FIELDS
        widgets = {"note": forms.TextInput()}

    def _post_clean(self) -> None:
        """The row is written and checked by its action."""


class CorrectionForm(ExitForm):
    correction_reason = forms.CharField(label="Why it is corrected", max_length=2000)


class NecropsyForm(forms.ModelForm):
    correction_reason = forms.CharField(
        label="Why it is corrected", max_length=2000, required=False, help_text="Where one is on record."
    )

    class Meta:
        model = Exit
        fields = exits.NECROPSY_FIELDS
        widgets = {"necropsy_note": forms.Textarea({"rows": 3})}

    def _post_clean(self) -> None:
        """The row is written and checked by its action."""


class SampleForm(forms.ModelForm):
    count = forms.IntegerField(label="Tubes", min_value=1, max_value=exits.SAMPLES_AT_ONCE, initial=1)
    hours_reason = forms.CharField(
        label="Why these hours, and not the record's", max_length=200, required=False
    )

    class Meta:
        model = MouseSample
        fields = ("kind", "tissue", "planned_readout", "hours_after_last_dose")
        help_texts = {"hours_after_last_dose": "Blank: by the doses on record. A number wants a reason."}

    field_order = ("kind", "tissue", "planned_readout", "count", "hours_after_last_dose", "hours_reason")


class PhotoForm(forms.Form):
    subject = forms.ChoiceField(label="It shows", choices=PhotoSubject.choices())
    note = forms.CharField(max_length=200, required=False)


@endpoint(access.SCIENCE_READERS, post=access.EXIT_RECORDERS)
def mouse(request, mouse_id: int):
    roles = access.EXIT_RECORDERS if request.method == "POST" else access.SCIENCE_READERS
    found = access.mouse_or_404(request.user, mouse_id, roles)
    given: dict[str, forms.BaseForm] = {}
    if request.method == "POST":
        act = request.POST.get("act", "")
        form = _forms(found, request.POST).get(act)
        if form is not None:
            given[act] = form
            if form.is_valid() and _done(request, found, act, form):
                return redirect("entry_mouse", found.pk)
    return mouse_page(request, found, given, 422 if request.method == "POST" else 200)


def mouse_page(request, found: Mouse, given: dict[str, forms.BaseForm], status: int) -> HttpResponse:
    left = getattr(found, "exit", None)
    may_write = found.study.state == StudyState.ACTIVE and access.may_record_exits(request.user, found.study)
    weight, volume = exits.last_known(found)
    context = {
        "nav": "today",
        "mouse": found,
        "study": found.study,
        "exit": left,
        "may_write": may_write,
        "groups": EXIT_GROUPS,
        "relations": YesNoUnknown.choices(),
        "last": {"weight_g": weight, "volume_mm3": volume},
        "lines": _lines(request, found),
        "exit_changes": exit_changes(found),
        "alerts": found.welfare_alerts.prefetch_related("answers__answered_by"),
        "samples": samples_with_hours(found, request.user),
        "photos": found.photos.select_related("uploaded_by"),
        "forms": {**_forms(found), **given},
    }
    return render(request, "studies/entry/mouse.html", context, status=status)


def _lines(request, found: Mouse) -> list[ReadingLine]:
    """A line a reading, with whether this person may correct it now: in a locked study, where it was unlocked."""
    lines = reading_lines(found)
    if not access.may_enter_measurements(request.user, found.study):
        return lines
    if found.study.state == StudyState.ACTIVE:
        return [replace(line, may_change=True) for line in lines]
    opened = open_places(found.study, timezone.now())
    return [replace(line, may_change=place_after(line.reading) in opened) for line in lines]


def samples_with_hours(found: Mouse, user) -> list[MouseSample]:
    """The mouse's samples, each with `hours` since the last dose: as told, else by the record once arms are open."""
    samples = list(found.samples.select_related("taken_by", "mouse__study"))
    is_open = access.may_see_arms(user, found.study)
    for sample in samples:
        told = sample.hours_after_last_dose
        sample.hours = sample.hours_by_record() if told is None and is_open else told
        sample.is_hidden = told is None and not is_open
    return samples


@endpoint(access.SCIENCE_READERS)
def history_csv(request, mouse_id: int):
    from studies.exports import long_csv

    found = access.mouse_or_404(request.user, mouse_id)
    return HttpResponse(
        long_csv(COLUMNS, _history(request, found)),
        content_type="text/csv; charset=utf-8",
        headers=_download(found, "csv"),
    )


@endpoint(access.SCIENCE_READERS)
def history_json(request, mouse_id: int):
    found = access.mouse_or_404(request.user, mouse_id)
    rows = list(_history(request, found))
    return JsonResponse(rows, safe=False, json_dumps_params={"indent": 1}, headers=_download(found, "json"))


def _history(request, found: Mouse) -> Iterator[dict]:
    return history_rows(found, tells_arms=access.may_see_arms(request.user, found.study))


def _download(found: Mouse, kind: str) -> dict[str, str]:
    name = f"{slugify(found.study.code)}-{slugify(found.label)}-history.{kind}"
    return {"Content-Disposition": f'attachment; filename="{name}"'}


@endpoint(access.SCIENCE_READERS)
def sample_labels(request, mouse_id: int):
    from studies.reports import paper

    found = access.mouse_or_404(request.user, mouse_id)
    size = request.GET.get("size", paper.A4)
    samples = samples_with_hours(found, request.user)
    pdf = paper.sample_labels(found, samples, size if size in paper.SIZES else paper.A4, timezone.now())
    name = f"{slugify(found.study.code)}-{slugify(found.label)}-samples.pdf"
    return HttpResponse(
        pdf, content_type="application/pdf", headers={"Content-Disposition": f'inline; filename="{name}"'}
    )


def _forms(found: Mouse, data=None) -> dict[str, forms.BaseForm]:
    """The forms of the mouse's page by the act they ask for: an exit where it is still here, else the rest."""
    left: Exit | None = getattr(found, "exit", None)
    photo: dict[str, forms.BaseForm] = {} if data is not None else {"photo": PhotoForm()}
    if left is None:
        return {"exit": ExitForm(data), **photo}
    return {
        "correct": CorrectionForm(data, instance=Exit.objects.get(pk=left.pk)),
        "necropsy": NecropsyForm(data, instance=Exit.objects.get(pk=left.pk)),
        "samples": SampleForm(data),
        **photo,
    }


def _done(request, found: Mouse, act: str, form: forms.BaseForm) -> bool:
    """Whether the act was recorded; where it was refused, the form says why."""
    told = dict(form.cleaned_data)
    who = {"actor": request.user, "at": timezone.now()}
    try:
        if act == "exit":
            exits.record_exit(found, told, **who)
            said = f"{found.label} left the study: {ExitReason(told['reason']).label}."
        elif act == "correct":
            exits.correct_exit(found.exit, told, told.pop("correction_reason"), **who)
            said = f"The exit of {found.label} is corrected."
        elif act == "necropsy":
            exits.record_necropsy(found.exit, told, told.pop("correction_reason"), **who)
            said = f"The necropsy of {found.label} is on record."
        else:
            made = exits.take_samples(found, told, told.pop("count"), **who)
            said = f"{len(made)} samples of {found.label} are on record; print their labels."
    except exits.ExitRefused as error:
        form.add_error(None, str(error))
        return False
    messages.success(request, said)
    return True
