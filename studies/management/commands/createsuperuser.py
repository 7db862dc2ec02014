"""Django's own command, with the audit event that every new person has."""

from django.contrib.auth.management.commands import createsuperuser
from django.db import transaction
from django.utils import timezone

from studies.actions.audit import INSTALLATION, record_event
from studies.models import User


class Command(createsuperuser.Command):
    @transaction.atomic
    def handle(self, *args, **options) -> None:
        before = User.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        super().handle(*args, **options)
        for person in User.objects.filter(pk__gt=before):
            facts = {"username": person.username, "is_superuser": True}
            record_event(
                "added at the server", person, actor=None, at=timezone.now(), chain=INSTALLATION, new=facts
            )
