"""Users and their parts in studies, looked after by administrators: who works here, not what they found."""

from datetime import timedelta

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db import transaction
from django.forms.models import BaseInlineFormSet
from django.utils import timezone
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from studies.actions.audit import INSTALLATION, record_event
from studies.actions.own_sessions import end_sessions
from studies.admin.endpoints import ADMINISTRATORS
from studies.admin.recording import RecordedAdmin
from studies.admin.scope import RowsInline
from studies.models import Study, StudyMembership, User
from studies.wording import noun

FIRST_PASSWORD_LASTS = timedelta(days=7)


class AdministratorsOnly(RecordedAdmin):
    readers = writers = adders = ADMINISTRATORS
    shared = True

    def has_module_permission(self, request) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request, obj=None) -> bool:
        return request.user.is_active and request.user.is_superuser

    def has_add_permission(self, request) -> bool:
        return self.has_view_permission(request)

    def has_change_permission(self, request, obj=None) -> bool:
        return self.has_view_permission(request)


class RoleForm(forms.ModelForm):
    """A role given is not rewritten into another one; it ends, and a new one is given."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            for name in ("study", "role"):
                self.fields[name].disabled = True


class RolesInline(RowsInline):
    model = StudyMembership
    form = RoleForm
    formset = BaseInlineFormSet
    fields = ("study", "role", "is_active")
    verbose_name, verbose_name_plural = "role in a study", "roles in studies"

    def formfield_for_foreignkey(self, db_field, request, **kwargs):
        if db_field.name == "study":
            kwargs["queryset"] = Study.objects.order_by("code")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


@admin.register(User)
class UserAdmin(AdministratorsOnly, DjangoUserAdmin):
    """Deactivated, never deleted: a name stays on what was recorded."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    asks_reason = False
    list_display = ("username", "full_name", "is_active", "is_staff", "is_superuser", "last_login")
    list_filter = ("is_active", "is_staff", "is_superuser")
    search_fields = ("username", "full_name")
    ordering = ("username",)
    readonly_fields = ("last_login", "date_joined")
    filter_horizontal = ()
    inlines = (RolesInline,)
    actions = ("sign_out",)
    fieldsets = (
        (None, {"fields": ("username", "password", "full_name", "email")}),
        (
            "May",
            {
                "fields": ("is_active", "may_begin_studies", "is_staff", "is_superuser"),
                "description": "Roles in studies stand on the next tab. "
                "Being an administrator opens no study's data.",
            },
        ),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (None, {"classes": ["wide"], "fields": ("username", "full_name", "email", "password1", "password2")}),
    )

    def get_inlines(self, request, obj):
        return self.inlines if obj else ()  # an account is made first, then its roles are given

    @admin.action(description="Sign out everywhere")
    def sign_out(self, request, queryset) -> None:
        ended = sum(end_sessions(user, actor=request.user, at=timezone.now()) for user in queryset)
        self.message_user(request, f"{ended} {noun(ended, 'session')} ended.")

    def save_model(self, request, obj, form, change) -> None:
        if not change:
            obj.first_password_until = timezone.now() + FIRST_PASSWORD_LASTS
        super().save_model(request, obj, form, change)

    def user_change_password(self, request, id, form_url=""):
        """A password set by an administrator is an event of its own, in the same transaction."""
        with transaction.atomic():
            response = super().user_change_password(request, id, form_url)
            user = self.get_object(request, id)
            if request.method == "POST" and response.status_code == 302:
                if user != request.user:
                    user.first_password_until = timezone.now() + FIRST_PASSWORD_LASTS
                    user.save(update_fields=["first_password_until"])
                record_event("password set", user, actor=request.user, at=timezone.now(), chain=INSTALLATION)
        return response


@admin.register(StudyMembership)
class StudyMembershipAdmin(AdministratorsOnly):
    list_display = ("user", "study", "role", "is_active")
    list_filter = ("role", "is_active", ("study", admin.RelatedOnlyFieldListFilter))
    search_fields = ("user__username", "user__full_name", "study__code")
    list_select_related = ("user", "study")
    autocomplete_fields = ("user",)
    fields = ("study", "user", "role", "is_active")

    def get_readonly_fields(self, request, obj=None):
        return ("study", "user", "role") if obj else ()

    def formfield_for_foreignkey(self, db_field, request, **kwargs):
        if db_field.name == "study":  # by code only; an administrator sees no more of a study than that
            kwargs["queryset"] = Study.objects.order_by("code")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)
