"""A study: its protocol, limits, plan and state."""

from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import PROTECT, F, Q

from studies.terms import ExpectedSign, StudyOrigin, StudyState
from studies.volumes import DEFAULT_FORMULA, FORMULAS

from .pdx_model import DEFAULT_GENE


def known_time_zone(name: str) -> None:
    if name not in available_timezones():
        raise ValidationError(f"{name} is no time zone of the tz database, such as Europe/Amsterdam.")


def schedule_of_days(days: object) -> None:
    if not isinstance(days, list) or not all(type(day) is int for day in days):
        raise ValidationError("A schedule is a list of study days, such as [0, 3, 7, 10].")
    if len(set(days)) != len(days):
        raise ValidationError("A study day stands in the schedule twice.")


class Study(models.Model):
    """One in-vivo efficacy study. Days count from the first dose, which is day 0."""

    class Day0Rule(models.TextChoices):
        FIRST_DOSE = "first_dose", "first dose"
        RANDOMIZATION = "randomization", "randomization"
        IMPLANTATION = "implantation", "implantation"

    class TumorRule(models.TextChoices):
        SUM = "sum", "sum of all tumors of the mouse"
        INDEX = "index", "the index tumor (number 1) alone"

    code = models.CharField(max_length=60, unique=True, help_text="Short and stable, such as PDX-MEK-02.")
    title = models.CharField(max_length=200)
    protocol_number = models.CharField(max_length=60, blank=True)
    director = models.ForeignKey("User", PROTECT, null=True, blank=True, related_name="directed_studies")
    origin = models.CharField(max_length=10, choices=StudyOrigin.choices(), default=StudyOrigin.LIVE)
    state = models.CharField(max_length=12, choices=StudyState.choices(), default=StudyState.DRAFT)
    is_blinded = models.BooleanField("blinded", default=True)
    biomarker = models.CharField(
        "biomarker of interest",
        max_length=30,
        default=DEFAULT_GENE,
        help_text="The gene arms are compared by.",
    )
    volume_formula = models.CharField(
        max_length=12,
        choices=[(formula.id, formula.name) for formula in FORMULAS.values()],
        default=DEFAULT_FORMULA,
        help_text="Cannot change once the study holds a measurement.",
    )
    tumor_rule = models.CharField(
        "several tumors", max_length=6, choices=TumorRule.choices, default=TumorRule.SUM
    )
    lod_mm3 = models.FloatField("limit of detection (mm³)", default=13.5, help_text="3 x 3 mm is 13.5 mm³.")
    day0_rule = models.CharField(
        "day 0 is", max_length=14, choices=Day0Rule.choices, default=Day0Rule.FIRST_DOSE
    )
    enrollment_min_mm3 = models.FloatField("enroll from (mm³)", default=100)
    enrollment_max_mm3 = models.FloatField("enroll up to (mm³)", default=200)
    enrollment_min_weight_g = models.FloatField(
        "enroll from (g body weight)", default=17, null=True, blank=True, help_text="Blank for no floor."
    )
    schedule_days = models.JSONField(
        "measurement days", default=list, blank=True, validators=[schedule_of_days],
        help_text="Study days on which every mouse is measured, such as [0, 3, 7, 10, 14].",
    )  # fmt: skip
    time_zone = models.CharField(max_length=64, default="UTC", validators=[known_time_zone])

    class Meta:
        verbose_name_plural = "studies"
        ordering = ["code"]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=StudyState.values()), name="study_state_known"),
            models.CheckConstraint(condition=Q(origin__in=StudyOrigin.values()), name="study_origin_known"),
            models.CheckConstraint(
                condition=Q(volume_formula__in=list(FORMULAS)), name="study_formula_known"
            ),
            models.CheckConstraint(
                condition=Q(enrollment_min_mm3__gte=0) & Q(enrollment_min_mm3__lt=F("enrollment_max_mm3")),
                name="study_enrollment_window_ordered",
                violation_error_message="The enrollment window starts below its end.",
            ),
            models.CheckConstraint(
                condition=Q(enrollment_min_weight_g__isnull=True) | Q(enrollment_min_weight_g__gt=0),
                name="study_weight_floor_positive",
            ),
            models.CheckConstraint(condition=Q(lod_mm3__gte=0), name="study_lod_not_negative"),
        ]

    def __str__(self) -> str:
        return self.code

    def clean(self) -> None:
        if not self.code.isprintable():
            raise ValidationError(
                {"code": "A code stands in addresses, so it holds no line break or hidden mark."}
            )

    @property
    def arms_are_open(self) -> bool:
        """Whether arms may be shown by name to those entitled: an open study, or one unblinded."""
        return not self.is_blinded or self.state in (StudyState.UNBLINDED, StudyState.ARCHIVED)

    @property
    def accepts_data(self) -> bool:
        return self.state in (StudyState.DRAFT, StudyState.ACTIVE)


class WelfareLimits(models.Model):
    """One version of a study's humane limits; the highest version holds."""

    study = models.ForeignKey(Study, PROTECT, related_name="welfare_limits")
    version = models.PositiveSmallIntegerField(default=1)
    volume_cap_mm3 = models.FloatField("tumor volume cap (mm³)", default=2000)
    diameter_cap_mm = models.FloatField("longest diameter cap (mm)", default=20)
    burden_cap_percent = models.FloatField("tumor burden cap (% of body weight)", default=10)
    weight_loss_warning_percent = models.FloatField("weight loss warning (%)", default=15)
    weight_loss_limit_percent = models.FloatField("weight loss limit (%)", default=20)
    sign_score_cap = models.FloatField("clinical sign score cap", default=5)
    body_condition_floor = models.FloatField("lowest body condition score", default=2)
    amber_fraction = models.FloatField("amber at this fraction of a cap", default=0.8)
    reason = models.TextField(max_length=2000, help_text="Why these limits hold from this version on.")

    class Meta:
        verbose_name_plural = "welfare limits"
        ordering = ["study", "version"]
        constraints = [
            models.UniqueConstraint(fields=["study", "version"], name="limits_version_once"),
            models.CheckConstraint(
                condition=Q(volume_cap_mm3__gt=0) & Q(diameter_cap_mm__gt=0) & Q(burden_cap_percent__gt=0),
                name="limits_caps_positive",
            ),
            models.CheckConstraint(condition=Q(sign_score_cap__gt=0), name="limits_score_cap_positive"),
            models.CheckConstraint(
                condition=Q(weight_loss_warning_percent__gt=0)
                & Q(weight_loss_warning_percent__lte=F("weight_loss_limit_percent"))
                & Q(weight_loss_limit_percent__lt=100),
                name="limits_warning_before_limit",
                violation_error_message="The weight loss warning comes before the limit.",
            ),
            models.CheckConstraint(
                condition=Q(amber_fraction__gt=0) & Q(amber_fraction__lt=1), name="limits_amber_below_one"
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="limits_have_a_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.study} limits, version {self.version}"


class AnalysisPlan(models.Model):
    """One version of the pre-specified analysis; keys are those of `studies.analysis.analyze_study`."""

    study = models.ForeignKey(Study, PROTECT, related_name="analysis_plans")
    version = models.PositiveSmallIntegerField(default=1)
    plan = models.JSONField(default=dict, blank=True)
    reason = models.TextField(max_length=2000)
    locked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "analysis plan"
        ordering = ["study", "version"]
        constraints = [
            models.UniqueConstraint(fields=["study", "version"], name="plan_version_once"),
            models.CheckConstraint(condition=~Q(reason=""), name="plan_has_a_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.study} analysis plan, version {self.version}"


class ExpectedSignDeclaration(models.Model):
    """Which stratum an agent is expected, before any data, to slow more in this study."""

    study = models.ForeignKey(Study, PROTECT, related_name="expected_signs")
    agent = models.ForeignKey("Agent", PROTECT, related_name="expected_signs")
    expected_sign = models.CharField(max_length=32, choices=ExpectedSign.choices())

    class Meta:
        verbose_name = "expected sign"
        constraints = [
            models.UniqueConstraint(fields=["study", "agent"], name="one_expected_sign_per_agent"),
            models.CheckConstraint(
                condition=Q(expected_sign__in=ExpectedSign.values()), name="expected_sign_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.study}, {self.agent}: {self.get_expected_sign_display()}"
