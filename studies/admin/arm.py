"""Arms and agents. Arms show only where their names may be read: see access.studies_with_known_arms."""

from django.contrib import admin

from studies import access
from studies.admin.scope import RegistryAdmin, RowsInline, ScienceAdmin, writable_studies
from studies.models import Agent, Arm, ArmAgent


class ArmAgentInline(RowsInline):
    model = ArmAgent
    autocomplete_fields = ("agent",)
    tab = False


@admin.register(Arm)
class ArmAdmin(ScienceAdmin):
    list_display = ("name", "study", "role", "given", "control", "planned_mice")
    list_filter = (("study", admin.RelatedOnlyFieldListFilter), "role")
    search_fields = ("name", "study__code")
    list_select_related = ("study", "control")
    autocomplete_fields = ("control",)
    inlines = (ArmAgentInline,)
    fields = ("study", "name", "role", "position", "control", "planned_mice")

    def readable(self, request):
        return access.studies_with_known_arms(request.user)

    def get_queryset(self, request):
        return super().get_queryset(request).prefetch_related("arm_agents__agent")

    def has_add_permission(self, request) -> bool:
        return self._open_to_change(request).exists()

    def has_change_permission(self, request, obj=None) -> bool:
        """Never once mice are allocated: the arm they were given would change under them."""
        studies = self._open_to_change(request)
        return studies.exists() if obj is None else studies.filter(pk=obj.study_id).exists()

    def formfield_for_foreignkey(self, db_field, request, **kwargs):
        if db_field.name == "study":
            kwargs["queryset"] = self._open_to_change(request)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def _open_to_change(self, request):
        known = access.studies_with_known_arms(request.user)
        return writable_studies(request.user).filter(pk__in=known.values("pk"), arms__allocations=None)

    @admin.display(description="agents")
    def given(self, arm: Arm) -> str:
        return " + ".join(str(given) for given in arm.arm_agents.all()) or "–"


@admin.register(Agent)
class AgentAdmin(RegistryAdmin):
    list_display = ("name", "target", "supplier")
    list_filter = ("target",)
    search_fields = ("name", "target")

    def has_view_permission(self, request, obj=None) -> bool:
        return request.user.is_superuser or super().has_view_permission(request, obj)

    def has_add_permission(self, request) -> bool:
        return request.user.is_superuser or super().has_add_permission(request)
