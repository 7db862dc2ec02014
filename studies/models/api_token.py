"""Tokens by which programs act for a person: only a hash of each is kept."""

from django.db import models
from django.db.models import PROTECT, F, Q


class ApiToken(models.Model):
    """A program's key to the API, in the name of its owner. Revoked or expired, never deleted.

    A token never opens more than its owner may; its scopes narrow that.
    """

    user = models.ForeignKey("User", PROTECT, related_name="api_tokens")
    name = models.CharField(max_length=80, help_text="What uses it, such as the scale in room 2.")
    scopes = models.JSONField(default=list)
    digest = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the secret.")
    hint = models.CharField(max_length=12, help_text="How the secret begins, to tell tokens apart.")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "API token"
        ordering = ["user", "-created_at"]
        constraints = [
            models.CheckConstraint(condition=~Q(name=""), name="api_token_named"),
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("created_at")), name="api_token_expires_after_it_is_made"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}…)"
