"""Animals in trouble and what is taken from them: alerts with their answers, samples, photos. Never an arm."""

from django.db import models
from django.db.models import PROTECT, Exists, OuterRef, Q

from studies.terms import AlertAction, AlertLevel, DoseOutcome, PhotoSubject, SampleKind

from .measurement import MeasurementSession
from .mouse import Mouse, Tumor
from .study import Study


class WelfareAlertQuerySet(models.QuerySet):
    def open(self) -> "WelfareAlertQuerySet":
        """Those nobody entitled has acknowledged with an action."""
        answered = AlertAnswer.objects.filter(alert=OuterRef("pk"), is_acknowledgement=True)
        return self.filter(~Exists(answered))

    def red(self) -> "WelfareAlertQuerySet":
        return self.filter(level=AlertLevel.RED)


class WelfareAlert(models.Model):
    """What a rule of `studies.alerts` found in one mouse in one session; answers are rows of their own."""

    study = models.ForeignKey(Study, PROTECT, related_name="welfare_alerts")
    mouse = models.ForeignKey(Mouse, PROTECT, related_name="welfare_alerts")
    session = models.ForeignKey(MeasurementSession, PROTECT, related_name="welfare_alerts")
    rule = models.CharField(max_length=30)
    level = models.CharField(max_length=5, choices=AlertLevel.choices())
    value = models.FloatField()
    limit = models.FloatField()
    limits_version = models.PositiveSmallIntegerField(help_text="Of the welfare limits; 0 for the defaults.")
    message = models.CharField(max_length=300)
    raised_at = models.DateTimeField()
    occurrence = models.PositiveSmallIntegerField(
        default=1, help_text="Above 1 where a correction had closed the one before in the same session."
    )

    objects = WelfareAlertQuerySet.as_manager()

    class Meta:
        verbose_name = "welfare alert"
        ordering = ["-raised_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["session", "mouse", "rule", "level", "occurrence"], name="alert_once_a_session"
            ),
            models.CheckConstraint(condition=Q(level__in=AlertLevel.values()), name="alert_level_known"),
        ]

    def __str__(self) -> str:
        return f"{self.mouse}: {self.message}"


class AlertAnswer(models.Model):
    """What somebody did about an alert. An acknowledgement closes it: by director, veterinarian or correction."""

    alert = models.ForeignKey(WelfareAlert, PROTECT, related_name="answers")
    action = models.CharField(max_length=14, choices=AlertAction.choices())
    note = models.TextField(max_length=2000, blank=True)
    is_acknowledgement = models.BooleanField()
    answered_by = models.ForeignKey("User", PROTECT, related_name="alert_answers")
    answered_at = models.DateTimeField()

    class Meta:
        verbose_name = "answer to an alert"
        verbose_name_plural = "answers to alerts"
        ordering = ["answered_at", "id"]
        constraints = [
            models.CheckConstraint(condition=Q(action__in=AlertAction.values()), name="alert_action_known"),
            models.CheckConstraint(
                condition=~Q(action=AlertAction.NOTE) | ~Q(note=""), name="alert_note_says_something"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_action_display()} by {self.answered_by}"


class MouseSample(models.Model):
    """Tissue taken at a mouse's exit, by the code on its tube."""

    mouse = models.ForeignKey(Mouse, PROTECT, related_name="samples")
    code = models.CharField(max_length=140, unique=True)
    kind = models.CharField("kept as", max_length=12, choices=SampleKind.choices())
    tissue = models.CharField(max_length=60, default="tumor")
    tumor = models.ForeignKey(Tumor, PROTECT, null=True, blank=True, related_name="samples")
    hours_after_last_dose = models.FloatField(null=True, blank=True)
    planned_readout = models.CharField(max_length=200, blank=True, help_text="Such as pERK immunoblot.")
    taken_at = models.DateTimeField()
    taken_by = models.ForeignKey("User", PROTECT, related_name="samples_taken")

    class Meta:
        verbose_name = "sample of a mouse"
        verbose_name_plural = "samples of mice"
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=SampleKind.values()), name="sample_kind_known"),
            models.CheckConstraint(
                condition=Q(hours_after_last_dose__isnull=True) | Q(hours_after_last_dose__gte=0),
                name="sample_after_the_dose",
            ),
        ]

    def __str__(self) -> str:
        return self.code

    def hours_by_record(self) -> float | None:
        """Hours from the last dose on record, in full or in part, to the sample; None where none was given.

        When doses were given can tell an arm: ask `access.may_see_arms` before showing it.
        """
        given = self.mouse.doses.current().exclude(outcome=DoseOutcome.OMITTED)
        first = self.mouse.doses.filter(revision=1, recorded_at__lte=self.taken_at)
        places = set(given.values_list("given_on", "number", "occasion"))
        at = [one.recorded_at for one in first if (one.given_on, one.number, one.occasion) in places]
        return (self.taken_at - max(at)).total_seconds() / 3600 if at else None


class Photo(models.Model):
    """A photo of an ulcer or tumor, re-encoded here; `file_name` is in the media folder, under no web address."""

    mouse = models.ForeignKey(Mouse, PROTECT, related_name="photos")
    subject = models.CharField(max_length=10, choices=PhotoSubject.choices())
    file_name = models.CharField(max_length=100, unique=True)
    sha256 = models.CharField("SHA-256", max_length=64)
    note = models.CharField(max_length=200, blank=True)
    uploaded_at = models.DateTimeField()
    uploaded_by = models.ForeignKey("User", PROTECT, related_name="photos")

    class Meta:
        ordering = ["uploaded_at", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(subject__in=PhotoSubject.values()), name="photo_subject_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_subject_display()} of {self.mouse}, {self.uploaded_at:%Y-%m-%d}"
