"""The demo's studies by code, its people, and the password they share."""

import os
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from studies.actions.audit import INSTALLATION, record_event
from studies.models import User
from studies.terms import Role

COMPLETED, ACTIVE, DRAFT = CODES = ("DEMO-MAP2K4-01", "DEMO-MAP2K4-02", "DEMO-MAP2K4-03")
# Marks an account as the demo's own: no mail can be sent to it, and no real account carries it.
MAIL_DOMAIN = "demo.invalid"
TRUTH_FOLDER, TRUTH_JSON, TRUTH_TEXT = "demo", "truth.json", "truth.md"
PASSWORD_FILE = "demo_password"
WORDS = (
    "amber", "basil", "cedar", "delta", "ember", "fjord", "grape", "hazel", "indigo", "jasper", "koala",
    "lemon", "maple", "nectar", "olive", "pepper", "quartz", "raven", "saffron", "tulip", "umber",
    "velvet", "walnut", "xenon", "yarrow", "zephyr", "badger", "canyon", "dahlia", "falcon",
    "garnet", "harbor",
)  # fmt: skip


class DemoRefused(Exception):
    """The demo cannot be loaded here; the message says why and what to do."""


@dataclass(frozen=True)
class DemoPerson:
    username: str
    full_name: str
    role: Role | None
    is_staff: bool = False
    is_superuser: bool = False
    may: str = ""


PEOPLE = (
    DemoPerson("tech1", "Technician One (demo)", Role.TECHNICIAN, may="measures; session due today"),
    DemoPerson("tech2", "Technician Two (demo)", Role.TECHNICIAN, may="measures"),
    DemoPerson("doser", "Doser (demo)", Role.DOSER, may="doses by syringe code; doses due today"),
    DemoPerson("director", "Study Director (demo)", Role.STUDY_DIRECTOR, True, may="sets up, decides, reads"),
    DemoPerson("statistician", "Statistician (demo)", Role.STATISTICIAN, may="analyzes"),
    DemoPerson("qa", "Quality Assurance (demo)", Role.QUALITY_ASSURANCE, True, may="reads the audit trail"),
    DemoPerson("vet", "Veterinarian (demo)", Role.VETERINARIAN, may="reads volumes, weights, exits"),
    DemoPerson("admin", "Administrator (demo)", None, True, True, may="accounts, no science"),
)


def ensure_people(password: str, at: datetime) -> dict[str, User]:
    """Every demo account, made where missing and given `password` where it has another.

    They share one stored hash too, so that one slow comparison tells for all whether it still fits.
    Raises DemoRefused when an account of one of these names is somebody else's.
    """
    known = {user.username: user for user in User.objects.filter(username__in=[p.username for p in PEOPLE])}
    for user in known.values():
        if not user.email.endswith("@" + MAIL_DOMAIN):
            raise DemoRefused(
                f'the account "{user.username}" exists and is not the demo\'s: load the demo into a database '
                "of its own (another PDX_DATA_DIR or DATABASE_URL)"
            )
    kept = next((user.password for user in known.values()), "")
    stored = kept if kept and check_password(password, kept) else make_password(password)
    return {person.username: _account(known.get(person.username), person, stored, at) for person in PEOPLE}


def _account(user: User | None, person: DemoPerson, stored_password: str, at: datetime) -> User:
    if is_new := user is None:
        user = User(
            username=person.username,
            email=f"{person.username}@{MAIL_DOMAIN}",
            full_name=person.full_name,
            is_staff=person.is_staff,
            is_superuser=person.is_superuser,
        )
    if user.password != stored_password:
        user.password = stored_password
        user.save()
        if not is_new:
            record_event("password set at the server", user, actor=None, at=at, chain=INSTALLATION)
    return user


def demo_password(folder: Path, given: str) -> str:
    """The password the demo's accounts share: `given`, else the one kept in the folder, else a new one.

    It is kept in a file only its owner can read. Raises DemoRefused for one that is too easy.
    """
    path = folder / PASSWORD_FILE
    password = given or (path.read_text().strip() if path.exists() else "") or _new_password()
    try:
        validate_password(password)
    except ValidationError as error:
        raise DemoRefused(f"DEMO_PASSWORD cannot be used: {' '.join(error.messages)}") from error
    if not path.exists() or path.read_text().strip() != password:
        _keep(path, password)
    path.chmod(0o600)
    return password


def _keep(path: Path, password: str) -> None:
    """Through a new file of its own mode, so that it is at no moment open to others."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(password + "\n")
    draft.replace(path)


def _new_password() -> str:
    """Five words of 32 and three digits: 35 random bits, behind a lock after five failures."""
    return "-".join([*(secrets.choice(WORDS) for _ in range(5)), f"{secrets.randbelow(1000):03d}"])
