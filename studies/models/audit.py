"""The record of what was done: events in hash chains, one chain a study and one for its allocation."""

from django.db import models
from django.db.models import PROTECT, Q


class AuditEvent(models.Model):
    """One recorded act. Each event's hash covers its content and the hash before it."""

    chain = models.CharField(max_length=80, help_text="study:ID, allocation:ID, or installation.")
    sequence = models.PositiveBigIntegerField()
    study = models.ForeignKey("Study", PROTECT, null=True, blank=True, related_name="audit_events")
    happened_at = models.DateTimeField()
    actor = models.ForeignKey("User", PROTECT, null=True, blank=True, related_name="audit_events")
    actor_name = models.CharField(max_length=150)
    actor_role = models.CharField(
        max_length=200, blank=True, help_text="Their roles in the study at that time."
    )
    action = models.CharField(max_length=60)
    object_type = models.CharField(max_length=60)
    object_id = models.CharField("object ID", max_length=60)
    old = models.JSONField(null=True, blank=True)
    new = models.JSONField(null=True, blank=True)
    reason = models.TextField(max_length=2000, blank=True)
    rows = models.JSONField(
        null=True,
        blank=True,
        help_text="Seals of the rows the act wrote: table, its columns, row id -> seal.",
    )
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    class Meta:
        verbose_name = "audit event"
        ordering = ["chain", "sequence"]
        constraints = [
            models.UniqueConstraint(fields=["chain", "sequence"], name="audit_sequence_once"),
            models.CheckConstraint(condition=Q(sequence__gte=1), name="audit_sequence_from_one"),
        ]

    def __str__(self) -> str:
        return f"{self.chain} #{self.sequence} {self.action}"


class AuditHead(models.Model):
    """How long a chain is and how it ends, sealed with a key kept outside the database."""

    chain = models.CharField(max_length=80, unique=True)
    count = models.PositiveBigIntegerField()
    head = models.CharField(max_length=64)
    seal = models.CharField(max_length=64)

    def __str__(self) -> str:
        return f"{self.chain}: {self.count} events"
