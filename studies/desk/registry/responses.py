"""How PDX models answered agents: growth of treated tumors against their controls', with genotype tracks.

Only studies whose arms the viewer may see by name take part; no study else tells that it exists.
"""

from collections import defaultdict
from dataclasses import dataclass
from math import exp
from statistics import mean

from django.db.models import Exists, OuterRef
from django.shortcuts import get_object_or_404, render

from studies import access
from studies.endpoints import endpoint
from studies.forecast import growth_rate_per_day
from studies.frames import growth_curves
from studies.models import Mouse, PdxModel, Study, User
from studies.terms import ArmRole, BiomarkerStatus

GENES = ("MAP2K4", "MAP3K1", "KRAS")
CONTROLS = {str(ArmRole.VEHICLE), str(ArmRole.OTHER_CONTROL)}
# Upper ends of the colors' classes: treated over control after a week of growth, in percent.
CLASSES = (40, 55, 70, 85, 115, 140)


@dataclass(frozen=True)
class Cell:
    """One agent in one PDX model. `percent`: 100 exp(7 (treated rate - control rate)), rates per day, means of mice."""

    percent: float
    n_treated: int
    n_control: int

    @property
    def color_class(self) -> int:
        return sum(self.percent > end for end in CLASSES)


@dataclass(frozen=True)
class Row:
    """An agent, or agents given together, with a cell (or None) for each PDX model."""

    agents: str
    cells: list[Cell | None]


@endpoint(access.SCIENCE_READERS, shared=True)
def responses(request, pdx_model: str):
    """The part of a PDX model's page that its script asks for, and a page of its own without script."""
    model = get_object_or_404(PdxModel, code=pdx_model)
    cells = response_cells(open_studies(request.user, model), request.user)
    agents = sorted({agents for agents, code in cells if code == model.code})
    codes = {code for given, code in cells if given in agents}
    models = list(
        PdxModel.objects.filter(code__in=codes).prefetch_related("genotype_calls", "status_overrules")
    )
    hidden = access.pdx_models_with_hidden_status(request.user)
    models.sort(key=lambda one: (one.code != model.code, _place(one, hidden), one.code))
    context = {
        "nav": "registry",
        "pdx_model": model,
        "models": models,
        "tracks": [(gene, [_status(one, gene, hidden) for one in models]) for gene in GENES],
        "rows": [Row(given, [cells.get((given, one.code)) for one in models]) for given in agents],
        "classes": range(len(CLASSES) + 1),
    }
    part = request.headers.get("X-Part") == "yes"
    return render(request, f"studies/desk/registry/responses{'_part' if part else ''}.html", context)


def open_studies(user: User, model: PdxModel) -> list[Study]:
    """The viewer's studies with mice of the PDX model whose arms they may see by name."""
    mice = Mouse.objects.filter(study=OuterRef("pk"), pdx_model=model)
    studies = access.studies_of(user, access.ARM_READERS).filter(Exists(mice))
    return [study for study in studies.order_by("code") if access.may_see_arms(user, study)]


def response_cells(studies: list[Study], viewer: User) -> dict[tuple[str, str], Cell]:
    """(agents, PDX model) -> cell, over all studies together; controls are of the same study and PDX model."""
    contrasts: dict[tuple[str, str], list[tuple[float, int, int]]] = defaultdict(list)
    for study in studies:
        given = _agents(study)
        rates: dict[tuple[str, str], list[float]] = defaultdict(list)
        for curve in growth_curves(study, viewer):
            treated = [place for place, day in enumerate(curve.days) if day >= 0]
            rate = growth_rate_per_day(
                [curve.days[place] for place in treated], [curve.volumes_mm3[place] for place in treated]
            )
            if rate is not None and curve.arm:
                rates["" if curve.role in CONTROLS else given[curve.arm], curve.pdx_model].append(rate)
        for (agents, code), found in rates.items():
            control = rates.get(("", code))
            if agents and control:
                contrasts[agents, code].append((mean(found) - mean(control), len(found), len(control)))
    return {key: _cell(found) for key, found in contrasts.items()}


def _cell(contrasts: list[tuple[float, int, int]]) -> Cell:
    """Studies together, each by its treated mice."""
    treated = sum(n for _, n, _ in contrasts)
    difference = sum(one * n for one, n, _ in contrasts) / treated
    return Cell(100 * exp(7 * difference), treated, sum(n for *_, n in contrasts))


def _agents(study: Study) -> dict[str, str]:
    """Arm -> the agents given in it, its own name where none are on record."""
    arms = study.arms.prefetch_related("arm_agents__agent")
    return {
        arm.name: " + ".join(sorted(str(given.agent) for given in arm.arm_agents.all())) or arm.name
        for arm in arms
    }


def _status(model: PdxModel, gene: str, hidden: frozenset[int]) -> BiomarkerStatus | None:
    return None if model.pk in hidden else model.biomarker_status(gene)


def _place(model: PdxModel, hidden: frozenset[int]) -> int:
    status = _status(model, GENES[0], hidden)
    return list(BiomarkerStatus).index(status) if status else len(BiomarkerStatus)
