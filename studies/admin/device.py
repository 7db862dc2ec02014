"""Calipers, balances and readers by the code on them; R26 refuses what a retired one reads."""

from django.contrib import admin

from studies.admin.scope import RegistryAdmin
from studies.models import Device


@admin.register(Device)
class DeviceAdmin(RegistryAdmin):
    list_display = ("code", "kind", "calibration_due_on", "retired_on")
    list_filter = ("kind",)
    search_fields = ("code",)
    fields = (("code", "kind"), ("calibration_due_on", "retired_on"), "change_reason")

    def get_readonly_fields(self, request, obj=None):
        """Readings name a device by its code."""
        return (*super().get_readonly_fields(request, obj), *(("code",) if obj else ()))
