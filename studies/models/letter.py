"""E-mail that waits for the mail server, and what became of it."""

from django.db import models
from django.db.models import PROTECT, Q


class Letter(models.Model):
    """One e-mail of a study, stored with what it tells of; a worker sends it and tries again while it fails."""

    study = models.ForeignKey("Study", PROTECT, related_name="letters")
    recipients = models.JSONField(help_text="Addresses.")
    subject = models.CharField(max_length=150)
    body = models.TextField()
    written_at = models.DateTimeField()
    next_try_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)
    failure = models.CharField(max_length=300, blank=True, help_text="What the mail server said last.")
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-written_at", "-id"]
        constraints = [models.CheckConstraint(condition=~Q(subject=""), name="letter_has_a_subject")]

    def __str__(self) -> str:
        return self.subject
