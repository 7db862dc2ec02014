"""What measurement entry stands on: limits by version, devices, sheets received, rows that wait."""

from django.db import models
from django.db.models import PROTECT, Q

from studies.terms import Term

from .measurement import MeasurementSession
from .study import Study


class DeviceKind(Term):
    CALIPER = "caliper"
    BALANCE = "balance"
    READER = "reader", "RFID or barcode reader"


class Device(models.Model):
    """A caliper, balance or reader by the code on it."""

    code = models.CharField(max_length=60, unique=True)
    kind = models.CharField(max_length=10, choices=DeviceKind.choices(), default=DeviceKind.CALIPER)
    calibration_due_on = models.DateField(null=True, blank=True)
    retired_on = models.DateField(null=True, blank=True, help_text="Readings are refused from then on.")

    class Meta:
        ordering = ["code"]
        constraints = [models.CheckConstraint(condition=~Q(code=""), name="device_has_a_code")]

    def __str__(self) -> str:
        return self.code


class EntryLimits(models.Model):
    """One version of a study's own limits of the measurement rules; the highest version holds.

    `overrides` holds limits of `studies.validation.Limits` by name, numbers as text.
    """

    study = models.ForeignKey(Study, PROTECT, related_name="entry_limits")
    version = models.PositiveSmallIntegerField(default=1)
    overrides = models.JSONField(default=dict, blank=True)
    reason = models.TextField(max_length=2000, help_text="Why these limits hold from this version on.")
    set_at = models.DateTimeField()
    set_by = models.ForeignKey("User", PROTECT, null=True, blank=True, related_name="entry_limits_set")

    class Meta:
        verbose_name_plural = "entry limits"
        ordering = ["study", "version"]
        constraints = [
            models.UniqueConstraint(fields=["study", "version"], name="entry_limits_version_once"),
            models.CheckConstraint(condition=~Q(reason=""), name="entry_limits_have_a_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.study} entry limits, version {self.version}"


class SubmittedSheet(models.Model):
    """An Idempotency-Key as it was first used, and a hash of what came with it."""

    user = models.ForeignKey("User", PROTECT, related_name="submitted_sheets")
    key = models.CharField(max_length=200)
    session = models.ForeignKey(MeasurementSession, PROTECT, related_name="submitted_sheets")
    body_sha256 = models.CharField("SHA-256 of the body", max_length=64)
    received_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="idempotency_key_once")]

    def __str__(self) -> str:
        return f"{self.key} for session {self.session_id}"


class ParkedRow(models.Model):
    """A row that came when its study or session took none: kept for the director to decide on."""

    class Outcome(models.TextChoices):
        WAITING = "waiting"
        STORED = "stored"
        DISCARDED = "discarded"

    session = models.ForeignKey(MeasurementSession, PROTECT, related_name="parked_rows")
    user = models.ForeignKey("User", PROTECT, related_name="parked_rows")
    client_id = models.UUIDField("client ID", unique=True)
    row = models.JSONField()
    because = models.CharField(max_length=200)
    parked_at = models.DateTimeField()
    outcome = models.CharField(max_length=10, choices=Outcome.choices, default=Outcome.WAITING)
    settled_at = models.DateTimeField(null=True, blank=True)
    settled_by = models.ForeignKey("User", PROTECT, null=True, blank=True, related_name="rows_settled")
    reason = models.TextField(max_length=2000, blank=True)

    class Meta:
        ordering = ["parked_at", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(outcome="waiting") | (Q(settled_at__isnull=False) & ~Q(reason="")),
                name="parked_row_settled_with_a_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"row {self.client_id} of session {self.session_id}"
