"""The PDX model registry: tumor lines, their genotype calls and passages, and the coded donors."""

from django.contrib import admin

from studies import access
from studies.admin.exchange import ExchangeAdmin, PdxModelResource
from studies.admin.scope import RegistryAdmin, RowsInline
from studies.models import GenotypeCall, Passage, Patient, PatientSample, PdxModel, StatusOverrule


class OfGenotype(RowsInline):
    """Rows that tell a biomarker status: gone for whoever is blinded in a study using the PDX model."""

    def has_view_permission(self, request, obj=None) -> bool:
        return super().has_view_permission(request, obj) and not _hides_status(request, obj)

    def has_change_permission(self, request, obj=None) -> bool:
        return super().has_change_permission(request, obj) and not _hides_status(request, obj)

    def has_add_permission(self, request, obj=None) -> bool:
        return super().has_add_permission(request, obj) and not _hides_status(request, obj)


class GenotypeCallInline(OfGenotype):
    model = GenotypeCall
    fields = ("gene", "functional_class", "variant", "assay", "passage_tested", "called_on")

    def formfield_for_foreignkey(self, db_field, request, **kwargs):
        if db_field.name == "passage_tested":
            key = request.resolver_match.kwargs.get("object_id")
            own = Passage.objects.filter(pdx_model=key) if key else Passage.objects.none()
            kwargs["queryset"] = own
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


class StatusOverruleInline(OfGenotype):
    model = StatusOverrule


class PassageInline(RowsInline):
    model = Passage
    fields = ("number", "label", "fragment", "passaged_on")


@admin.register(PdxModel)
class PdxModelAdmin(ExchangeAdmin, RegistryAdmin):
    resource_classes = (PdxModelResource,)
    list_filter = ("kind", "cancer_type")
    search_fields = ("code", "cancer_type", "sample__code")
    list_select_related = ("parent",)
    autocomplete_fields = ("sample", "parent")
    inlines = (GenotypeCallInline, StatusOverruleInline, PassageInline)
    fieldsets = (
        (None, {"fields": (("code", "kind"), ("cancer_type", "sample"))}),
        ("Lineage", {"classes": ["tab"], "fields": ("parent", "clone")}),
        (
            "Engraftment",
            {
                "classes": ["tab"],
                "fields": (
                    ("host_strain", "host_source"),
                    ("engraftment_site", "engraftment_type"),
                    ("humanization", "tumor_preparation"),
                ),
            },
        ),
        (
            "Quality",
            {
                "classes": ["tab"],
                "fields": (
                    ("characterization", "human_origin_check"),
                    ("passage_qa", "animal_health_status"),
                    "standard_of_care_response",
                ),
            },
        ),
        ("Note", {"classes": ["tab"], "fields": ("note",)}),
    )  # fmt: skip

    def get_queryset(self, request):
        return super().get_queryset(request).prefetch_related("genotype_calls", "status_overrules")

    def get_list_display(self, request):
        hidden = _hidden(request)

        @admin.display(description="MAP2K4")
        def map2k4(model: PdxModel) -> str:
            return "hidden (blinded)" if model.pk in hidden else model.map2k4_status.label

        return ["code", "cancer_type", "kind", map2k4, "parent"]


class SampleInline(RowsInline):
    model = PatientSample
    fields = ("code", "tumor_type", "diagnosis", "primary_site", "collection_site")
    tab = False


@admin.register(Patient)
class PatientAdmin(RegistryAdmin):
    list_display = ("code", "diagnosis", "sex", "age_at_diagnosis_years")
    search_fields = ("code", "diagnosis")
    inlines = (SampleInline,)


@admin.register(PatientSample)
class PatientSampleAdmin(RegistryAdmin):
    list_display = ("code", "patient", "tumor_type", "primary_site")
    list_filter = ("tumor_type",)
    search_fields = ("code", "patient__code", "diagnosis")
    list_select_related = ("patient",)
    autocomplete_fields = ("patient",)


def _hidden(request) -> frozenset[int]:
    if not hasattr(request, "hidden_pdx_models"):
        request.hidden_pdx_models = access.pdx_models_with_hidden_status(request.user)
    return request.hidden_pdx_models


def _hides_status(request, model: PdxModel | None) -> bool:
    return model is not None and model.pk in _hidden(request)
