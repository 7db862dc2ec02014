"""The audit trail, sign-in locks and second factors."""

from allauth.mfa.models import Authenticator
from axes.models import AccessAttempt
from django.contrib import admin
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from unfold.admin import ModelAdmin

from studies import access
from studies.actions.audit import INSTALLATION, record_event
from studies.actions.sign import FAILURE_LIMIT, lift_signing_lock
from studies.admin.endpoints import ADMINISTRATORS, STAFF, Declared
from studies.admin.scope import ReadOnlyAdmin, reach
from studies.models import AuditEvent, Job, SigningFailures
from studies.terms import Role

INSTALLATION_READERS = frozenset({Role.QUALITY_ASSURANCE})


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    readers = STAFF
    list_display = (
        "happened_at",
        "actor_name",
        "actor_role",
        "action",
        "object_type",
        "object_id",
        "study",
        "reason",
    )
    list_display_links = ("happened_at",)
    exclude = ("rows",)
    list_filter = (("study", admin.RelatedOnlyFieldListFilter), "action", "object_type")
    search_fields = ("actor_name", "object_id", "reason")
    list_select_related = ("study",)
    ordering = ("-happened_at", "-pk")
    show_full_result_count = False
    list_per_page = 50

    def lookup_allowed(self, lookup, value, request=None) -> bool:
        return lookup == "object_id" or super().lookup_allowed(lookup, value, request)

    def get_queryset(self, request) -> QuerySet[AuditEvent]:
        return AuditEvent.objects.filter(visible_events(request)).order_by(*self.ordering)

    def has_view_permission(self, request, obj=None) -> bool:
        if obj is None:
            return request.user.is_superuser or bool(self.readable(request))
        return self.get_queryset(request).filter(pk=obj.pk).exists()


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    """Long work and how it stands, of the reader's studies; the list tells administrators of all studies' jobs. What
    came of one is on the study's own page: its words may name an arm.
    """

    readers = STAFF
    list_display = ("asked_at", "study", "kind", "view", "state", "step", "percent", "attempts", "worker")
    list_filter = ("state", "kind", "view")
    list_select_related = ("study",)
    fields = (
        "study", "kind", "view", "asked_by", "asked_at", "state", "step", "percent", "wants_cancel", "attempts",
        "worker", "finished_at",
    )  # fmt: skip

    def get_queryset(self, request) -> QuerySet[Job]:
        if request.user.is_superuser:
            return Job.objects.all()
        return super().get_queryset(request)

    def has_view_permission(self, request, obj=None) -> bool:
        if request.user.is_active and request.user.is_superuser:
            return obj is None or access.studies_of(request.user).filter(pk=obj.study_id).exists()
        return super().has_view_permission(request, obj)


def visible_events(request) -> Q:
    """Events of the user's studies, those that may name an arm only where it is known; the installation's."""
    user, reached = request.user, reach(request)
    known = Q(study__in=reached.with_known_arms)
    tame = Q(object_type__in=access.NEVER_NAME_AN_ARM) & ~Q(chain__startswith="allocation:")
    visible = Q(study__in=reached.readable) & (known | tame)
    if user.is_superuser or access.studies_of(user, INSTALLATION_READERS).exists():
        visible |= Q(chain=INSTALLATION)
    return visible


class RemovableAdmin(Declared, ModelAdmin):
    """Rows of the sign-in packages: looked at and removed by administrators, each removal recorded."""

    readers = removers = ADMINISTRATORS
    shared = True
    removal = ""
    actions = None

    def has_module_permission(self, request) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request, obj=None) -> bool:
        return request.user.is_active and request.user.is_superuser

    def has_add_permission(self, request) -> bool:
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        return False

    def has_delete_permission(self, request, obj=None) -> bool:
        return self.has_view_permission(request)

    def delete_model(self, request, obj) -> None:
        old, key = {"user": self.whose(obj)}, obj.pk
        with transaction.atomic():
            obj.delete()
            obj.pk = key  # which the event names
            record_event(
                self.removal,
                obj,
                actor=request.user,
                at=timezone.now(),
                chain=INSTALLATION,
                old=old,
            )

    def log_deletions(self, request, queryset):
        return None

    def whose(self, obj) -> str:
        raise NotImplementedError


@admin.register(AccessAttempt)
class SignInLockAdmin(RemovableAdmin):
    """Failed sign-ins; removing one lifts the lock."""

    removal = "sign-in lock lifted"
    list_display = ("attempt_time", "username", "ip_address", "failures_since_start")
    search_fields = ("username", "ip_address")
    fields = ("attempt_time", "username", "ip_address", "user_agent", "failures_since_start")

    def whose(self, obj: AccessAttempt) -> str:
        return obj.username or ""


@admin.register(Authenticator)
class SecondFactorAdmin(RemovableAdmin):
    """Enrolled second factors, never their secrets; removing one lets its owner enroll again."""

    removal = "second factor removed"
    list_display = ("user", "type", "created_at", "last_used_at")
    list_filter = ("type",)
    search_fields = ("user__username",)
    list_select_related = ("user",)
    fields = ("user", "type", "created_at", "last_used_at")

    def whose(self, obj: Authenticator) -> str:
        return obj.user.username


@admin.register(SigningFailures)
class SigningLockAdmin(ReadOnlyAdmin):
    """Who failed to sign, how often in a row; at five, signing is locked until it is lifted here."""

    readers = ADMINISTRATORS
    list_display = ("user", "count", "is_locked", "last_at")
    search_fields = ("user__username",)
    list_select_related = ("user",)
    fields = ("user", "count", "last_at")
    actions = ("lift",)
    shared = True

    def get_queryset(self, request):
        return SigningFailures.objects.filter(count__gt=0)

    def has_module_permission(self, request) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request, obj=None) -> bool:
        return request.user.is_active and request.user.is_superuser

    @admin.display(description="locked", boolean=True)
    def is_locked(self, failures: SigningFailures) -> bool:
        return failures.count >= FAILURE_LIMIT

    @admin.action(description="Lift the lock, having made sure who tried")
    def lift(self, request, queryset) -> None:
        for failures in queryset:
            lift_signing_lock(failures, request.user, timezone.now())
        self.message_user(request, "They can sign again.")
