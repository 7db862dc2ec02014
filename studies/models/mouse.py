"""Mice: cages and moves, cohorts, tumors, exclusion and exit. Never an arm: see allocation.py."""

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import PROTECT, Q

from studies.terms import CohortKind, ExitReason, Sex, YesNoUnknown

from .pdx_model import Passage, PdxModel
from .study import Study


class Cage(models.Model):
    """A cage of one study, where it stands."""

    study = models.ForeignKey(Study, PROTECT, related_name="cages")
    code = models.CharField(max_length=40)
    room = models.CharField(max_length=40, blank=True)
    rack = models.CharField(max_length=40, blank=True)

    class Meta:
        ordering = ["study", "room", "rack", "code"]
        constraints = [
            models.UniqueConstraint(fields=["study", "code"], name="cage_code_once_per_study"),
        ]

    def __str__(self) -> str:
        return self.code


class Cohort(models.Model):
    """Mice that are randomized and start dosing together; its day 0 is theirs.

    An expansion cohort grows tumor to pass on: its mice are donors of the next passage.
    """

    study = models.ForeignKey(Study, PROTECT, related_name="cohorts")
    name = models.CharField(max_length=60)
    kind = models.CharField(max_length=10, choices=CohortKind.choices(), default=CohortKind.EFFICACY)
    day0 = models.DateField("day 0", null=True, blank=True, help_text="Local date of the first dose.")

    class Meta:
        ordering = ["study", "name"]
        constraints = [
            models.UniqueConstraint(fields=["study", "name"], name="cohort_name_once_per_study"),
            models.CheckConstraint(condition=Q(kind__in=CohortKind.values()), name="cohort_kind_known"),
        ]

    def __str__(self) -> str:
        return self.name


class Mouse(models.Model):
    """An animal of one study. Facts nobody recorded are null or blank and shown as "not recorded"."""

    study = models.ForeignKey(Study, PROTECT, related_name="mice")
    cohort = models.ForeignKey(Cohort, PROTECT, null=True, blank=True, related_name="mice")
    pdx_model = models.ForeignKey(PdxModel, PROTECT, verbose_name="PDX model", related_name="mice")
    label = models.CharField(max_length=120, help_text="The id on the cage card, once in a study.")
    source_id = models.CharField(
        "ID in the source", max_length=120, blank=True, help_text="The id in the file it was imported from."
    )
    source_study = models.CharField(max_length=120, blank=True, help_text="Its study in a pooled import.")
    sex = models.CharField(max_length=10, choices=Sex.choices(), blank=True)
    strain = models.CharField(max_length=100, blank=True)
    source = models.CharField("supplier", max_length=100, blank=True)
    born_on = models.DateField("birth date", null=True, blank=True)
    ear_tag = models.CharField(max_length=40, blank=True)
    rfid = models.CharField("RFID", max_length=40, blank=True)
    cage = models.ForeignKey(Cage, PROTECT, null=True, blank=True, related_name="mice")
    enrolled_on = models.DateField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "mice"
        ordering = ["study", "id"]
        constraints = [
            models.UniqueConstraint(fields=["study", "label"], name="mouse_label_once_per_study"),
            models.UniqueConstraint(
                fields=["cage", "ear_tag"], condition=~Q(ear_tag=""), name="ear_tag_once_per_cage"
            ),
            models.UniqueConstraint(fields=["rfid"], condition=~Q(rfid=""), name="rfid_once"),
            models.CheckConstraint(condition=~Q(label=""), name="mouse_labelled"),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def key(self) -> str:
        """The mouse's id across studies."""
        return f"{self.study.code}/{self.label}"

    def clean(self) -> None:
        for field in ("cage", "cohort"):
            related = getattr(self, field)
            if related and related.study_id != self.study_id:
                raise ValidationError({field: f"This {field} belongs to another study."})


class CageMove(models.Model):
    """A mouse's change of cage; `Mouse.cage` is where the last move left it."""

    mouse = models.ForeignKey(Mouse, PROTECT, related_name="cage_moves")
    from_cage = models.ForeignKey(Cage, PROTECT, null=True, blank=True, related_name="moves_out")
    to_cage = models.ForeignKey(Cage, PROTECT, related_name="moves_in")
    moved_at = models.DateTimeField()
    reason = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["moved_at", "id"]

    def __str__(self) -> str:
        return f"{self.mouse} to cage {self.to_cage}"


class Tumor(models.Model):
    """One tumor of a mouse and how it was implanted; number 1 is the index tumor."""

    mouse = models.ForeignKey(Mouse, PROTECT, related_name="tumors")
    number = models.PositiveSmallIntegerField(default=1)
    site = models.CharField(max_length=100, blank=True, help_text="Such as left flank.")
    passage = models.ForeignKey(Passage, PROTECT, null=True, blank=True, related_name="tumors")
    implanted_on = models.DateField(null=True, blank=True)

    class Meta:
        ordering = ["mouse", "number"]
        constraints = [
            models.UniqueConstraint(fields=["mouse", "number"], name="tumor_number_once_per_mouse"),
            models.CheckConstraint(condition=Q(number__gte=1), name="tumor_number_from_one"),
        ]

    def __str__(self) -> str:
        return f"{self.mouse} tumor {self.number}"


class Exclusion(models.Model):
    """A mouse left out of enrollment or analysis, and why; its readings stay."""

    mouse = models.OneToOneField(Mouse, PROTECT, related_name="exclusion")
    reason = models.TextField(max_length=2000)
    excluded_at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=~Q(reason=""), name="exclusion_has_a_reason")]

    def __str__(self) -> str:
        return f"{self.mouse} excluded: {self.reason}"


class Exit(models.Model):
    """When and why a mouse left the study. The reason decides how survival analyses count it."""

    mouse = models.OneToOneField(Mouse, PROTECT, related_name="exit")
    reason = models.CharField(max_length=20, choices=ExitReason.choices())
    day = models.FloatField("study day", null=True, blank=True)
    exited_at = models.DateTimeField(null=True, blank=True)
    treatment_related = models.CharField(
        max_length=8, choices=YesNoUnknown.choices(), default=YesNoUnknown.UNKNOWN
    )
    note = models.TextField(max_length=2000, blank=True)
    last_weight_g = models.FloatField("last weight (g)", null=True, blank=True)
    last_volume_mm3 = models.FloatField("last tumor volume (mm³)", null=True, blank=True)
    necropsy_note = models.TextField(max_length=2000, blank=True)
    excised_tumor_g = models.FloatField(
        "excised tumor weight (g)", null=True, blank=True, help_text="All tumors of the mouse together."
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=(Q(last_weight_g__isnull=True) | Q(last_weight_g__gt=0))
                & (Q(last_volume_mm3__isnull=True) | Q(last_volume_mm3__gte=0))
                & (Q(excised_tumor_g__isnull=True) | Q(excised_tumor_g__gte=0)),
                name="exit_sizes_not_negative",
            ),
            models.CheckConstraint(condition=Q(reason__in=ExitReason.values()), name="exit_reason_known"),
            models.CheckConstraint(
                condition=Q(treatment_related__in=YesNoUnknown.values()), name="exit_relation_known"
            ),
            models.CheckConstraint(
                condition=Q(day__isnull=False) | Q(exited_at__isnull=False), name="exit_has_a_time"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.mouse} left: {self.get_reason_display()}"

    @property
    def excised_percent_of_last(self) -> float | None:
        """The excised weight as percent of the last volume at 1 mg/mm³; None where either is missing or 0."""
        if self.excised_tumor_g is None or not self.last_volume_mm3:
            return None
        return self.excised_tumor_g * 1000 * 100 / self.last_volume_mm3
