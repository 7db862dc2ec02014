"""How a blinded study is opened bit by bit: masked arms for the statistician, one mouse in an emergency."""

from django.db import models
from django.db.models import PROTECT, Q


class ArmMask(models.Model):
    """The letter an arm goes by for those who analyze before unblinding; drawn anew at every lock of the data."""

    study = models.ForeignKey("Study", PROTECT, related_name="arm_masks")
    generation = models.PositiveSmallIntegerField(help_text="The number of the lock it was drawn at.")
    arm = models.ForeignKey("Arm", PROTECT, related_name="masks")
    letter = models.CharField(max_length=2)
    drawn_at = models.DateTimeField()

    class Meta:
        ordering = ["study", "generation", "letter"]
        constraints = [
            models.UniqueConstraint(fields=["study", "generation", "letter"], name="mask_letter_once"),
            models.UniqueConstraint(fields=["arm", "generation"], name="one_mask_per_arm"),
        ]

    def __str__(self) -> str:
        return f"mask {self.letter} of {self.study}, lock {self.generation}"


class Reveal(models.Model):
    """One mouse's arm told to one person in an emergency. Which arm stands in the allocation, never here."""

    study = models.ForeignKey("Study", PROTECT, related_name="reveals")
    mouse = models.ForeignKey("Mouse", PROTECT, related_name="reveals")
    reason = models.TextField(max_length=2000)
    revealed_to = models.ForeignKey("User", PROTECT, related_name="reveals")
    revealed_at = models.DateTimeField()
    notified = models.ForeignKey("User", PROTECT, related_name="notices_of_reveals")

    class Meta:
        verbose_name = "emergency unblinding"
        ordering = ["revealed_at", "id"]
        constraints = [
            models.CheckConstraint(condition=~Q(reason=""), name="reveal_has_a_reason"),
            models.CheckConstraint(
                condition=~Q(notified=models.F("revealed_to")), name="reveal_told_to_a_second_person"
            ),
        ]

    def __str__(self) -> str:
        return f"emergency unblinding of {self.mouse_id}"
