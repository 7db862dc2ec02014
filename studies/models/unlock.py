"""Readings of a locked study that two people opened for a while, each for one further revision."""

from django.db import models
from django.db.models import PROTECT, F, Q

from .measurement import MeasurementSession
from .mouse import Mouse
from .signature import Signature
from .study import Study


class Unlock(models.Model):
    """One person asked with a reason, another approved; what may be written stands in its readings."""

    study = models.ForeignKey(Study, PROTECT, related_name="unlocks")
    request = models.OneToOneField(Signature, PROTECT, related_name="unlock_asked")
    approval = models.OneToOneField(Signature, PROTECT, related_name="unlock_approved")
    granted_at = models.DateTimeField()
    ends_at = models.DateTimeField(help_text="From then on nothing more is written, whether or not it was.")
    reading_count = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["study", "granted_at", "id"]
        constraints = [
            models.CheckConstraint(condition=Q(ends_at__gt=F("granted_at")), name="unlock_ends_later"),
            models.CheckConstraint(condition=Q(reading_count__gte=1), name="unlock_names_readings"),
        ]

    def __str__(self) -> str:
        return f"{self.study}, unlocked {self.granted_at:%Y-%m-%d %H:%M}"


class UnlockedReading(models.Model):
    """The one revision of one reading that may be written; once it is, the reading is locked again."""

    unlock = models.ForeignKey(Unlock, PROTECT, related_name="readings")
    session = models.ForeignKey(MeasurementSession, PROTECT, related_name="+")
    mouse = models.ForeignKey(Mouse, PROTECT, related_name="+")
    tumor_number = models.PositiveSmallIntegerField()
    replicate = models.PositiveSmallIntegerField()
    revision = models.PositiveSmallIntegerField()

    class Meta:
        verbose_name = "unlocked reading"
        constraints = [
            models.UniqueConstraint(
                fields=["unlock", "session", "mouse", "tumor_number", "replicate"],
                name="reading_once_per_unlock",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.mouse_id} in session {self.session_id}, revision {self.revision}"
