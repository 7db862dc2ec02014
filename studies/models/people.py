"""People, and the parts they have in studies."""

from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.models import AbstractUser
from django.db import models, transaction
from django.db.models import PROTECT
from django.dispatch import Signal

from studies.terms import Role

hashed_anew = Signal()  # sent with `user`, in the transaction that stores the hash


class User(AbstractUser):
    """A person who signs in. Deactivated, never deleted: their name stays on what they recorded."""

    full_name = models.CharField(max_length=120, blank=True, help_text="As it should stand on records.")
    may_begin_studies = models.BooleanField(
        default=False, help_text="May begin a study, and directs what they begin."
    )
    first_password_until = models.DateTimeField(
        null=True,
        editable=False,
        help_text="A password somebody else set opens the choice of one's own alone.",
    )

    def __str__(self) -> str:
        return self.full_name or self.username

    def check_password(self, raw_password: str) -> bool:
        """Whether it is theirs. A hash of an older make is renewed on the way, which is an act of its own."""

        def renew(password: str) -> None:
            self.password = make_password(password)
            with transaction.atomic():
                self.save(update_fields=["password"])
                hashed_anew.send(sender=User, user=self)

        return check_password(raw_password, self.password, renew)


class StudyMembership(models.Model):
    """One person's role in one study. Without a membership there is no way in."""

    study = models.ForeignKey("Study", PROTECT, related_name="memberships")
    user = models.ForeignKey(User, PROTECT, related_name="memberships")
    role = models.CharField(max_length=24, choices=Role.choices())
    is_active = models.BooleanField(default=True, help_text="Unset it to end the role; the record stays.")

    class Meta:
        verbose_name = "study member"
        constraints = [
            models.UniqueConstraint(fields=["study", "user", "role"], name="membership_once_per_role"),
            models.CheckConstraint(condition=models.Q(role__in=Role.values()), name="membership_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user}, {self.get_role_display()} in {self.study}"
