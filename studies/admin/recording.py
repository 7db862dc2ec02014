"""What every admin save leaves behind: one audit event a changed row, in the same transaction."""

import json
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.core.serializers.json import DjangoJSONEncoder
from django.forms.models import BaseInlineFormSet
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminTextareaWidget

from studies.actions.audit import INSTALLATION, record_event, study_chain
from studies.admin.endpoints import Declared
from studies.models import Study
from studies.terms import StudyState

SECRET_FIELDS = frozenset({"password", "last_login"})


def study_of(obj) -> Study | None:
    """The study a row belongs to, None for what all studies share."""
    if isinstance(obj, Study):
        return obj
    for path in ("study", "arm", "mouse"):
        if getattr(obj, f"{path}_id", None):
            return study_of(getattr(obj, path))
    return None


def row_facts(obj) -> dict[str, Any]:
    """The row's own columns as JSON, secrets left out."""
    columns = {
        field.attname: field.value_from_object(obj)
        for field in obj._meta.concrete_fields
        if field.name not in SECRET_FIELDS
    }
    return json.loads(json.dumps(columns, cls=DjangoJSONEncoder))


def record_save(request, obj, old: dict[str, Any] | None, reason: str, action: str = "") -> None:
    """Write the event of a saved row: what it was and what it became, of the columns that changed."""
    new = row_facts(obj)
    if old is not None:
        changed = {name for name in new if new[name] != old.get(name)}
        if not changed and not action:
            return
        old, new = ({name: facts[name] for name in changed} for facts in (old, new))
    study = study_of(obj)
    record_event(
        action or ("added" if old is None else "changed"),
        obj,
        actor=request.user,
        at=timezone.now(),
        chain=study_chain(study) if study else INSTALLATION,
        study=study,
        old=old,
        new=new,
        reason=reason,
    )


def needs_reason(obj) -> bool:
    """A study under way is not changed without saying why; a draft is still being written."""
    study = study_of(obj)
    return study is None or study.state != StudyState.DRAFT


class ReasonedForm(forms.ModelForm):
    """A form that asks why an existing record changes."""

    change_reason = forms.CharField(
        label="Reason for the change",
        required=False,
        max_length=2000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="Kept in the audit trail. Needed to change what is on record, except in a draft study.",
    )

    def clean(self):
        cleaned = super().clean()
        changed = set(self.changed_data) - {"change_reason"}
        if self.instance.pk and changed and needs_reason(self.instance) and not self.reason:
            self.add_error("change_reason", "Say why this changes.")
        return cleaned

    @property
    def reason(self) -> str:
        return (self.cleaned_data.get("change_reason") or "").strip()


class ReasonedInlineFormSet(BaseInlineFormSet):
    """Rows of a record: changing one that is already stored asks for the reason on the same page."""

    def clean(self) -> None:
        super().clean()
        changed = any(form.has_changed() for form in self.initial_forms)
        if changed and needs_reason(self.instance) and not self.data.get("change_reason", "").strip():
            raise forms.ValidationError("Say why this changes: fill in the reason for the change.")


class RecordedAdmin(Declared, ModelAdmin):
    """Every save is an audit event; nothing is deleted; history is the audit trail."""

    form = ReasonedForm
    asks_reason = True
    actions = None
    warn_unsaved_form = True
    compressed_fields = True
    list_filter_submit = False

    def has_delete_permission(self, request, obj=None) -> bool:
        return False

    def get_fieldsets(self, request, obj=None):
        fieldsets = list(super().get_fieldsets(request, obj))
        if obj is None or not self.asks_reason or not self.has_change_permission(request, obj):
            return self._without_reason(fieldsets)
        return [*self._without_reason(fieldsets), (None, {"fields": ["change_reason"]})]

    def save_model(self, request, obj, form, change) -> None:
        stored = type(obj)._base_manager.filter(pk=obj.pk).first() if change else None
        old = row_facts(stored) if stored else None
        super().save_model(request, obj, form, change)
        record_save(request, obj, old, getattr(form, "reason", ""))

    def save_formset(self, request, form, formset, change) -> None:
        model = formset.model
        stored = {row.pk: row_facts(row) for row in model._base_manager.filter(pk__in=_keys(formset))}
        for obj in formset.save():
            record_save(request, obj, stored.get(obj.pk), getattr(form, "reason", ""))

    def history_view(self, request, object_id, extra_context=None):
        obj = self.get_object(request, object_id)
        if obj is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if not self.has_view_permission(request, obj):
            raise PermissionDenied
        query = urlencode({"object_type": self.opts.model_name, "object_id": object_id})
        return redirect(f"{reverse('admin:studies_auditevent_changelist')}?{query}")

    # The framework's own log would name arms in "recent actions"; the audit trail replaces it.
    def log_addition(self, request, obj, message):
        return None

    def log_change(self, request, obj, message):
        return None

    @staticmethod
    def _without_reason(fieldsets):
        return [
            (name, {**options, "fields": [field for field in options["fields"] if field != "change_reason"]})
            for name, options in fieldsets
        ]


def _keys(formset) -> list[int]:
    return [form.instance.pk for form in formset.initial_forms]
