"""Documentation is tested: what the code offers has its heading, and what the documents name is there."""

import ast
import re
from collections.abc import Iterator
from math import exp
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
import pytest

import studies.analysis
from studies.imports import FORMATS
from studies.reports.headless import analyze_frame
from studies.volumes import FORMULAS

ROOT = Path(__file__).parent.parent
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
ENVIRONMENT_READERS = re.compile(r"(env|env\.\w+|env_\w+|os\.getenv|os\.environ\.get|environ\.get)$")
# Read, but not ours to describe: what other programs set, or what only these tests look at.
NOT_SETTINGS = {"DJANGO_SETTINGS_MODULE"}


def without_code(text: str) -> str:
    """Fenced code holds comments that look like headings and links that are none."""
    return re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)


def headings(name: str) -> list[str]:
    path = ROOT / "docs" / name
    assert path.exists(), f"docs/{name} is missing"
    return re.findall(r"^#+ +(.*)$", without_code(path.read_text(encoding="utf-8")), re.M)


def has_heading(name: str, word: str) -> bool:
    """Whether a heading of docs/`name` holds the word as a whole: "### `tgi`" or "## TGI: `tgi`"."""
    return any(re.search(rf"(?<![\w.]){re.escape(word)}(?![\w])", heading) for heading in headings(name))


def need_heading(name: str, word: str) -> None:
    assert has_heading(name, word), f"docs/{name} has no heading that names `{word}`"


def settings_read() -> Iterator[str]:
    """Every environment variable that settings and the product's code read by a literal name."""
    for path in [ROOT / "pdx_tracker" / "settings.py", *sorted((ROOT / "studies").rglob("*.py"))]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = _variable_read(node)
            if name and name not in NOT_SETTINGS:
                yield name


def _variable_read(node: ast.AST) -> str | None:
    if isinstance(node, ast.Subscript) and ast.unparse(node.value) in {"os.environ", "environ", "env"}:
        argument: ast.expr | None = node.slice
    elif isinstance(node, ast.Call) and ENVIRONMENT_READERS.match(ast.unparse(node.func)) and node.args:
        argument = node.args[0]
    else:
        return None
    return argument.value if isinstance(argument, ast.Constant) and isinstance(argument.value, str) else None


@pytest.mark.parametrize("formula", FORMULAS)
def test_every_volume_formula_has_its_heading(formula):
    need_heading("methods.md", formula)


@pytest.mark.parametrize("name", studies.analysis.__all__)
def test_every_public_name_of_the_analysis_has_its_heading(name):
    need_heading("methods.md", name)


# What of a study's JSON tells of the analysis and is no statistic: described with `analyze_study`.
ECHOES = ("study", "input", "plan", "arms", "notes", "versions")
PARTS = {
    "what it answers": r"what (it|they) answers?",
    "its formula": r"formula|rule",
    "its assumptions": r"assum",
    "when not to use it": r"when not to use|not to be used",
    "its source": r"source|\b(18|19|20)\d\d\b",
    "how it is tested": r"\*tested|tested\*",
}


def contract_keys() -> list[str]:
    """The parts of a study's JSON: of the analysis, and those a report adds."""
    table = pd.DataFrame([
        {"mouse": f"{arm}{mouse}", "arm": arm, "day": day, "volume_mm3": 150 * exp(0.05 * day + mouse * day % 3 / 10)}
        for arm in ("vehicle", "drug") for mouse in range(2) for day in (0, 4, 7)
    ])  # fmt: skip
    [study] = analyze_frame(table, {"control": "vehicle"})
    return list(study.document)


def section_of(key: str) -> str:
    """The text under the heading that names a key in backticks, to the next heading as high."""
    lines = without_code((ROOT / "docs" / "methods.md").read_text(encoding="utf-8")).splitlines()
    starts = [place for place, line in enumerate(lines) if line.startswith("#") and f"`{key}`" in line]
    assert starts, f"docs/methods.md has no heading that names `{key}`"
    level = len(lines[starts[0]]) - len(lines[starts[0]].lstrip("#"))
    rest = lines[starts[0] + 1 :]
    ends = [place for place, line in enumerate(rest) if re.match(rf"#{{1,{level}}} ", line)]
    return "\n".join(rest[: ends[0]] if ends else rest)


def test_every_result_of_a_study_has_its_section_whole():
    """Each says what it answers, its formula, what it assumes, when not to use it, its source and its tests."""
    lacking = {
        key: missing
        for key in contract_keys()
        if key not in ECHOES
        and (
            missing := [part for part, sign in PARTS.items() if not re.search(sign, section_of(key).lower())]
        )
    }
    assert lacking == {}


@pytest.mark.parametrize("format_id", FORMATS)
def test_every_import_format_has_its_heading(format_id):
    need_heading("operations.md", format_id)


@pytest.mark.parametrize("variable", sorted(set(settings_read())))
def test_every_setting_has_its_heading(variable):
    need_heading("operations.md", variable)


def test_the_settings_are_found_where_they_are_read():
    assert {"DATABASE_URL", "SECRET_KEY", "PDX_DATA_DIR", "HTTPS"} <= set(settings_read())


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(document):
    text = without_code(document.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target) or target.startswith("#"):
            continue
        path = document.parent / unquote(target.partition("#")[0])
        assert path.exists(), f"{document.name} links to {target}, which is not there"


def make_targets() -> set[str]:
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    assert phony is not None
    return set(phony.group(1).split())


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_in_the_documents_exists(document):
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"(?:`|^\s*)make ([a-z][a-z-]*)", text, re.M):
        assert target in make_targets(), f"{document.name} tells of make {target}"
    ours = {path.stem for path in (ROOT / "studies" / "management" / "commands").glob("*.py")}
    theirs = {"migrate", "runserver", "createsuperuser", "collectstatic", "check", "help"}
    for command in re.findall(r"manage\.py ([a-z][a-z_]*)", text):
        assert command in ours | theirs, f"{document.name} tells of manage.py {command}"


def test_paths_named_in_the_architecture_exist():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:studies|tests|templates|docs)/[\w./-]*)`", text))
    assert named, "the architecture names no path"
    assert sorted(path for path in named if not (ROOT / path).exists()) == []


def test_every_target_tells_what_it_does():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    told = set(re.findall(r"^([a-z-]+):.*## .+$", makefile, re.M))
    assert make_targets() <= told
