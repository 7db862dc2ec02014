"""Verify every audit chain, and every row against the event that vouches for it; name what is broken."""

import json
from dataclasses import asdict

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection

from studies import triggers
from studies.actions import audit
from studies.actions.coverage import broken_links
from studies.models import AuditEvent


class Command(BaseCommand):
    help = "Verify the audit chains, their seals, every row and the guarding triggers."

    def add_arguments(self, parser) -> None:
        parser.add_argument("--json", action="store_true", help="print the outcome as JSON")

    def handle(self, *args, json: bool, **options) -> None:
        outcome = _outcome()
        self.stdout.write(_as_json(outcome) if json else _as_text(outcome))
        if not outcome["intact"]:
            raise CommandError("the audit does not hold", returncode=1)


def _outcome() -> dict:
    """What was found; a record too damaged to be read through is told as broken, not as a traceback."""
    try:
        events, chains, broken = AuditEvent.objects.count(), len(audit.chains()), _broken_links()
    except (DatabaseError, LookupError, TypeError, ValueError, AttributeError) as error:
        reason = f"the record cannot be read: {type(error).__name__}: {str(error).splitlines()[0]}"
        events, chains, broken = 0, 0, [{"chain": None, "sequence": None, "reason": reason}]
    return {"intact": not broken, "events": events, "chains": chains, "broken": broken}


def _broken_links() -> list[dict]:
    broken: list[dict] = [asdict(link) for link in broken_links()]
    for name in triggers.missing(connection):
        broken.append({"chain": None, "sequence": None, "reason": f"the database trigger {name} is missing"})
    return broken


def _as_json(outcome: dict) -> str:
    return json.dumps(outcome, indent=2)


def _as_text(outcome: dict) -> str:
    lines = [f"{outcome['events']} events in {outcome['chains']} chains"]
    lines += [
        f"{link['chain'] or 'database'} #{link['sequence'] or '-'}: {link['reason']}"
        for link in outcome["broken"]
    ]
    return "\n".join([*lines, "intact" if outcome["intact"] else "BROKEN"])
