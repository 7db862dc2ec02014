"""Write the report of a study on record: the same files as `analyze` writes for a file."""

from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from studies.access import OPERATOR
from studies.management.files import time_of_build
from studies.models import Study


class Command(BaseCommand):
    help = "Analyze a study on record whose arms are open: JSON of every number, and a report."

    def add_arguments(self, parser) -> None:
        parser.add_argument("study", metavar="CODE")
        parser.add_argument("--control", help="name of the control arm, where the record does not mark it")
        parser.add_argument("--out", type=Path, metavar="DIR", help="write the report into this folder")
        parser.add_argument("--json", type=Path, metavar="OUT", help="write every number to this JSON file")

    def handle(self, *args, study, control, out, json, **options) -> None:
        from studies.reports.headless import AnalysisRefused
        from studies.reports.outputs import write_outputs
        from studies.reports.recorded import analyze_recorded

        found = Study.objects.filter(code=study).first()
        if found is None:
            codes = ", ".join(Study.objects.values_list("code", flat=True)[:50])
            raise CommandError(f"there is no study {study} (on record: {codes or 'none'})", returncode=2)
        try:
            analyzed = analyze_recorded(found, OPERATOR, control)
            write_outputs([analyzed], json_path=json, report_folder=out, made_at=time_of_build())
        except (PermissionError, AnalysisRefused) as refusal:
            raise CommandError(f"{study}: {refusal}", returncode=2) from None
        for path in (json, out):
            if path is not None:
                self.stdout.write(f"Written: {path}")
