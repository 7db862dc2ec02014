"""Say why the anchors of before are lost, and begin them anew."""

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from studies.actions.anchors import write_anchor


class Command(BaseCommand):
    help = "Record why the anchors of before are lost; verify_audit then asks for those from here on alone."

    def add_arguments(self, parser) -> None:
        parser.add_argument("--reason", required=True, help="what became of the file, for the audit trail")

    def handle(self, *args, reason: str, **options) -> None:
        if not reason.strip():
            raise CommandError("say what became of the anchors of before", returncode=2)
        write_anchor("begun anew", timezone.now(), why_anew=reason.strip())
        self.stdout.write("the audit chains are anchored anew")
