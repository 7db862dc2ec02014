"""Draw every stored randomization again and name each mouse that is not where its seed puts it."""

from django.core.management.base import BaseCommand, CommandError

from studies.actions.allocate_mice import deviations
from studies.models import Randomization, Study


class Command(BaseCommand):
    help = "Replay the randomizations of all studies, or of one, bit for bit. Names no arm."

    def add_arguments(self, parser) -> None:
        parser.add_argument("study", nargs="?", help="a study's code; all studies without it")

    def handle(self, *args, study: str | None, **options) -> None:
        chosen = Randomization.objects.select_related("study", "cohort").order_by("study__code", "pk")
        if study is not None:
            if not Study.objects.filter(code=study).exists():
                raise CommandError(f"there is no study {study}")
            chosen = chosen.filter(study__code=study)
        found = []
        for randomization in chosen:
            wrong = deviations(randomization)
            cohort = f"cohort {randomization.cohort}" if randomization.cohort else "no cohort"
            mice = randomization.allocations.count()
            said = "replayed bit for bit" if not wrong else "DEVIATES"
            self.stdout.write(f"{randomization.study}, {cohort}: {mice} mice, {randomization.method}: {said}")
            found += wrong
        for deviation in found:
            self.stdout.write(f"  {deviation}")
        if found:
            raise CommandError("an allocation is not what its seed and input give", returncode=1)
        if not chosen:
            self.stdout.write("no randomization is on record")
