"""Sessions, readings and imports, to look at: readings are written at the cage or by an import."""

from django.contrib import admin

from studies.admin.scope import ReadOnlyAdmin
from studies.models import ImportBatch, Measurement, MeasurementSession


@admin.register(MeasurementSession)
class MeasurementSessionAdmin(ReadOnlyAdmin):
    list_display = ("study", "cohort", "study_day", "due_on", "is_baseline", "completed_at")
    list_filter = (("study", admin.RelatedOnlyFieldListFilter), "is_baseline")
    search_fields = ("study__code",)
    list_select_related = ("study", "cohort")


@admin.register(Measurement)
class MeasurementAdmin(ReadOnlyAdmin):
    study_path = "session__study"
    list_display = (
        "mouse",
        "session",
        "tumor_number",
        "revision",
        "status",
        "length_mm",
        "width_mm",
        "reported_volume_mm3",
        "weight_g",
        "is_void",
    )
    list_filter = (("session__study", admin.RelatedOnlyFieldListFilter), "status", "is_void")
    search_fields = ("mouse__label",)
    list_select_related = ("mouse", "session__study")
    ordering = ("-pk",)
    show_full_result_count = False
    list_per_page = 50


@admin.register(ImportBatch)
class ImportBatchAdmin(ReadOnlyAdmin):
    list_display = ("file_name", "study", "row_count", "imported_at", "imported_by")
    list_filter = (("study", admin.RelatedOnlyFieldListFilter),)
    search_fields = ("file_name", "study__code")
    list_select_related = ("study", "imported_by")
