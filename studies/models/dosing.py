"""What is given: lots, formulations, and every dose with its syringe. A dose is only ever added to, like a reading."""

from django.db import models
from django.db.models import PROTECT, Exists, OuterRef, Q

from studies.terms import DoseOutcome

from .arm import Agent
from .mouse import Mouse
from .study import Study


class AgentLot(models.Model):
    """One delivery of an agent by the code on its vial."""

    agent = models.ForeignKey(Agent, PROTECT, related_name="lots")
    code = models.CharField("lot", max_length=60)
    expires_on = models.DateField()

    class Meta:
        verbose_name = "lot"
        ordering = ["agent", "code"]
        constraints = [models.UniqueConstraint(fields=["agent", "code"], name="lot_code_once_per_agent")]

    def __str__(self) -> str:
        return f"{self.agent} lot {self.code}"


class Formulation(models.Model):
    """One preparation for a study: a lot at a concentration in a vehicle. The last made that is usable holds."""

    study = models.ForeignKey(Study, PROTECT, related_name="formulations")
    lot = models.ForeignKey(AgentLot, PROTECT, related_name="formulations")
    code = models.CharField(max_length=60, help_text="On the bottle, once in a study.")
    concentration_mg_per_ml = models.FloatField("concentration (mg/mL)")
    vehicle = models.CharField(max_length=100, blank=True)
    made_on = models.DateField()
    expires_on = models.DateField()
    max_volume_ml_per_kg = models.FloatField("maximum volume (mL/kg)", default=10)

    class Meta:
        ordering = ["study", "-made_on", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["study", "code"], name="formulation_code_once_per_study"),
            models.CheckConstraint(
                condition=Q(concentration_mg_per_ml__gt=0) & Q(max_volume_ml_per_kg__gt=0),
                name="formulation_amounts_positive",
            ),
            models.CheckConstraint(
                condition=Q(expires_on__gte=models.F("made_on")),
                name="formulation_expires_after_made",
                violation_error_message="A formulation does not expire before it was made.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code}, {self.concentration_mg_per_ml:g} mg/mL"

    def usable_until(self):
        """The last day it may be given: its own expiry or its lot's, whichever comes first."""
        return min(self.expires_on, self.lot.expires_on)


class DoseQuerySet(models.QuerySet):
    def current(self) -> "DoseQuerySet":
        """The highest revision of each dose."""
        later = self.model.objects.filter(
            mouse=OuterRef("mouse"),
            given_on=OuterRef("given_on"),
            number=OuterRef("number"),
            occasion=OuterRef("occasion"),
            revision__gt=OuterRef("revision"),
        )
        return self.filter(~Exists(later))


class Dose(models.Model):
    """One revision of one dose due to one mouse. It carries its syringe; which arm that is stands in the allocation.

    `number` counts the agents of the arm, `occasion` the doses of a day. Volumes in mL.
    """

    study = models.ForeignKey(Study, PROTECT, related_name="doses")
    mouse = models.ForeignKey(Mouse, PROTECT, related_name="doses")
    given_on = models.DateField(help_text="Local date on which it was due.")
    number = models.PositiveSmallIntegerField(default=1)
    occasion = models.PositiveSmallIntegerField(default=1)
    revision = models.PositiveSmallIntegerField(default=1)
    syringe = models.CharField(max_length=250, blank=True, help_text="Its code, while arms are blinded.")
    outcome = models.CharField(max_length=8, choices=DoseOutcome.choices())
    planned_ml = models.FloatField("planned (mL)", null=True, blank=True)
    given_ml = models.FloatField("given (mL)", default=0)
    weight_g = models.FloatField("weight (g)", null=True, blank=True)
    formulation = models.ForeignKey(Formulation, PROTECT, null=True, blank=True, related_name="doses")
    reason = models.CharField(max_length=2000, blank=True)
    doser = models.ForeignKey("User", PROTECT, related_name="doses")
    recorded_at = models.DateTimeField()

    objects = DoseQuerySet.as_manager()

    class Meta:
        ordering = ["given_on", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["mouse", "given_on", "number", "occasion", "revision"], name="dose_revision_once"
            ),
            models.CheckConstraint(condition=Q(outcome__in=DoseOutcome.values()), name="dose_outcome_known"),
            models.CheckConstraint(
                condition=Q(outcome=DoseOutcome.OMITTED, given_ml=0)
                | (~Q(outcome=DoseOutcome.OMITTED) & Q(given_ml__gt=0)),
                name="dose_given_or_omitted",
            ),
            models.CheckConstraint(
                condition=Q(outcome=DoseOutcome.GIVEN, revision=1) | ~Q(reason=""),
                name="dose_not_given_in_full_has_a_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"dose of mouse {self.mouse_id} on {self.given_on}"
