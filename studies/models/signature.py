"""Electronic signatures: who signed what, meaning what, bound to a hash of what was signed."""

from django.db import models
from django.db.models import PROTECT, Q

from studies.terms import SignatureMeaning, SignedAct


class Signature(models.Model):
    """One signature. `record` is what was signed, so that a later change of it shows."""

    study = models.ForeignKey("Study", PROTECT, null=True, blank=True, related_name="signatures")
    act = models.CharField(max_length=24, choices=SignedAct.choices())
    meaning = models.CharField(max_length=12, choices=SignatureMeaning.choices())
    signer = models.ForeignKey("User", PROTECT, related_name="signatures")
    signer_name = models.CharField(max_length=150)
    signer_role = models.CharField(max_length=200, blank=True)
    signed_at = models.DateTimeField()
    reason = models.TextField(max_length=2000, blank=True)
    object_type = models.CharField(max_length=60)
    object_id = models.CharField("object ID", max_length=60)
    record = models.JSONField()
    record_sha256 = models.CharField("SHA-256 of the record", max_length=64)

    class Meta:
        ordering = ["signed_at", "id"]
        constraints = [
            models.CheckConstraint(condition=Q(act__in=SignedAct.values()), name="signature_act_known"),
            models.CheckConstraint(
                condition=Q(meaning__in=SignatureMeaning.values()), name="signature_meaning_known"
            ),
        ]
        indexes = [models.Index(fields=["object_type", "object_id"], name="signature_by_object")]

    def __str__(self) -> str:
        return f"{self.get_act_display()}, {self.get_meaning_display()} by {self.signer_name}"


class SigningFailures(models.Model):
    """How often in a row a person failed to sign; at the limit, signing is locked until it is lifted."""

    user = models.OneToOneField("User", PROTECT, related_name="signing_failures")
    count = models.PositiveSmallIntegerField(default=0)
    last_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "signing lock"

    def __str__(self) -> str:
        return f"{self.user}: {self.count} failed signings"
