"""Reports as they were built: kept with the snapshot they were computed from, never edited."""

from django.db import models
from django.db.models import PROTECT, Q

from studies.terms import ReportView


class StoredReport(models.Model):
    """One report of one snapshot under one set of parameters.

    `snapshot_sha256` covers every row of the record the report may rest on; where it differs from the
    study's present one, the report is superseded.
    """

    study = models.ForeignKey("Study", PROTECT, related_name="reports")
    view = models.CharField(max_length=8, choices=ReportView.choices())
    snapshot_sha256 = models.CharField("SHA-256 of the snapshot", max_length=64)
    parameters = models.JSONField(default=dict)
    parameters_sha256 = models.CharField("SHA-256 of the parameters", max_length=64)
    chain_count = models.PositiveBigIntegerField()
    chain_head = models.CharField(max_length=64)
    asked_by = models.ForeignKey("User", PROTECT, related_name="reports")
    made_at = models.DateTimeField()

    class Meta:
        ordering = ["-made_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["study", "view", "snapshot_sha256", "parameters_sha256"],
                name="report_once_a_snapshot",
            ),
            models.CheckConstraint(condition=Q(view__in=ReportView.values()), name="report_view_known"),
        ]

    def __str__(self) -> str:
        return f"report {self.pk} of {self.study}"


class ReportFile(models.Model):
    """One file of a report, in the database so that every server and backup has it."""

    report = models.ForeignKey(StoredReport, PROTECT, related_name="files")
    name = models.CharField(max_length=200)
    size = models.PositiveBigIntegerField()
    sha256 = models.CharField("SHA-256", max_length=64)
    content = models.BinaryField()

    class Meta:
        ordering = ["report", "id"]
        constraints = [models.UniqueConstraint(fields=["report", "name"], name="report_file_once")]

    def __str__(self) -> str:
        return self.name
