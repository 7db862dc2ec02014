"""Which mouse is in which arm: a table of its own, so that nothing about a mouse tells its arm."""

from django.db import models
from django.db.models import PROTECT, Q

from .arm import Arm
from .mouse import Cohort, Mouse
from .study import Study


class Randomization(models.Model):
    """The record that lets one drawing be replayed bit for bit. Never changed once written."""

    study = models.ForeignKey(Study, PROTECT, related_name="randomizations")
    cohort = models.ForeignKey(Cohort, PROTECT, null=True, blank=True, related_name="randomizations")
    method = models.CharField(max_length=40)
    seed = models.CharField(max_length=80)
    algorithm_version = models.CharField(max_length=20)
    code_version = models.CharField(max_length=80)
    parameters = models.JSONField(default=dict)
    ordered_input = models.JSONField(help_text="What was drawn from, in the order it was drawn from.")
    input_sha256 = models.CharField("SHA-256 of the input", max_length=64)
    rejected_count = models.PositiveIntegerField(default=0)
    made_at = models.DateTimeField()
    made_by = models.ForeignKey("User", PROTECT, related_name="randomizations")

    class Meta:
        constraints = [
            # One drawing a cohort: of two people who press at once, one draws and the other is told.
            models.UniqueConstraint(
                fields=["study", "cohort"],
                condition=Q(cohort__isnull=False),
                name="one_randomization_per_cohort",
            ),
            models.UniqueConstraint(
                fields=["study"], condition=Q(cohort__isnull=True), name="one_randomization_without_cohort"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.study} randomization, {self.method}"


class SyringeCode(models.Model):
    """What stands on an arm's syringes while the study is blinded. Drawn once, never changed."""

    arm = models.OneToOneField(Arm, PROTECT, related_name="syringe_code")
    study = models.ForeignKey(Study, PROTECT, related_name="syringe_codes")
    code = models.CharField(max_length=8)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["study", "code"], name="syringe_code_once_per_study"),
        ]

    def __str__(self) -> str:
        return f"syringe code of arm {self.arm_id}"


class Allocation(models.Model):
    """One mouse's arm. Written once; an imported study's allocations have no randomization of ours."""

    mouse = models.OneToOneField(Mouse, PROTECT, related_name="allocation")
    arm = models.ForeignKey(Arm, PROTECT, related_name="allocations")
    randomization = models.ForeignKey(
        Randomization, PROTECT, null=True, blank=True, related_name="allocations"
    )
    block = models.CharField(max_length=60, blank=True)

    def __str__(self) -> str:
        return f"allocation of {self.mouse_id}"
