"""List every URL with the methods it answers, the roles it answers to, and whether it is safe for the blinded."""

import json

from django.core.management.base import BaseCommand, CommandError
from django.urls import get_resolver

from studies.endpoints import routes


class Command(BaseCommand):
    help = "List every URL, its methods, the roles it answers and whether it keeps a blinded study blinded."

    def add_arguments(self, parser) -> None:
        parser.add_argument("--json", action="store_true", help="print the list as JSON")

    def handle(self, *args, json: bool, **options) -> None:
        resolver = get_resolver()
        found = routes(resolver, resolver.urlconf_module.ENDPOINTS_OF_PACKAGES)
        if undeclared := [route.path for route in found if route.declared is None]:
            raise CommandError(f"nobody declared who may open {', '.join(undeclared)}", returncode=1)
        rows = [row for route in found for row in route.rows()]
        self.stdout.write(_as_json(rows) if json else "\n".join(map(_as_text, rows)))


def _as_json(rows: list[dict]) -> str:
    return json.dumps(rows, indent=1)


def _as_text(row: dict) -> str:
    safe = "" if row["blinded_safe"] else "  (not for the blinded)"
    return f"{','.join(row['methods']):<9} {row['path']:<60} {', '.join(row['roles']) or 'nobody'}{safe}"
