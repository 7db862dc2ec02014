"""Fill an empty installation for someone to test it from outside, and print what they need to know."""

import json
import os

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from studies.actions.acceptance import AcceptanceRefused, plant_acceptance


class Command(BaseCommand):
    help = "Plant two studies, people and tokens for acceptance tests; prints JSON with their secrets."

    def add_arguments(self, parser) -> None:
        parser.add_argument("--seed", type=int, required=True)

    def handle(self, *args, seed: int, **options) -> None:
        if os.environ.get("ACCEPTANCE", "") != "1":
            raise CommandError("refused: set ACCEPTANCE=1, and only where no real study will ever be kept")
        try:
            planted = plant_acceptance(seed, now=timezone.now())
        except AcceptanceRefused as refused:
            raise CommandError(str(refused), returncode=2) from None
        self.stdout.write(json.dumps(planted, indent=1))
