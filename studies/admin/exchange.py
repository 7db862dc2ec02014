"""Mice and PDX models in and out as CSV: a dry run that names each row's errors, then all rows or none.

Each imported row leaves the audit event a save by hand would; exported text never starts a formula.
"""

import csv
import io
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from import_export.admin import ImportExportMixin
from import_export.fields import Field
from import_export.formats.base_formats import CSV
from import_export.forms import ConfirmImportForm
from import_export.resources import ModelResource
from import_export.widgets import ForeignKeyWidget
from unfold.contrib.import_export.forms import ExportForm, ImportForm
from unfold.widgets import UnfoldAdminTextInputWidget

from studies import access
from studies.admin.recording import needs_reason, record_save, row_facts
from studies.admin.scope import reach
from studies.endpoints import Endpoint
from studies.formula_safety import guarded, unguarded
from studies.imports import ImportRefused
from studies.imports.decoding import decode
from studies.models import Cage, Cohort, Mouse, PatientSample, PdxModel, Study

LARGEST_TABLE_BYTES = 2_000_000
MOST_COLUMNS = 200
MOST_ROWS = 5000


class RecordedImportForm(ImportForm):
    """The file is looked at before it is parsed: its size, that it is text, and how many columns it has."""

    reason = forms.CharField(
        required=False, max_length=2000, widget=UnfoldAdminTextInputWidget,
        help_text="Needed where rows change what a running study has on record.",
    )  # fmt: skip

    def clean_import_file(self):
        file = self.cleaned_data["import_file"]
        if file.size > LARGEST_TABLE_BYTES:
            raise ValidationError("This file is over 2 MB; import it in parts.")
        content = file.read()
        file.seek(0)
        try:
            text, encoding = decode(content)
        except ImportRefused as refused:
            raise ValidationError([str(error) for error in refused.errors]) from None
        if encoding != "UTF-8":
            raise ValidationError(f"This file is {encoding} text; save it as UTF-8.")
        if text.split("\n", 1)[0].count(",") >= MOST_COLUMNS:
            raise ValidationError(f"This file has more than {MOST_COLUMNS} columns.")
        try:
            widths = [len(row) for row in csv.reader(io.StringIO(text, newline=""), strict=True)]
        except csv.Error as error:
            raise ValidationError(f"This file is no table that can be read: {error}.") from None
        if len(widths) > MOST_ROWS or max(widths, default=0) > MOST_COLUMNS:
            raise ValidationError(
                f"At most {MOST_ROWS:,} rows of {MOST_COLUMNS} columns are imported at once."
            )
        return file


class RecordedConfirmForm(ConfirmImportForm):
    reason = forms.CharField(required=False, widget=forms.HiddenInput)


class RecordedResource(ModelResource):
    """Rows that are written, and recorded, as if by hand. A dry run does the same and is rolled back."""

    def __init__(self, request=None, reason: str = "", **kwargs):
        super().__init__(**kwargs)
        self.request, self.reason = request, reason
        self.old: dict[str, Any] | None = None

    def import_data(self, *args, **kwargs):
        """What went wrong in words; where in the program it did is for the log."""
        result = super().import_data(*args, **kwargs)
        for error in [*result.base_errors, *(error for row in result.rows for error in row.errors)]:
            error.traceback = ""
        return result

    def before_import_row(self, row, **kwargs) -> None:
        for name, value in row.items():
            if isinstance(value, str):
                row[name] = unguarded(value.strip())

    def before_save_instance(self, instance, row, **kwargs) -> None:
        stored = type(instance)._base_manager.filter(pk=instance.pk).first() if instance.pk else None
        self.old = row_facts(stored) if stored else None
        if stored and needs_reason(stored) and not self.reason and self.old != row_facts(instance):
            raise ValidationError("This row changes what is on record: give the reason with the file.")

    def after_save_instance(self, instance, row, **kwargs) -> None:
        record_save(self.request, instance, self.old, self.reason)

    def export_field(self, field, instance, **kwargs):
        value = super().export_field(field, instance, **kwargs)
        return guarded(value) if isinstance(value, str) else value


class OfStudy(ForeignKeyWidget):
    """A cage or cohort by its name in the row's own study, where that is one the person writes: of another study
    nobody is told which cages it has.
    """

    def __init__(self, model, field: str):
        super().__init__(model, field)
        self.keys: frozenset[int] = frozenset()

    def get_queryset(self, value, row, *args, **kwargs):
        return self.model.objects.filter(study__code=row.get("study"), study__in=self.keys)

    def clean(self, value, row=None, **kwargs):
        try:
            return super().clean(value, row, **kwargs)
        except self.model.DoesNotExist:
            name = self.model._meta.verbose_name
            raise ValueError(f'study {row.get("study")} has no {name} "{value}"') from None


class WritableStudy(ForeignKeyWidget):
    def __init__(self):
        super().__init__(Study, "code")
        self.keys: frozenset[int] = frozenset()

    def get_queryset(self, value, row, *args, **kwargs):
        return Study.objects.filter(pk__in=self.keys)

    def clean(self, value, row=None, **kwargs):
        try:
            return super().clean(value, row, **kwargs)
        except Study.DoesNotExist:
            raise ValueError(f'"{value}" is no study you set up and that takes changes') from None


class ByCode(ForeignKeyWidget):
    def __init__(self, model):
        super().__init__(model, "code")

    def clean(self, value, row=None, **kwargs):
        try:
            return super().clean(value, row, **kwargs)
        except self.model.DoesNotExist:
            raise ValueError(f'there is no {self.model._meta.verbose_name} "{value}"') from None


class MouseResource(RecordedResource):
    study = Field("study", "study", WritableStudy())
    pdx_model = Field("pdx_model", "pdx_model", ByCode(PdxModel))
    cohort = Field("cohort", "cohort", OfStudy(Cohort, "name"))
    cage = Field("cage", "cage", OfStudy(Cage, "code"))

    class Meta:
        model = Mouse
        import_id_fields = ("study", "label")
        fields = (
            "study", "label", "pdx_model", "cohort", "cage", "ear_tag", "rfid", "sex", "strain", "source",
            "born_on",
        )  # fmt: skip
        export_order = fields
        clean_model_instances = skip_unchanged = report_skipped = True
        use_transactions = True

    def before_import(self, dataset, **kwargs) -> None:
        for name in ("study", "cohort", "cage"):
            self.fields[name].widget.keys = reach(self.request).writable

    def after_save_instance(self, instance, row, **kwargs) -> None:
        super().after_save_instance(instance, row, **kwargs)
        if self.old is None:
            planned = instance.study.planned_pdx_models.filter(pdx_model=instance.pdx_model).first()
            tumor = instance.tumors.create(passage=planned.passage if planned else None)
            record_save(self.request, tumor, None, self.reason)


class PdxModelResource(RecordedResource):
    sample = Field("sample", "sample", ByCode(PatientSample))
    parent = Field("parent", "parent", ByCode(PdxModel))
    map2k4_status = Field(readonly=True)

    class Meta:
        model = PdxModel
        import_id_fields = ("code",)
        fields = (
            "code", "kind", "cancer_type", "sample", "parent", "clone", "map2k4_status", "host_strain",
            "host_source", "engraftment_site", "engraftment_type", "humanization", "tumor_preparation",
            "characterization", "human_origin_check", "standard_of_care_response", "animal_health_status",
            "passage_qa", "note",
        )  # fmt: skip
        export_order = fields
        clean_model_instances = skip_unchanged = report_skipped = True
        use_transactions = True

    def before_export(self, queryset, **kwargs) -> None:
        self.hidden = access.pdx_models_with_hidden_status(self.request.user)

    def dehydrate_map2k4_status(self, model: PdxModel) -> str:
        return "hidden (blinded)" if model.pk in self.hidden else str(model.map2k4_status)


class ExchangeAdmin(ImportExportMixin):
    """Import for who may add rows, export of the rows a reader sees."""

    import_export_change_list_template = "admin/exchange_change_list.html"

    formats = [CSV]
    import_form_class = RecordedImportForm
    confirm_form_class = RecordedConfirmForm
    export_form_class = ExportForm
    skip_admin_log = True
    show_change_form_export = False

    def get_urls(self):
        """Marked as this table's own, as the framework marks its pages, so that their audience is declared."""
        urls = super().get_urls()
        for pattern in urls:
            if not hasattr(pattern.callback, "model_admin"):
                pattern.callback.model_admin = self
        return urls

    def get_import_formats(self):
        return self.formats

    def get_export_formats(self):
        return self.formats

    def has_import_permission(self, request) -> bool:
        return self.has_add_permission(request)

    def has_export_permission(self, request) -> bool:
        return self.has_view_permission(request)

    def get_import_resource_kwargs(self, request, **kwargs):
        form = kwargs.get("form")
        reason = form.cleaned_data.get("reason", "") if form and form.is_valid() else ""
        return {"request": request, "reason": reason.strip()}

    def get_export_resource_kwargs(self, request, **kwargs):
        return {"request": request}

    def get_confirm_form_initial(self, request, import_form):
        initial = super().get_confirm_form_initial(request, import_form)
        return {**initial, "reason": import_form.cleaned_data.get("reason", "")} if import_form else initial

    def endpoint_of(self, url_name: str | None) -> Endpoint | None:
        ways = {
            "import": (self.adders, self.adders),
            "process_import": (None, self.adders),
            "export": (self.readers, self.readers),
        }
        page = (url_name or "").removeprefix(f"{self.opts.app_label}_{self.opts.model_name}_")
        if page in ways:
            return Endpoint(*ways[page], self.blinded_safe, shared=True)
        return super().endpoint_of(url_name)
