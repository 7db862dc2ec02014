"""Arms and agents. Arms show only where their names may be read: see access.studies_with_known_arms."""

from django.contrib import admin
from django.db.models import Exists, OuterRef

from studies.admin.endpoints import ADMINISTRATORS, DIRECTORS, STAFF
from studies.admin.scope import RegistryAdmin, RowsInline, ScienceAdmin, reach
from studies.models import Agent, Allocation, Arm, ArmAgent, Study


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
        return reach(request).with_known_arms

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
        """Studies the person writes, knows the arms of, and in which no mouse is allocated yet."""
        reached = reach(request)
        empty = ~Exists(Allocation.objects.filter(arm__study=OuterRef("pk")))
        return Study.objects.filter(empty, pk__in=reached.writable & reached.with_known_arms)

    @admin.display(description="agents")
    def given(self, arm: Arm) -> str:
        return " + ".join(str(given) for given in arm.arm_agents.all()) or "–"


@admin.register(Agent)
class AgentAdmin(RegistryAdmin):
    readers, writers, adders = STAFF, DIRECTORS | ADMINISTRATORS, DIRECTORS | ADMINISTRATORS
    list_display = ("name", "target", "supplier")
    list_filter = ("target",)
    search_fields = ("name", "target")

    def has_view_permission(self, request, obj=None) -> bool:
        return request.user.is_superuser or super().has_view_permission(request, obj)

    def has_add_permission(self, request) -> bool:
        return request.user.is_superuser or super().has_add_permission(request)
