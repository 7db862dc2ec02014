"""Around a protocol: the PDX models a study is about, templates, signed amendments, deviations."""

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import PROTECT, Q

from .mouse import Mouse
from .pdx_model import Passage, PdxModel
from .signature import Signature
from .study import Study


class StudyPdxModel(models.Model):
    """A PDX model a study is planned with, before there are mice, and the passage to implant."""

    study = models.ForeignKey(Study, PROTECT, related_name="planned_pdx_models")
    pdx_model = models.ForeignKey(PdxModel, PROTECT, verbose_name="PDX model", related_name="planned_studies")
    passage = models.ForeignKey(Passage, PROTECT, null=True, blank=True, related_name="planned_studies")
    is_withdrawn = models.BooleanField("taken out of the plan", default=False)

    class Meta:
        verbose_name = "PDX model of the study"
        verbose_name_plural = "PDX models of the study"
        ordering = ["study", "pdx_model__code"]
        constraints = [
            models.UniqueConstraint(fields=["study", "pdx_model"], name="pdx_model_once_per_study"),
        ]

    def __str__(self) -> str:
        return str(self.passage or self.pdx_model)

    def clean(self) -> None:
        if self.passage and self.passage.pdx_model_id != self.pdx_model_id:
            raise ValidationError({"passage": "This passage is of another PDX model."})


class StudyTemplate(models.Model):
    """A protocol without animals, dates and people, to begin further studies from."""

    name = models.CharField(max_length=100, unique=True)
    description = models.TextField(max_length=2000, blank=True)
    protocol = models.JSONField()
    made_from = models.ForeignKey(Study, PROTECT, null=True, blank=True, related_name="templates")
    made_by = models.ForeignKey("User", PROTECT, related_name="study_templates")
    made_at = models.DateTimeField()

    class Meta:
        verbose_name = "study template"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Amendment(models.Model):
    """A signed change of a running protocol: what, why, from which day."""

    study = models.ForeignKey(Study, PROTECT, related_name="amendments")
    number = models.PositiveSmallIntegerField()
    what = models.TextField(max_length=4000)
    reason = models.TextField("why", max_length=2000)
    in_force_from = models.DateField("in force from")
    changes = models.JSONField(default=dict, blank=True, help_text="Field: what it was, what it became.")
    made_by = models.ForeignKey("User", PROTECT, related_name="amendments")
    made_at = models.DateTimeField()

    class Meta:
        ordering = ["study", "number"]
        constraints = [
            models.UniqueConstraint(fields=["study", "number"], name="amendment_number_once_per_study"),
            models.CheckConstraint(condition=~Q(what="") & ~Q(reason=""), name="amendment_says_what_and_why"),
        ]

    def __str__(self) -> str:
        return f"{self.study} amendment {self.number}"


class Deviation(models.Model):
    """Something that did not go by the protocol. A correction is a further entry that names the first."""

    class Impact(models.TextChoices):
        NONE = "none", "none expected"
        MINOR = "minor", "minor: no effect on the conclusion expected"
        MAJOR = "major", "major: may affect the conclusion or an animal"

    study = models.ForeignKey(Study, PROTECT, related_name="deviations")
    number = models.PositiveSmallIntegerField()
    happened_on = models.DateField()
    what = models.TextField(max_length=4000)
    impact = models.CharField(max_length=8, choices=Impact.choices)
    measure = models.TextField("what was done about it", max_length=2000, blank=True)
    mice = models.ManyToManyField(Mouse, blank=True, related_name="deviations")
    corrects = models.ForeignKey("self", PROTECT, null=True, blank=True, related_name="corrections")
    recorded_by = models.ForeignKey("User", PROTECT, related_name="deviations")
    recorded_at = models.DateTimeField()

    class Meta:
        ordering = ["study", "number"]
        constraints = [
            models.UniqueConstraint(fields=["study", "number"], name="deviation_number_once_per_study"),
            models.CheckConstraint(condition=~Q(what=""), name="deviation_says_what"),
            models.CheckConstraint(condition=Q(impact__in=["none", "minor", "major"]), name="impact_known"),
        ]

    def __str__(self) -> str:
        return f"{self.study} deviation {self.number}"


def signatures_of(row: models.Model) -> models.QuerySet[Signature]:
    """The signatures under one row, in the order they were given."""
    return Signature.objects.filter(object_type=row._meta.model_name, object_id=str(row.pk))
