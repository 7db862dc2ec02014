"""Write the report of a study on record: the same files as `analyze` writes for a file."""

from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from studies.access import OPERATOR
from studies.actions.snapshots import take_snapshot
from studies.models import Study
from studies.terms import ReportView


class Command(BaseCommand):
    help = "Analyze a study on record whose arms are open (or all mice together): every number, and a report."

    def add_arguments(self, parser) -> None:
        parser.add_argument("study", metavar="CODE")
        parser.add_argument("--control", help="name of the control arm, where the record does not mark it")
        parser.add_argument(
            "--pooled", action="store_true", help="all mice together, also while arms are closed"
        )
        parser.add_argument("--out", type=Path, metavar="DIR", help="write the report into this folder")
        parser.add_argument("--json", type=Path, metavar="OUT", help="write every number to this JSON file")

    def handle(self, *args, study, control, pooled, out, json, **options) -> None:
        from studies.reports.headless import AnalysisRefused
        from studies.reports.outputs import write_outputs
        from studies.reports.pooled import analyze_pooled
        from studies.reports.recorded import analyze_recorded
        from studies.reports.stamp import stamp

        found = Study.objects.filter(code=study).first()
        if found is None:
            codes = ", ".join(Study.objects.values_list("code", flat=True)[:50])
            raise CommandError(f"there is no study {study} (on record: {codes or 'none'})", returncode=2)
        snapshot = take_snapshot(found, ReportView.POOLED if pooled else ReportView.OPEN)
        try:
            if pooled:
                analyzed = analyze_pooled(found, OPERATOR, snapshot)
            else:
                analyzed = analyze_recorded(found, OPERATOR, control, snapshot)
            made_at = stamp(snapshot.as_of or timezone.now())
            write_outputs([analyzed], json_path=json, report_folder=out, made_at=made_at)
        except (PermissionError, AnalysisRefused) as refusal:
            raise CommandError(f"{study}: {refusal}", returncode=2) from None
        for path in (json, out):
            if path is not None:
                self.stdout.write(f"Written: {path}")
