"""Which modules get errors planted, and which tests must notice."""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Target:
    """`modules` and `tests` as paths from the root; a folder stands for what is below it.

    `is_pure`: the modules know no Django, so that they can be imported again beside a Django that is set up.
    `apart`: modules below `modules` that another target holds.
    """

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    is_pure: bool = False
    apart: tuple[str, ...] = ()

    def files(self) -> list[Path]:
        found = below(self.modules) - below(self.apart)
        return sorted(path for path in found if path.stat().st_size and "migrations" not in path.parts)


def below(names: tuple[str, ...]) -> set[Path]:
    """The modules that the names stand for."""
    paths = [ROOT / name for name in names]
    return {module for path in paths for module in (path.rglob("*.py") if path.is_dir() else [path])}


MIXED = ("studies/analysis/lmm", "studies/analysis/mixed_model.py", "studies/analysis/mixed_model_each.py")
# What calls a mouse a response, a loss too heavy, an event or a test open: every limit of theirs is met exactly.
DECIDING = ("response", "response_criteria", "response_tests", "multiplicity", "weight", "weight_inference", "synergy",
            "synergy_scales", "survival", "survival_rows", "kaplan_meier")  # fmt: skip
DECIDING_MODULES = tuple(f"studies/analysis/{name}.py" for name in DECIDING)
DECIDING_TESTS = ("response", "response_criteria", "synergy", "synergy_scales", "survival", "survival_endpoints",
                  "survival_estimates", "weight")  # fmt: skip
# What fits and pools: searches with likelihoods of their own, whose tests take longest.
FITTING = ("tobit", "censored", "censored_nested", "growth_shapes", "laplace", "growth_models", "many_studies", "power",
           "simulation", "meta_analysis", "inference", "influence", "interval_censored", "biomarker",
           "biomarker_status", "effects_of_models", "hazards", "mean_curves")  # fmt: skip
FITTING_MODULES = tuple(f"studies/analysis/{name}.py" for name in FITTING)
ANALYSIS_TESTS = ("against_parts", "covariates", "curve_distance", "diagnostics", "endpoint_tests", "growth",
                  "growth_arms", "plan", "power_simulation", "response_criteria", "sensitivity", "simulation", "study",
                  "survival_estimates", "suspects", "synergy_scales", "tables", "tgi", "weight")  # fmt: skip

CORE = {
    "validation": Target(("studies/validation",), ("tests/validation",), is_pure=True),
    "access": Target(("studies/access.py",), ("tests/test_access.py",)),
    "blinding": Target(
        (
            "studies/endpoints.py",
            "studies/frames.py",
            "studies/actions/blinding.py",
            "studies/desk/blinding.py",
            "studies/models/blinding.py",
        ),
        (
            "tests/test_endpoints.py",
            "tests/test_frames.py",
            "tests/actions/test_blinding.py",
            "tests/desk/test_curves.py",
            "tests/desk/test_reveal.py",
            "tests/models/test_blinding.py",
        ),
    ),
    "masking": Target(  # what else decides between arms by name, by letter and none
        (
            "studies/desk/study_facts.py",
            "studies/reports/record_facts.py",
            "studies/reports/recorded.py",
            "studies/reports/pooled.py",
            "studies/reports/stored.py",
            "studies/actions/stored_reports.py",
            "studies/actions/snapshots.py",
            "studies/admin/endpoints.py",
            "studies/admin/scope.py",
        ),
        (
            "tests/desk/test_study_facts.py",
            "tests/reports/test_record_facts.py",
            "tests/reports/test_masked_plan.py",
            "tests/reports/test_stored.py",
            "tests/admin/test_declared.py",
            "tests/admin/test_scope.py",
        ),
    ),
    "audit": Target(
        (
            "studies/actions/audit.py",
            "studies/actions/anchors.py",
            "studies/actions/coverage.py",
            "studies/actions/row_seals.py",
            "studies/actions/seal_tables.py",
            "studies/models/audit.py",
            "studies/checks.py",
            "studies/management/commands/verify_audit.py",
        ),
        (
            "tests/actions/test_audit.py",
            "tests/actions/test_anchors.py",
            "tests/actions/test_coverage.py",
            "tests/actions/test_row_seals.py",
            "tests/actions/test_sign.py",
            "tests/models/test_record.py",
            "tests/test_triggers.py",
            "tests/test_verify_audit_command.py",
            "tests/desk/test_audit_trail.py",
        ),
    ),
    "locking": Target(
        (
            "studies/actions/study_states.py",
            "studies/actions/sign.py",
            "studies/actions/sign_session.py",
            "studies/actions/unlocking.py",
            "studies/models/signature.py",
            "studies/models/unlock.py",
            "studies/desk/locked.py",
        ),
        (
            "tests/actions/test_study_states.py",
            "tests/actions/test_sign.py",
            "tests/actions/test_sign_session.py",
            "tests/actions/test_unlocking.py",
            "tests/api/test_welfare.py",
            "tests/desk/set_up/test_guide.py",
            "tests/desk/test_sessions.py",
            "tests/desk/test_standing.py",
            "tests/entry/test_idle_lock.py",
            "tests/models/test_record.py",
            "tests/test_locked.py",
        ),
    ),
    "randomization": Target(("studies/randomization",), ("tests/randomization",), is_pure=True),
    "allocation": Target(
        ("studies/actions/allocate_mice.py",),
        ("tests/actions/test_allocate_mice.py", "tests/desk/test_enrollment.py"),
    ),
    "mixed": Target(
        MIXED,
        ("tests/analysis/lmm", *(f"tests/analysis/test_lmm{name}.py" for name in ("", "_each", "_more"))),
        is_pure=True,
    ),
    "deciding": Target(
        DECIDING_MODULES, tuple(f"tests/analysis/test_{name}.py" for name in DECIDING_TESTS), is_pure=True
    ),
    "fitting": Target(FITTING_MODULES, ("tests/analysis",), is_pure=True),
    "analysis": Target(
        ("studies/analysis",),
        tuple(f"tests/analysis/test_{name}.py" for name in ANALYSIS_TESTS),
        is_pure=True,
        apart=(*MIXED, *DECIDING_MODULES, *FITTING_MODULES),
    ),
    "alerts": Target(("studies/alerts",), ("tests/alerts",), is_pure=True),
    "imports": Target(("studies/imports",), ("tests/imports",), is_pure=True),
    "exports": Target(("studies/exports", "studies/formula_safety.py"), ("tests/exports",), is_pure=True),
    "words": Target(
        tuple(
            f"studies/{name}.py" for name in ("volumes", "days", "columns", "doses", "forecast", "wording")
        ),
        tuple(
            f"tests/test_{name}.py" for name in ("volumes", "days", "columns", "doses", "forecast", "wording")
        ),
    ),
}


def rest() -> Target:
    """Everything else in `studies`, and every test that starts no browser."""
    taken = {path for target in CORE.values() for path in target.files()}
    everything = Target(("studies",), ()).files()
    left = tuple(str(path.relative_to(ROOT)) for path in everything if path not in taken)
    folders = ("actions", "admin", "api", "desk", "entry", "models", "plots", "reports", "security")
    return Target(left, (*(f"tests/{name}" for name in folders), *whole_files()))


def whole_files() -> list[str]:
    """Tests of one file, without those of this repository itself and those that take minutes: every route, a demo
    from the command line, servers of their own.
    """
    apart = {"test_repository.py", "test_docs.py", "test_architecture.py", "test_simulate.py", "test_deploy.py",
             "test_deployment.py", "test_traceability.py", "test_every_write.py", "test_locked.py",
             "test_demo_command.py", "test_demo_refusals.py", "test_hooks.py", "test_databases.py",
             "test_released_states.py"}  # fmt: skip
    return sorted(
        str(path.relative_to(ROOT)) for path in (ROOT / "tests").glob("test_*.py") if path.name not in apart
    )


# Beside CORE, so that the mutants of `rest` stay the same ones, whose drawing the figures have a part in.
PLOTS = Target(("studies/plots",), ("tests/plots",), is_pure=True)
TARGETS = {**CORE, "plots": PLOTS, "rest": rest()}
