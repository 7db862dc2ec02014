"""How every figure looks, decided once: color by role of the arm, marker and dash by the biomarker's status.

Colors are those of Okabe and Ito, which people with color blindness tell apart; red belongs to alerts.
Matplotlib is imported where a figure is made, so that this page costs nothing to import.
"""

import io
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import wraps
from typing import TYPE_CHECKING, Any

from studies.terms import ArmRole, BiomarkerStatus

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MM = 1 / 25.4
# Figures are drawn at the size they are printed at: one column of a journal, or the width of its page.
COLUMN_MM, PAGE_MM, TALLEST_MM = 85, 180, 225
LABEL_PT, TEXT_PT, SMALLEST_PT = 8, 7, 6.5
PANELS_IN_A_COLUMN = 2
INK, SOFT_INK, HAIRLINE, GHOST = "#1b1b1b", "#555555", "#9a9a9a", "#d0d0d0"

VEHICLE = "#6f6f6f"
OTHER_CONTROLS = ("#a3a3a3", "#8c8c8c")
SINGLE_AGENTS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
COMBINATIONS = ("#111111", "#3b2a6b", "#0b4a36", "#5a2d0c")
BLINDED = "#0072B2"

RESPONSES = {"CR": "#004c7a", "PR": "#56B4E9", "SD": "#c9c9c9", "PD": "#E69F00", "NE": "#ffffff"}

SETTINGS: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": LABEL_PT,
    "axes.titlesize": LABEL_PT,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": LABEL_PT,
    "figure.labelsize": LABEL_PT,
    "xtick.labelsize": TEXT_PT,
    "ytick.labelsize": TEXT_PT,
    "legend.fontsize": TEXT_PT,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.edgecolor": HAIRLINE,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "ytick.minor.size": 0,
    "xtick.minor.size": 0,
    "axes.unicode_minus": True,
    "lines.solid_capstyle": "round",
    "svg.hashsalt": "pdx-tracker",
    "svg.fonttype": "path",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


@dataclass(frozen=True)
class BiomarkerNames:
    """What figures call the gene that divides a study's PDX models, and its altered class."""

    gene: str = "MAP2K4"
    altered: str = "loss of function"


DEFAULT_NAMES = BiomarkerNames()
BIOMARKER: ContextVar[BiomarkerNames] = ContextVar("biomarker", default=DEFAULT_NAMES)  # set by `styled`


@dataclass(frozen=True)
class StatusLook:
    """How one status of the biomarker is drawn; {gene} and {altered} stand for what a study calls them."""

    label: str
    short: str
    marker: str
    filled: bool
    dash: Any = "-"  # only curves of the two known statuses stand in panels of their own


STATUS_LOOKS: dict[str | None, StatusLook] = {
    BiomarkerStatus.LOSS_OF_FUNCTION: StatusLook("{gene} {altered}", "{altered}", "o", True),
    BiomarkerStatus.WILD_TYPE: StatusLook("{gene} wild type", "wild type", "o", False, (0, (4, 1.6))),
    BiomarkerStatus.UNCERTAIN: StatusLook("{gene} uncertain", "uncertain", "D", False),
    BiomarkerStatus.UNKNOWN: StatusLook("{gene} status unknown", "status unknown", "s", False),
    None: StatusLook("All PDX models", "all", "s", True),
}
STATUS_ORDER = tuple(str(status) for status in STATUS_LOOKS if status is not None)


def look_of(status: str | None, names: BiomarkerNames | None = None) -> StatusLook:
    """How a status is drawn and called in this study."""
    look, told = STATUS_LOOKS[status], vars(names or BIOMARKER.get())
    return replace(look, label=look.label.format(**told), short=look.short.format(**told))


def arm_colors(arms: Iterable[Mapping[str, Any]], *, blinded: bool = False) -> dict[str, str]:
    """arm -> color, fixed by role and by the order of the arms in the study; one color while blinded."""
    palettes = {
        str(ArmRole.VEHICLE): (VEHICLE,),
        str(ArmRole.OTHER_CONTROL): OTHER_CONTROLS,
        str(ArmRole.COMBINATION): COMBINATIONS,
        str(ArmRole.SINGLE_AGENT): SINGLE_AGENTS,
    }
    used: dict[str, int] = {}
    colors = {}
    for arm in arms:
        role = str(arm["role"])
        palette = palettes.get(role, SINGLE_AGENTS)
        colors[arm["arm"]] = BLINDED if blinded else palette[used.get(role, 0) % len(palette)]
        used[role] = used.get(role, 0) + 1
    return colors


def in_reading_order(arms: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The arms with controls first and combinations last, otherwise in the study's order."""
    order = [str(role) for role in (ArmRole.VEHICLE, ArmRole.OTHER_CONTROL, ArmRole.SINGLE_AGENT)]
    return sorted(arms, key=lambda arm: order.index(arm["role"]) if arm["role"] in order else len(order))


def marker_style(status: str | None, color: str) -> dict[str, Any]:
    """Marker arguments for `Axes.plot`: filled for loss of function, open for wild type."""
    look = STATUS_LOOKS[status]
    return {
        "marker": look.marker,
        "markerfacecolor": color if look.filled else "white",
        "markeredgecolor": color,
        "markeredgewidth": 0.9,
        "markersize": 4,
    }


def styled(draw: Callable) -> Callable:
    """Run a drawing or saving function under our settings, and leave Matplotlib's own as they were.

    A drawing function also takes `biomarker`, the names its labels then bear.
    """

    @wraps(draw)
    def drawn(*args: Any, biomarker: BiomarkerNames | None = None, **kwargs: Any) -> Any:
        import matplotlib

        token = BIOMARKER.set(biomarker or BIOMARKER.get())
        try:
            with matplotlib.rc_context(SETTINGS):
                return draw(*args, **kwargs)
        finally:
            BIOMARKER.reset(token)

    return drawn


def new_figure(width_mm: float, height_mm: float) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(width_mm * MM, height_mm * MM), layout="constrained")


def figure_mm(columns: int) -> float:
    """How wide a figure of so many panels abreast is: two at most are read in one column of a journal."""
    return COLUMN_MM if columns <= PANELS_IN_A_COLUMN else PAGE_MM


def fits_a_column(figure: "Figure") -> bool:
    """Whether a figure is drawn for one column; all others take the width of the page."""
    return bool(figure.get_size_inches()[0] <= (COLUMN_MM + 0.5) * MM)


def panel_mm(columns: int) -> float:
    """About how wide one of its panels is, for what is written above it."""
    return (figure_mm(columns) - 12) / columns - 3


def panels(
    count: int, columns: int, height_mm: float, *, share_y: bool = True, extra_mm: float = 0
) -> tuple["Figure", list["Axes"]]:
    """A figure of `count` panels in rows of `columns`; unused places stay blank."""
    rows = -(-count // columns)
    figure = new_figure(figure_mm(columns), rows * height_mm + 8 + extra_mm)
    grid = figure.subplots(rows, columns, sharex=True, sharey=share_y, squeeze=False)
    axes = list(grid.flat)
    for spare in axes[count:]:
        spare.set_visible(False)
    for place, axis in enumerate(axes[:count]):
        axis.tick_params(labelleft=place % columns == 0, labelbottom=place + columns >= count)
    return figure, axes[:count]


@styled
def to_svg(figure: "Figure") -> bytes:
    """SVG with the same bytes for the same figure."""
    return _saved(figure, format="svg", metadata={"Date": None, "Creator": None})


@styled
def to_png(figure: "Figure", dots_per_inch: int = 200) -> bytes:
    return _saved(figure, format="png", dpi=dots_per_inch, metadata={"Software": None})


def _saved(figure: "Figure", **options: Any) -> bytes:
    """The figure as a file. Its first drawing settles the layout, which costs more than all the rest."""
    out = io.BytesIO()
    figure.savefig(out, **options)
    figure.set_layout_engine("none")
    return out.getvalue()
