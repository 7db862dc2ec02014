"""Measurement sessions and the readings taken in them, kept as revisions that are only ever added."""

from django.db import models
from django.db.models import PROTECT, Exists, OuterRef, Q

from studies.terms import MeasurementStatus, VolumeMethod
from studies.volumes import FORMULAS, volume_mm3

from .mouse import Cohort, Mouse
from .study import Study


class MeasurementSession(models.Model):
    """One round of measuring. A live session has a date; an imported one only its study day."""

    study = models.ForeignKey(Study, PROTECT, related_name="sessions")
    cohort = models.ForeignKey(Cohort, PROTECT, null=True, blank=True, related_name="sessions")
    study_day = models.FloatField(null=True, blank=True)
    due_on = models.DateField(null=True, blank=True, help_text="Local date on which it is due.")
    is_baseline = models.BooleanField(default=False)
    started_at = models.DateTimeField(null=True, blank=True)
    started_by = models.ForeignKey("User", PROTECT, null=True, blank=True, related_name="sessions_started")
    completed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "measurement session"
        ordering = ["study", "due_on", "study_day", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(study_day__isnull=False) | Q(due_on__isnull=False), name="session_has_a_day"
            ),
            models.UniqueConstraint(
                fields=["study", "study_day"],
                condition=Q(due_on__isnull=True),
                name="undated_session_once_per_day",
            ),
            models.UniqueConstraint(
                fields=["study", "cohort", "due_on"],
                condition=Q(cohort__isnull=False, due_on__isnull=False),
                name="cohort_session_once_per_date",
            ),
            models.UniqueConstraint(
                fields=["study", "due_on"],
                condition=Q(cohort__isnull=True, due_on__isnull=False),
                name="session_once_per_date",
            ),
        ]

    def __str__(self) -> str:
        return (
            f"{self.study}, day {self.study_day:g}" if self.due_on is None else f"{self.study}, {self.due_on}"
        )


class MeasurementQuerySet(models.QuerySet):
    """Readings. There is no update and no delete: a correction or a void is a further revision."""

    def current(self) -> "MeasurementQuerySet":
        """The highest revision of each reading, voided ones included (see `is_void`).

        A later one is beyond the first, and those few have an index of their own.
        """
        later = self.model.objects.filter(revision__gt=1).filter(
            session=OuterRef("session"),
            mouse=OuterRef("mouse"),
            tumor_number=OuterRef("tumor_number"),
            replicate=OuterRef("replicate"),
            revision__gt=OuterRef("revision"),
        )
        return self.filter(~Exists(later))

    def valid(self) -> "MeasurementQuerySet":
        """Current and not voided: what counts."""
        return self.current().filter(is_void=False)

    def update(self, **kwargs):
        raise NotImplementedError("a measurement is never updated; record a revision")

    def delete(self):
        raise NotImplementedError("a measurement is never deleted; record a void")


class Measurement(models.Model):
    """One revision of one reading: one tumor of one mouse, in one session.

    Lengths in mm, weight in g, as double precision so that an imported value comes back to the
    last digit. A reading holds two lengths, or a reported volume, or a status that says why not.
    """

    session = models.ForeignKey(MeasurementSession, PROTECT, related_name="measurements")
    mouse = models.ForeignKey(Mouse, PROTECT, related_name="measurements")
    tumor_number = models.PositiveSmallIntegerField(default=1)
    replicate = models.PositiveSmallIntegerField(default=1)
    revision = models.PositiveSmallIntegerField(default=1)
    status = models.CharField(
        max_length=12, choices=MeasurementStatus.choices(), default=MeasurementStatus.MEASURED
    )
    length_mm = models.FloatField("length (mm)", null=True, blank=True)
    width_mm = models.FloatField("width (mm)", null=True, blank=True)
    height_mm = models.FloatField("height (mm)", null=True, blank=True)
    reported_volume_mm3 = models.FloatField("reported volume (mm³)", null=True, blank=True)
    volume_method = models.CharField(max_length=10, choices=VolumeMethod.choices(), blank=True)
    weight_g = models.FloatField("weight (g)", null=True, blank=True)
    signs = models.CharField(max_length=200, blank=True, help_text="Clinical signs, comma-separated codes.")
    is_void = models.BooleanField(default=False)
    observer = models.ForeignKey("User", PROTECT, null=True, blank=True, related_name="measurements")
    observer_name = models.CharField(max_length=120, blank=True, help_text="As an imported file names them.")
    device = models.CharField(max_length=2000, blank=True)
    observed_at = models.DateTimeField(null=True, blank=True)
    recorded_at = models.DateTimeField(help_text="Server time at which the revision was stored.")
    client_id = models.UUIDField("client ID", null=True, blank=True, unique=True)
    reason = models.CharField(
        max_length=2000, blank=True, help_text="Why a revision after the first was made."
    )
    confirmations = models.JSONField(default=list, blank=True)
    limits_version = models.CharField(
        max_length=20, blank=True, default="", help_text="Entry and welfare limits it was judged by."
    )
    import_batch = models.ForeignKey(
        "ImportBatch", PROTECT, null=True, blank=True, related_name="measurements"
    )

    objects = MeasurementQuerySet.as_manager()

    class Meta:
        # A CHECK passes on NULL, so each condition says which columns must not be null.
        constraints = [
            models.UniqueConstraint(
                fields=["session", "mouse", "tumor_number", "replicate", "revision"],
                name="measurement_revision_once",
            ),
            models.CheckConstraint(
                condition=Q(revision__gte=1) & Q(replicate__gte=1) & Q(tumor_number__gte=1),
                name="measurement_counts_from_one",
            ),
            models.CheckConstraint(
                condition=Q(status__in=MeasurementStatus.values()), name="measurement_status_known"
            ),
            models.CheckConstraint(
                condition=~Q(status=MeasurementStatus.MEASURED)
                | Q(length_mm__isnull=False, width_mm__isnull=False)
                | Q(reported_volume_mm3__isnull=False, reported_volume_mm3__gt=0),
                name="measured_has_lengths_or_a_volume",
                violation_error_message="A measured tumor has a length and a width, or a reported volume.",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=[MeasurementStatus.NOT_PALPABLE, MeasurementStatus.NOT_DONE])
                | Q(length_mm__isnull=True, width_mm__isnull=True, reported_volume_mm3__isnull=True),
                name="unmeasured_has_no_size",
            ),
            models.CheckConstraint(
                condition=Q(length_mm__isnull=True, width_mm__isnull=True)
                | Q(length_mm__isnull=False, width_mm__isnull=False, length_mm__gt=0, width_mm__gt=0),
                name="lengths_positive_and_paired",
                violation_error_message="Length and width come together and are above 0.",
            ),
            models.CheckConstraint(
                condition=Q(height_mm__isnull=True) | Q(height_mm__gt=0, length_mm__isnull=False),
                name="height_positive_beside_length",
            ),
            models.CheckConstraint(
                condition=Q(reported_volume_mm3__isnull=True)
                | (
                    Q(reported_volume_mm3__gte=0)
                    & Q(volume_method__in=[VolumeMethod.REPORTED, VolumeMethod.IMAGING])
                ),
                name="reported_volume_with_method",
            ),
            models.CheckConstraint(
                condition=Q(weight_g__isnull=True) | Q(weight_g__gt=0), name="weight_positive"
            ),
            models.CheckConstraint(
                condition=Q(revision=1) | ~Q(reason=""),
                name="correction_has_a_reason",
                violation_error_message="A correction or void needs a reason.",
            ),
            models.CheckConstraint(condition=Q(is_void=False) | Q(revision__gt=1), name="void_is_a_revision"),
        ]
        indexes = [
            models.Index(fields=["mouse", "session"], name="measurement_by_mouse"),
            models.Index(
                fields=["session", "mouse", "tumor_number", "replicate", "revision"],
                condition=Q(revision__gt=1),
                name="measurement_later_revision",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.mouse_id} in session {self.session_id}, revision {self.revision}"

    def volume_mm3(self, formula: str) -> float | None:
        """The volume under a formula of `studies.volumes`; 0 when looked for and not palpable."""
        if self.status == MeasurementStatus.NOT_PALPABLE:
            return 0.0
        if self.reported_volume_mm3 is not None:
            return self.reported_volume_mm3
        if self.length_mm is None or (FORMULAS[formula].needs_height and self.height_mm is None):
            return None
        return volume_mm3(self.length_mm, self.width_mm, self.height_mm, formula)


class ImportBatch(models.Model):
    """One file brought into one study; its hashes are repeated in the study's audit chain."""

    study = models.ForeignKey(Study, PROTECT, related_name="import_batches")
    file_name = models.CharField(max_length=200)
    file_sha256 = models.CharField("SHA-256 of the file", max_length=64)
    row_count = models.PositiveIntegerField()
    rows_sha256 = models.CharField(
        "SHA-256 of the rows", max_length=64, help_text="Over the batch's revisions in order of their ids."
    )
    assumptions = models.JSONField(default=list)
    imported_at = models.DateTimeField()
    imported_by = models.ForeignKey("User", PROTECT, null=True, blank=True, related_name="import_batches")

    class Meta:
        verbose_name = "import"
        constraints = [
            models.UniqueConstraint(fields=["study", "file_sha256"], name="file_once_per_study"),
        ]

    def __str__(self) -> str:
        return f"{self.file_name} into {self.study}"
