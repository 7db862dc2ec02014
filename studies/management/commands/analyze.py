"""`manage.py analyze FILE`: the whole analysis of a file of measurements, without the database."""

from datetime import UTC, datetime
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from studies.imports import DEFAULT_MAX_BYTES, ImportRefused
from studies.management.files import listing, megabytes, read_file


class Command(BaseCommand):
    help = "Analyze a file of tumor measurements: JSON of every number, and a report. Touches no database."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser):
        parser.add_argument("file", type=Path, help="CSV or TSV, one row a mouse and day")
        parser.add_argument("--control", help="name of the control arm, where the file does not mark it")
        parser.add_argument("--plan", type=Path, help="JSON file with the analysis plan")
        parser.add_argument("--pool", metavar="NAME", help="read all studies of the file as one of this name")
        parser.add_argument("--json", type=Path, metavar="OUT", help="write every number to this JSON file")
        parser.add_argument("--report", type=Path, metavar="DIR", help="write the report into this folder")
        parser.add_argument(
            "--max-mb",
            type=megabytes,
            default=DEFAULT_MAX_BYTES / 1e6,
            metavar="N",
            help="refuse a larger file (default: %(default)g MB)",
        )

    def handle(self, *args, file, control, plan, pool, json, report, max_mb, **options):
        from studies.reports.headless import AnalysisRefused, analyze_measurements
        from studies.reports.outputs import write_outputs
        from studies.reports.stamp import stamp

        try:
            measurements = read_file(file, max_mb)
            analyzed = analyze_measurements(measurements, _plan(plan, control), pool)
            write_outputs(analyzed, json_path=json, report_folder=report, made_at=stamp(datetime.now(UTC)))
        except (ImportRefused, AnalysisRefused) as refusal:
            raise CommandError(listing(file, refusal.errors), returncode=2) from None
        except OSError as error:
            raise CommandError(f"{error.filename or file}: {error.strerror or error}", returncode=2) from None
        for study in analyzed:
            self.stdout.write(_summary(study.document))
        for path in (json, report):
            if path is not None:
                self.stdout.write(f"Written: {path}")


def _plan(path, control):
    """The plan of a file, with the control of the command line before the plan's own."""
    from studies.reports.plan_file import read_plan

    plan = read_plan(path.read_bytes(), path.name) if path else {}
    return plan | ({"control": control} if control is not None else {})


def _summary(document):
    arms = ", ".join(f"{arm['arm']} ({arm['n_mice']})" for arm in document["arms"])
    read = document["input"]
    return (
        f"{document['study']}: {read['rows']} rows, {read['mice']} mice, {read['models']} PDX models; {arms}"
    )
