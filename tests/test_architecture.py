"""The import ladder and the purity of the core, as docs/architecture.md tells them."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parent.parent
# Rungs 1 and 2: no Django, no database, no clock, no global random state, no files.
PURE = (
    "terms",
    "volumes",
    "columns",
    "days",
    "doses",
    "forecast",
    "formula_safety",
    "wording",
    "analysis",
    "randomization",
    "alerts",
    "validation",
    "imports",
    "exports",
    "plots",
    "reports.blocks",
    "reports.sections",
)
DATABASE_SIDE = {"django", "studies.models", "studies.access", "studies.frames", "studies.actions"}
HEAVY = {"numpy", "pandas", "scipy", "statsmodels", "lifelines", "matplotlib", "weasyprint"}
WORDS = {"studies.terms", "studies.volumes", "studies.columns", "studies.days"}
# What reaches outside the arguments: a clock, a shared generator, a file.
IMPURE_CALLS = {
    "open",
    "input",
    "print",
    "date.today",
    "datetime.now",
    "datetime.today",
    "datetime.utcnow",
    "datetime.datetime.now",
    "time.time",
    "np.random.seed",
    "np.random.rand",
    "np.random.randn",
    "np.random.normal",
    "np.random.choice",
    "np.random.shuffle",
    "np.random.permutation",
    "random.random",
    "random.seed",
    "random.shuffle",
    "random.choice",
    "random.sample",
}


def module_path(name: str) -> Path:
    return ROOT.joinpath("studies", *name.split("."))


def pure_names() -> list[str]:
    return [
        name
        for name in PURE
        if (module_path(name) / "__init__.py").exists() or module_path(name).with_suffix(".py").exists()
    ]


def source_files(name: str) -> list[Path]:
    path = module_path(name)
    return sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph("studies", include_external_packages=True)


def test_no_module_climbs_the_ladder():
    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == 0


@pytest.mark.parametrize("name", pure_names())
def test_the_core_knows_neither_django_nor_the_database(graph, name):
    package = f"studies.{name}"
    reached = graph.find_upstream_modules(package, as_package=module_path(name).is_dir())
    assert not reached & DATABASE_SIDE


def test_models_know_the_words_and_nothing_heavier(graph):
    reached = graph.find_upstream_modules("studies.models", as_package=True)
    assert not reached & HEAVY
    ours = {module for module in reached if module.startswith("studies.")}
    assert {module for module in ours if not module.startswith("studies.models.")} <= WORDS


def called_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node.lineno, ast.unparse(node.func)


@pytest.mark.parametrize("name", pure_names())
def test_the_core_reads_no_clock_no_file_and_no_shared_generator(name):
    found = [
        f"{path.relative_to(ROOT)}:{line} calls {call}"
        for path in source_files(name)
        for line, call in called_names(ast.parse(path.read_text(encoding="utf-8")))
        if call in IMPURE_CALLS
    ]
    assert found == []


def test_the_types_of_every_package_of_the_core_are_checked():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    checked = {Path(path).with_suffix("") for path in settings["tool"]["mypy"]["files"]}
    core = {module_path(name).relative_to(ROOT) for name in pure_names()}
    assert core <= checked, f"add to files in [tool.mypy]: {sorted(map(str, core - checked))}"


def test_a_page_is_served_without_loading_the_analysis():
    """A tablet's page must not wait for pandas: only what runs an analysis may load it, when it runs."""
    code = (
        "import django, sys; django.setup()\n"
        "from django.urls import get_resolver; get_resolver().url_patterns\n"
        f"print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert run.stdout.strip() == "[]"


def test_every_table_of_the_record_is_sealed_or_named_as_an_exception():
    """A new table: add its name to SEALED in studies/triggers.py, and write its rows before their audit event."""
    from django.apps import apps

    from studies.triggers import SEALED, UNSEALED

    models = apps.get_app_config("studies").get_models(include_auto_created=True)
    of_packages = {"mfa_authenticator", "socialaccount_socialaccount"}  # ways to sign in
    assert {model._meta.db_table for model in models} | of_packages == {*SEALED, *UNSEALED}
