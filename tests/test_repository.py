"""What every file of the repository must hold to, whoever writes it."""

import ast
import hashlib
import re
import subprocess
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
VENDOR = ROOT / "studies" / "static" / "studies" / "vendor"
TEXT_ENDINGS = frozenset(
    {
        ".py",
        ".md",
        ".toml",
        ".txt",
        ".html",
        ".css",
        ".js",
        ".sh",
        ".json",
        ".csv",
        ".R",
        ".svg",
        ".yaml",
        ".service",
    }
)
TEXT_NAMES = {"Makefile", "LICENSE", "run", ".gitignore", "Containerfile"}
# Spelled in two halves so that this file does not find itself.
PRIVATE_PLACES = (
    "/wo" + "rk/",
    "/ro" + "ot/",
    "/ho" + "me/",
    "pypi." + "org",
    "pythonhos" + "ted",
    "npm" + "js",
)
LOCKS = ("requirements.txt", "tests/requirements.txt")


def tracked() -> list[Path]:
    """Every file under version control (or about to be), as paths from the root."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if run.returncode:
        pytest.skip("not a git checkout: the tracked files are unknown")
    return [Path(name) for name in run.stdout.split("\0") if name and (ROOT / name).is_file()]


def is_text(path: Path) -> bool:
    return path.suffix in TEXT_ENDINGS or path.name in TEXT_NAMES


def is_vendored(path: Path) -> bool:
    return "vendor" in path.parts and path.name != "README.md"


def our_text() -> list[Path]:
    return [path for path in tracked() if is_text(path) and not is_vendored(path)]


def read(path: Path) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def test_every_text_file_is_utf8_with_unix_lines_and_ends_in_one_newline():
    bad = []
    for path in our_text():
        data = (ROOT / path).read_bytes()
        if "reference" in path.parts or "samples" in path.parts:
            continue  # kept as their program wrote them
        if data and (not data.endswith(b"\n") or data.endswith(b"\n\n") or b"\r" in data):
            bad.append(str(path))
        data.decode("utf-8")
    assert bad == []


def test_no_file_names_a_private_place():
    found = [f"{path}: {place}" for path in our_text() for place in PRIVATE_PLACES if place in read(path)]
    assert found == []


SECRETS = {
    "private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "API token of ours": r"\bpdx_[A-Za-z0-9_-]{40,}",
    "cloud key": r"\bA(?:KIA|SIA)[0-9A-Z]{16}\b",
    "token of a code host": r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|glpat-[\w-]{20})",
    "chat token": r"\bxox[abpr]-[\w-]{10,}",
    "signed web token": r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.",
    "password in an address": r"\w+://[^\s:/@]+:(?!PASSWORD|password|secret|\$|\{|<|port)[^\s:/@'\"]{3,}@",
    "secret written down": r"(?i)\b(?:secret|audit|api)_key[\"']?\s*[:=]\s*[\"'][\w+/=-]{16,}[\"']",
}


def secrets_in(text: str) -> list[str]:
    return [kind for kind, pattern in SECRETS.items() if re.search(pattern, text)]


def test_no_file_holds_a_secret():
    assert [(str(path), found) for path in our_text() if (found := secrets_in(read(path)))] == []


@pytest.mark.parametrize(
    "leak",
    [
        "-----BEGIN RSA " + "PRIVATE KEY-----",
        "pdx" + "_" + "k" * 43,
        "AKIA" + "Q" * 16,
        "postgres://pdx:" + "hunter2@db",
        'SECRET_KEY = "' + "x" * 50 + '"',
    ],
)
def test_a_secret_would_be_seen(leak):
    assert secrets_in(f"see {leak} there")


def test_no_file_of_data_that_is_not_ours_to_give():
    """Databases and published studies stay outside; what tests need is small and stands under tests/."""
    for path in tracked():
        assert path.suffix not in {".sqlite3", ".db", ".bin", ".rds", ".RData", ".parquet"}, path
        assert (ROOT / path).stat().st_size < 2_000_000, f"{path} is over 2 MB"


def test_american_spelling():
    british = re.compile(
        r"\b(tumou" + r"rs?|colou" + r"rs?|randomis\w+|normalis\w+|analys" + r"ed|behaviou" + r"rs?)\b", re.I
    )
    reads_both = {"columns.py"}  # where the other spelling is folded into ours
    found = [
        f"{path}:{number}: {match.group()}"
        for path in our_text()
        if path.suffix in {".py", ".md", ".html", ".js"} and path.name not in reads_both
        if path.parts[0] != "tests"  # files of others are read there as they came
        for number, line in enumerate(read(path).splitlines(), 1)
        for match in british.finditer(line)
    ]
    assert found == []


@pytest.mark.parametrize("path", [path for path in tracked() if path.suffix == ".py"], ids=str)
def test_no_code_runs_what_it_reads(path):
    """No pickle, eval, exec, shell or unsafe YAML: a file someone gives us must never run."""
    forbidden_modules = {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal"}
    forbidden_calls = {
        "eval",
        "exec",
        "os.system",
        "os.popen",
        "yaml.load",
        "pd.read_pickle",
        "pandas.read_pickle",
    }
    for node in ast.walk(ast.parse(read(path), filename=str(path))):
        if isinstance(node, ast.Import):
            assert not forbidden_modules & {name.name.split(".")[0] for name in node.names}, (
                f"line {node.lineno}"
            )
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.module.split(".")[0] not in forbidden_modules, f"line {node.lineno}"
        elif isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in forbidden_calls, f"line {node.lineno}"
            shell = [word for word in node.keywords if word.arg == "shell"]
            assert not shell, f"line {node.lineno}: a command is a list, never a shell line"


def vendored_libraries() -> list[Path]:
    return sorted(path for path in VENDOR.glob("*") if path.is_dir())


@pytest.mark.parametrize("folder", vendored_libraries(), ids=lambda folder: folder.name)
def test_vendored_files_are_those_their_manifest_names(folder):
    manifest = (folder / "README.md").read_text(encoding="utf-8")
    assert re.search(r"licen[sc]e", manifest, re.I) and re.search(r"origin", manifest, re.I)
    named = set(re.findall(r"\b[0-9a-f]{64}\b", manifest))
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != "README.md":
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            assert digest in named, f"{path.name} is {digest}, which the README does not name"


def test_every_vendored_file_stands_in_a_library_folder():
    assert [path.name for path in VENDOR.glob("*") if path.is_file() and path.name != "README.md"] == []


def pins(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)(?:\[[^\]]*\])?==([^\s;\\]+)", read(Path(lock)), re.M))


def test_an_extra_asked_for_is_pinned_with_it():
    """Older pips read `coverage[toml]` as another requirement than `coverage`, and refuse it unpinned."""
    lock = read(Path("tests/requirements.txt"))
    asked = (Requirement(line) for name in pins("tests/requirements.txt") for line in requires_of(name))
    wanted = {(needed.name.lower(), extra) for needed in asked for extra in needed.extras}
    assert ("coverage", "toml") in wanted
    pinned = {(name, extra.strip()) for name, extras in re.findall(r"^([\w.-]+)\[([^\]]+)\]==", lock, re.M)
              for extra in extras.split(",")}  # fmt: skip
    assert wanted - pinned == set()


def requires_of(name: str) -> list[str]:
    """What an installed package needs here, without extras of its own."""
    try:
        lines = requires(name) or []
    except PackageNotFoundError:  # pinned for another platform
        return []
    return [
        line
        for line in lines
        if not Requirement(line).marker or Requirement(line).marker.evaluate({"extra": ""})
    ]


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_is_pinned_with_a_hash(lock):
    entries = re.split(r"\n(?=\S)", re.sub(r"^\s*#.*\n?", "", read(Path(lock)), flags=re.M).strip())
    assert len(entries) > 40
    assert [entry.split()[0] for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []


def test_tests_run_on_the_versions_that_are_installed():
    ours, theirs = pins("requirements.txt"), pins("tests/requirements.txt")
    assert {name: (pin, theirs.get(name)) for name, pin in ours.items() if theirs.get(name) != pin} == {}


def test_the_scripts_people_run_can_be_run():
    for path in (Path(".ci/run"), Path(".ci/install.sh")):
        assert (ROOT / path).stat().st_mode & 0o111, f"{path} is not executable"
