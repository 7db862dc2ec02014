"""Name each system package this machine lacks, with the apt line that brings it.

    python -m tests.support.doctor [--only pango,chromium]

Standard library only, so that it runs before anything is installed. On a person's machine it warns and
the tests that need the part are skipped by name; with CI=true a missing part ends the run, so that no
test is left out unseen.
"""

import argparse
import ctypes.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

R_PACKAGES = ("lme4", "pbkrtest", "lmerTest", "emmeans", "survival", "jsonlite")
PANGO_LIBRARIES = ("pango-1.0", "pangoft2-1.0", "harfbuzz-subset")


def in_ci() -> bool:
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def chromium_path() -> str | None:
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        if path := shutil.which(name):
            return path
    return None


def postgresql_bin() -> Path | None:
    """The folder that holds initdb and postgres; Debian keeps it off PATH, one folder a major version."""
    folders = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name), reverse=True
    )
    if initdb := shutil.which("initdb"):
        folders.append(Path(initdb).resolve().parent)
    return next((folder for folder in folders if _has_server(folder)), None)


def _has_server(folder: Path) -> bool:
    return all(os.access(folder / name, os.X_OK) for name in ("initdb", "postgres"))


@cache
def missing_r_packages() -> tuple[str, ...]:
    """The R packages that are not installed; ("R",) where R itself is missing."""
    rscript = shutil.which("Rscript")
    if rscript is None:
        return ("R",)
    code = "cat(rownames(installed.packages()), sep = '\\n')"
    run = subprocess.run([rscript, "-e", code], capture_output=True, text=True, check=False)
    return tuple(name for name in R_PACKAGES if name not in run.stdout.split())


def missing_pango_libraries() -> tuple[str, ...]:
    return tuple(name for name in PANGO_LIBRARIES if ctypes.util.find_library(name) is None)


@dataclass(frozen=True)
class Part:
    """One system part: what needs it, whether it is here, and the Debian packages that bring it."""

    purpose: str
    is_here: Callable[[], bool]
    packages: tuple[str, ...]

    @property
    def apt_line(self) -> str:
        return "sudo apt-get install " + " ".join(self.packages)


PARTS: dict[str, Part] = {
    "pango": Part(
        "Pango, which sets the PDF reports",
        lambda: not missing_pango_libraries(),
        ("libpango-1.0-0", "libpangoft2-1.0-0", "libharfbuzz-subset0", "fonts-dejavu-core"),
    ),
    "chromium": Part(
        "Chromium, for the browser tests",
        lambda: chromium_path() is not None,
        ("chromium",),
    ),
    "r": Part(
        "R with lme4, pbkrtest, lmerTest, emmeans, survival and jsonlite, for the reference tests",
        lambda: not missing_r_packages(),
        ("r-base-core", *(f"r-cran-{name.lower()}" for name in R_PACKAGES)),
    ),
    "postgresql": Part(
        "PostgreSQL's server binaries, for the tests that touch the database",
        lambda: postgresql_bin() is not None,
        ("postgresql",),
    ),
}


def missing_parts(names: list[str]) -> list[str]:
    return [name for name in names if not PARTS[name].is_here()]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(PARTS), help="parts to look for, separated by commas")
    parser.add_argument(
        "--packages", action="store_true", help="print the missing Debian packages and no more"
    )
    options = parser.parse_args()
    missing = missing_parts(options.only.split(","))
    if options.packages:
        print(" ".join(package for name in missing for package in PARTS[name].packages))
        return 0
    for name in missing:
        print(f"MISSING: {PARTS[name].purpose}\n         {PARTS[name].apt_line}", file=sys.stderr)
    if missing and in_ci():
        print("CI=true, so nothing may be skipped: stopping here.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
