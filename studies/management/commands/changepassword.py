"""Django's own command, with an event: who sets somebody's password could sign in their name."""

import getpass

from django.contrib.auth.management.commands import changepassword
from django.db import transaction
from django.utils import timezone

from studies.actions.audit import INSTALLATION, record_event
from studies.models import User


class Command(changepassword.Command):
    @transaction.atomic
    def handle(self, *args, **options) -> str:
        told = super().handle(*args, **options)
        person = User.objects.get_by_natural_key(options["username"] or getpass.getuser())
        record_event("password set at the server", person, actor=None, at=timezone.now(), chain=INSTALLATION)
        return told
