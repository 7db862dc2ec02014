"""Arms, and the agents given in them."""

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import PROTECT, F, Q

from studies.terms import ArmRole, DosingFrequency, Route

from .study import Study, schedule_of_days


class Agent(models.Model):
    """A test article, known across studies by one name."""

    name = models.CharField(max_length=100, unique=True)
    target = models.CharField(max_length=60, blank=True, help_text="Such as MEK, KRAS G12C, MAP2K4.")
    supplier = models.CharField(max_length=100, blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Arm(models.Model):
    """A treatment arm. Which mice are in it stands in the allocation, never here."""

    study = models.ForeignKey(Study, PROTECT, related_name="arms")
    name = models.CharField(max_length=100)
    role = models.CharField(
        max_length=14,
        choices=ArmRole.choices(),
        blank=True,
        help_text="Blank only where an import did not say.",
    )
    position = models.PositiveSmallIntegerField(default=0, help_text="The order arms are listed in.")
    control = models.ForeignKey(
        "self",
        PROTECT,
        null=True,
        blank=True,
        related_name="compared_arms",
        help_text="The arm this one is compared with, where the study has several controls.",
    )
    planned_mice = models.PositiveSmallIntegerField("planned mice", null=True, blank=True)

    class Meta:
        ordering = ["study", "position", "name"]
        constraints = [
            models.UniqueConstraint(fields=["study", "name"], name="arm_name_once_per_study"),
            models.CheckConstraint(condition=Q(role__in=["", *ArmRole.values()]), name="arm_role_known"),
            models.CheckConstraint(condition=~Q(control=F("id")), name="arm_is_not_its_own_control"),
            models.CheckConstraint(condition=~Q(name=""), name="arm_named"),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if self.control and self.control.study_id != self.study_id:
            raise ValidationError({"control": "This arm belongs to another study."})


class ArmAgent(models.Model):
    """One agent of an arm: dose, route, vehicle and schedule."""

    arm = models.ForeignKey(Arm, PROTECT, related_name="arm_agents")
    agent = models.ForeignKey(Agent, PROTECT, related_name="arm_agents")
    dose_mg_per_kg = models.FloatField("dose (mg/kg)", null=True, blank=True)
    route = models.CharField(max_length=16, choices=Route.choices(), blank=True)
    vehicle = models.CharField(max_length=100, blank=True, help_text="What the agent is dissolved in.")
    volume_ml_per_kg = models.FloatField("volume (mL/kg)", null=True, blank=True)
    frequency = models.CharField(max_length=12, choices=DosingFrequency.choices(), blank=True)
    dosing_days = models.JSONField(
        default=list,
        blank=True,
        validators=[schedule_of_days],
        help_text="For a list of days, such as [0, 7, 14].",
    )
    first_day = models.SmallIntegerField("first dosing day", null=True, blank=True)
    last_day = models.SmallIntegerField("last dosing day", null=True, blank=True)

    class Meta:
        verbose_name = "agent of the arm"
        verbose_name_plural = "agents of the arm"
        constraints = [
            models.UniqueConstraint(fields=["arm", "agent"], name="agent_once_per_arm"),
            models.CheckConstraint(
                condition=Q(dose_mg_per_kg__isnull=True) | Q(dose_mg_per_kg__gt=0), name="dose_positive"
            ),
            models.CheckConstraint(
                condition=Q(volume_ml_per_kg__isnull=True) | Q(volume_ml_per_kg__gt=0),
                name="dose_volume_positive",
            ),
            models.CheckConstraint(
                condition=Q(first_day__isnull=True)
                | Q(last_day__isnull=True)
                | Q(first_day__lte=F("last_day")),
                name="dosing_days_ordered",
                violation_error_message="The first dosing day comes before the last.",
            ),
        ]

    def __str__(self) -> str:
        dose = f" {self.dose_mg_per_kg:g} mg/kg" if self.dose_mg_per_kg else ""
        return f"{self.agent}{dose}"

    def clean(self) -> None:
        if self.frequency == DosingFrequency.DAY_LIST and not self.dosing_days:
            raise ValidationError({"dosing_days": "List the study days on which this agent is given."})
