"""The container file, compose file and services say what the program needs; deploy/rehearse.py runs the first."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.rehearse import REPOSITORY, left_out, steps

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"


def lines(word: str) -> list[str]:
    return [rest for step, rest in steps((DEPLOY / "Dockerfile").read_text(encoding="utf-8")) if step == word]


def test_the_image_holds_what_runs_and_no_more():
    names = [path.name for path in ROOT.iterdir()] + [".git", ".venv", "var", "tests", "docs"]
    kept = set(names) - left_out(str(REPOSITORY), names)
    assert kept >= {"manage.py", "pdx_tracker", "studies", "templates", "requirements.txt", ".ci", "deploy"}
    assert not kept & {".git", ".venv", "var", "tests", "docs"}
    assert left_out(str(REPOSITORY / "deploy"), [".env", "web.sh"]) == {".env"}
    assert lines("USER") == ["pdx"] and "DEBUG" not in " ".join(lines("ENV"))
    assert not re.search(r"SECRET_KEY=|AUDIT_KEY=|PASSWORD=", " ".join(lines("ENV") + lines("RUN")))


def test_the_compose_file_asks_for_every_secret():
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    for name in ("SECRET_KEY", "AUDIT_KEY", "POSTGRES_PASSWORD", "SITE"):
        assert f"${{{name}:?}}" in text, f"{name} may be left out"
    assert "no-new-privileges:true" in text and "cap_drop: [ALL]" in text


def test_what_the_compose_file_sets_is_a_setting():
    told = set(re.findall(r"^      ([A-Z_]+):", (DEPLOY / "compose.yaml").read_text(encoding="utf-8"), re.M))
    operations = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    ours = {name for name in told if not name.startswith("POSTGRES_")}
    assert len(ours) > 6 and ours <= set(re.findall(r"^### ([A-Z_]+)$", operations, re.M))


@pytest.mark.parametrize("name", ["pdx-web.service", "pdx-work.service"])
def test_a_service_runs_without_rights_and_what_it_starts_is_there(name):
    text = (DEPLOY / name).read_text(encoding="utf-8")
    for line in ("User=pdx", "NoNewPrivileges=true", "ProtectSystem=strict", "CapabilityBoundingSet="):
        assert line in text.splitlines()
    started = re.search(r"^ExecStart=/opt/pdx/(\S+)$", text, re.M)
    assert started and (ROOT / started[1]).stat().st_mode & 0o111


def test_the_rehearsal_says_how_it_is_called():
    done = subprocess.run([sys.executable, str(DEPLOY / "rehearse.py")], capture_output=True, text=True)
    assert done.returncode == 1 and "debootstrap" in done.stderr
