"""Set up a study: protocol, limits, plan, expected signs, cohorts."""

from django import forms
from django.contrib import admin
from django.db.models import Max
from django.utils import timezone

from studies.actions.set_up import CRITERIA_FIELDS
from studies.admin.endpoints import ADMINISTRATORS, DIRECTORS
from studies.admin.recording import ReasonedForm, record_save
from studies.admin.scope import BlocksInline, RowsInline, ScienceAdmin, forget_reach, reach
from studies.models import (
    Allocation,
    AnalysisPlan,
    Cohort,
    EntryLimits,
    ExpectedSignDeclaration,
    Measurement,
    Study,
    StudyMembership,
    StudyPdxModel,
    User,
    WelfareLimits,
)
from studies.terms import Role, StudyState
from studies.validation import Limits, LimitsRefused, with_overrides


class VersionForm(forms.ModelForm):
    """A further version: its number follows the last one's, and it says why it holds."""

    def save(self, commit=True):
        if self.instance.pk is None:
            # Of two who save at once, the second waits here and then counts the first one's version.
            Study.objects.select_for_update().get(pk=self.instance.study_id)
            stored = type(self.instance).objects.filter(study=self.instance.study_id)
            self.instance.version = (stored.aggregate(last=Max("version"))["last"] or 0) + 1
        return super().save(commit)


class VersionInline(BlocksInline):
    """Versions are added, never changed: what held on a day can always be told."""

    form = VersionForm
    readonly_fields = ("version",)
    max_num = None

    def has_change_permission(self, request, obj=None) -> bool:
        return False

    def has_add_permission(self, request, obj=None) -> bool:
        """In a draft; of a study under way, limits and plan change by a signed amendment."""
        is_draft = obj is None or obj.state == StudyState.DRAFT
        return is_draft and super().has_add_permission(request, obj)


class PlannedPdxModelInline(RowsInline):
    """What the study is about before there are mice; set in the guide, shown here."""

    model = StudyPdxModel
    fields = ("pdx_model", "passage", "is_withdrawn")

    def has_add_permission(self, request, obj=None) -> bool:
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        return False


class WelfareLimitsInline(VersionInline):
    model = WelfareLimits


class EntryLimitsForm(VersionForm):
    """A study's own limits of the measurement rules, by name; a name that is no limit is refused."""

    set_by: User

    class Meta:
        model = EntryLimits
        fields = ("overrides", "reason")
        help_texts = {
            "overrides": 'Such as {"length_high_mm": "20"}; docs/measurement-rules.md names the rules.'
        }

    def clean_overrides(self):
        told = self.cleaned_data["overrides"] or {}
        try:
            if not isinstance(told, dict):
                raise LimitsRefused("name each limit with its value")
            with_overrides(Limits(), told, "new")
        except LimitsRefused as refused:
            raise forms.ValidationError(str(refused)) from refused
        return told

    def save(self, commit=True):
        self.instance.set_at, self.instance.set_by = timezone.now(), self.set_by
        return super().save(commit)


class EntryLimitsInline(VersionInline):
    """Limits decide which values ask a question, not what is measured: a running study may add a version."""

    model = EntryLimits
    form = EntryLimitsForm
    fields = ("version", "overrides", "reason")

    def get_formset(self, request, obj=None, **kwargs):
        formset = super().get_formset(request, obj, **kwargs)
        formset.form.set_by = request.user
        return formset

    def has_add_permission(self, request, obj=None) -> bool:
        return BlocksInline.has_add_permission(self, request, obj)


class AnalysisPlanInline(VersionInline):
    """A plan names arms, so it is shown where arms may be read."""

    model = AnalysisPlan
    fields = ("version", "plan", "reason")

    def has_view_permission(self, request, obj=None) -> bool:
        return super().has_view_permission(request, obj) and knows_arms(request, obj)

    def has_add_permission(self, request, obj=None) -> bool:
        return super().has_add_permission(request, obj) and knows_arms(request, obj)


class ExpectedSignInline(RowsInline):
    model = ExpectedSignDeclaration
    autocomplete_fields = ("agent",)


class CohortInline(RowsInline):
    """Day 0 brings sessions with it and stays once a dose is on record: it is set on the study's page of sessions."""

    model = Cohort
    readonly_fields = ("day0",)


class StudyForm(ReasonedForm):
    class Meta:
        model = Study
        fields = "__all__"
        widgets = {}


@admin.register(Study)
class StudyAdmin(ScienceAdmin):
    form = StudyForm
    adders = DIRECTORS | ADMINISTRATORS
    study_path = "pk"
    list_display = ("code", "title", "state", "blinded", "origin", "director")
    list_filter = ("state", "origin")
    search_fields = ("code", "title", "protocol_number")
    list_select_related = ("director",)
    readonly_fields = ("state", "origin")
    fixed_fields = ("code",)
    inlines = (
        PlannedPdxModelInline,
        WelfareLimitsInline,
        EntryLimitsInline,
        CohortInline,
        ExpectedSignInline,
        AnalysisPlanInline,
    )
    fieldsets = (
        (None, {"fields": (("code", "title"), ("protocol_number", "director"), ("state", "origin"))}),
        ("Question", {"classes": ["tab"], "fields": ("biomarker", "is_blinded")}),
        (
            "Measuring",
            {
                "classes": ["tab"],
                "fields": (
                    "volume_formula",
                    "tumor_rule",
                    "lod_mm3",
                    "day0_rule",
                    ("enrollment_min_mm3", "enrollment_max_mm3", "enrollment_min_weight_g"),
                    "schedule_days",
                    "time_zone",
                ),
            },
        ),
    )

    @admin.display(description="blinded", boolean=True)
    def blinded(self, study: Study) -> bool:
        return not study.arms_are_open

    def get_readonly_fields(self, request, obj=None):
        fields = list(super().get_readonly_fields(request, obj))
        if obj and Allocation.objects.filter(arm__study=obj).exists():
            fields.append("is_blinded")
        if obj and obj.state != StudyState.DRAFT:
            # Unticking "blinded" would unblind a running study; that is a signed act of its own.
            # What else activation signed changes by a signed amendment, or not at all.
            fields += ["is_blinded", "biomarker", "time_zone", *CRITERIA_FIELDS]
        elif obj and Measurement.objects.filter(session__study=obj).exists():
            fields.append("volume_formula")
        return fields

    def has_add_permission(self, request) -> bool:
        return request.user.is_superuser or bool(reach(request).directed)

    def formfield_for_foreignkey(self, db_field, request, **kwargs):
        if db_field.name == "director":
            kwargs["queryset"] = User.objects.filter(is_active=True).order_by("full_name", "username")
            kwargs.setdefault("initial", request.user.pk)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request, obj, form, change) -> None:
        """A new study's director becomes its first member, else nobody could open it."""
        super().save_model(request, obj, form, change)
        if not change:
            first = StudyMembership.objects.create(
                study=obj, user=obj.director or request.user, role=Role.STUDY_DIRECTOR
            )
            record_save(request, first, None, "")
            forget_reach(request)


def knows_arms(request, study: Study | None) -> bool:
    """Whether the arms of `study` may be read by name; of a study not yet made, there are none to hide."""
    return study is None or study.pk in reach(request).with_known_arms
