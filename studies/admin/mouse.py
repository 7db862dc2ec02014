"""Mice and cages. Nothing here knows an arm."""

from django.contrib import admin

from studies.admin.exchange import ExchangeAdmin, MouseResource
from studies.admin.scope import RowsInline, ScienceAdmin
from studies.models import Cage, CageMove, Cohort, Exclusion, Exit, Mouse, Tumor


class TumorInline(RowsInline):
    model = Tumor
    fields = ("number", "site", "passage", "implanted_on")
    autocomplete_fields = ()


class CageMoveInline(RowsInline):
    model = CageMove
    fk_name = "mouse"


class ExitInline(RowsInline):
    model = Exit


class ExclusionInline(RowsInline):
    model = Exclusion


@admin.register(Mouse)
class MouseAdmin(ExchangeAdmin, ScienceAdmin):
    resource_classes = (MouseResource,)
    list_display = ("label", "study", "of_pdx_model", "cohort", "cage", "ear_tag", "sex")
    list_filter = (
        ("study", admin.RelatedOnlyFieldListFilter),
        ("pdx_model", admin.RelatedOnlyFieldListFilter),
        "sex",
    )
    search_fields = ("label", "ear_tag", "rfid", "cage__code", "pdx_model__code", "source_id")
    list_select_related = ("study", "pdx_model", "cohort", "cage")
    list_per_page = 50
    autocomplete_fields = ("pdx_model", "cohort", "cage")
    inlines = (TumorInline, CageMoveInline, ExitInline, ExclusionInline)
    fieldsets = (
        (None, {"fields": (("study", "label"), ("pdx_model", "cohort"), ("cage", "ear_tag"), "rfid")}),
        ("Animal", {"classes": ["tab"], "fields": (("sex", "strain"), ("source", "born_on"), "enrolled_on")}),
        ("Import", {"classes": ["tab"], "fields": (("source_id", "source_study"),)}),
    )
    readonly_fields = ("source_id", "source_study")

    @admin.display(description="PDX model", ordering="pdx_model__code")
    def of_pdx_model(self, mouse: Mouse) -> str:
        return mouse.pdx_model.code


@admin.register(Cage)
class CageAdmin(ScienceAdmin):
    list_display = ("code", "study", "room", "rack")
    list_filter = (("study", admin.RelatedOnlyFieldListFilter), "room")
    search_fields = ("code", "room", "rack", "study__code")
    list_select_related = ("study",)


@admin.register(Cohort)
class CohortAdmin(ScienceAdmin):
    readonly_fields = ("day0",)  # set on the study's page of sessions, with what hangs on it
    list_display = ("name", "study", "kind", "day0")
    list_filter = (("study", admin.RelatedOnlyFieldListFilter), "kind")
    search_fields = ("name", "study__code")
    list_select_related = ("study",)
