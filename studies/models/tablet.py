"""Shared tablets at the cage: which are registered, who signed in on one this shift, and the short way back in."""

from django.db import models
from django.db.models import PROTECT, Q


class Tablet(models.Model):
    """A tablet an administrator registered; it carries a secret of which only a hash is kept."""

    name = models.CharField(max_length=80, unique=True, help_text="Such as: room 2, left hood.")
    digest = models.CharField(max_length=64, unique=True)
    registered_at = models.DateTimeField()
    registered_by = models.ForeignKey("User", PROTECT, related_name="tablets_registered")
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.CheckConstraint(condition=~Q(name=""), name="tablet_named")]

    def __str__(self) -> str:
        return self.name


class Shift(models.Model):
    """A full sign-in on a tablet: until it ends, its person may come back by badge or PIN there."""

    tablet = models.ForeignKey(Tablet, PROTECT, related_name="shifts")
    user = models.ForeignKey("User", PROTECT, related_name="shifts")
    began_at = models.DateTimeField()

    class Meta:
        ordering = ["-began_at"]

    def __str__(self) -> str:
        return f"{self.user} on {self.tablet}"


class EntryKey(models.Model):
    """A person's PIN and badge. They open the cage side alone, and only where and while a shift runs."""

    user = models.OneToOneField("User", PROTECT, related_name="entry_key")
    pin = models.CharField("PIN", max_length=200, blank=True, help_text="Hashed as a password is.")
    badge_digest = models.CharField(max_length=64, blank=True)
    failures = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["badge_digest"], condition=~Q(badge_digest=""), name="badge_of_one_person"
            ),
        ]

    def __str__(self) -> str:
        return f"entry key of {self.user}"
