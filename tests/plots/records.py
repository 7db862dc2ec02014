"""Figures written down as text, in units of the data and of print: what a reader sees, before anything is laid out.

Names are cut to their room by the widths of the one font that figures have, which Matplotlib brings along.
`python -m tests.plots.records` writes those on record anew; a meant change is then a diff that can be read.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import Collection, LineCollection, PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.markers import MarkerStyle
from matplotlib.patches import Patch, Rectangle
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator
from matplotlib.transforms import Transform

from studies.plots.style import MM, styled

FOLDER = Path(__file__).parent.parent / "reference" / "figures"
INDENT = "  "


@styled
def record(figures: Iterable[Figure]) -> str:
    """The pages of a figure, an artist a line."""
    return "\n".join(line for figure in figures for line in page(figure)) + "\n"


def page(figure: Figure) -> Iterator[str]:
    width, height = figure.get_size_inches() / MM
    yield f"page {number(width)} x {number(height)} mm, {type(figure.get_layout_engine()).__name__}"
    for side in ("x", "y"):
        label = getattr(figure, f"_sup{side}label")
        if label is not None:
            yield f"{INDENT}{side} of all panels: {words(label)}"
    for legend in figure.legends:
        yield from indented(legend_lines(legend))
    for place, axis in enumerate(figure.axes, start=1):
        if axis.get_visible():
            yield f"{INDENT}panel {place}"
            yield from indented(indented(panel(axis)))
        else:
            yield f"{INDENT}panel {place} left blank"


def indented(lines: Iterable[str]) -> Iterator[str]:
    return (INDENT + line for line in lines)


def panel(axis: Axes) -> Iterator[str]:
    title = axis._left_title
    if title.get_text():
        gap = axis.titleOffsetTrans.transform((0, 0))[1] * 72 / axis.figure.dpi
        yield f"title {words(title)}, {number(gap)} pt above"
    if getattr(axis, "_colorbar_info", None):
        yield from color_bar(axis)
        return
    for side, one, limits in (("x", axis.xaxis, axis.get_xlim()), ("y", axis.yaxis, axis.get_ylim())):
        yield from side_lines(side, one, limits)
    spines = [(name, spine) for name, spine in axis.spines.items() if spine.get_visible()]
    yield "edges " + "; ".join(
        f"{name} {number(spine.get_linewidth())} {color(spine.get_edgecolor())}" for name, spine in spines
    )
    if axis.get_aspect() != "auto":
        yield f"aspect {number(axis.get_aspect())}"
    yield f"axis below {axis.get_axisbelow()}"
    known = {*axis.lines, *axis.texts, *axis.patches, *axis.collections, *axis.images}
    for artist in axis.get_children():
        is_blank = isinstance(artist, Text) and not artist.get_text()
        if artist in known and artist.get_visible() and not is_blank:
            yield from artist_lines(artist, axis)
    if axis.get_legend():
        yield from legend_lines(axis.get_legend())


def side_lines(side: str, axis: Axis, limits: tuple[float, float]) -> Iterator[str]:
    label = f", {words(axis.label)}" if axis.label.get_text() else ""
    yield f"{side} {number(limits[0])}..{number(limits[1])} {axis.get_scale()}{label}"
    yield f"{INDENT}ticks {ticks(axis)}{tick_style(axis)}"
    if len(axis.get_minorticklocs()):
        yield f"{INDENT}ticks between {numbers(axis.get_minorticklocs())} {settings(axis.get_tick_params('minor'))}"


def ticks(axis: Axis) -> str:
    """Where they are, if the figure says so; else who chooses, and of how many."""
    locator = axis.get_major_locator()
    if isinstance(locator, FixedLocator):
        places = list(locator.locs)
        return "; ".join(
            f"{number(place)} {label!r}"
            for place, label in zip(places, axis.get_major_formatter().format_ticks(places), strict=True)
        )
    most, whole = getattr(locator, "_nbins", ""), " whole" * bool(getattr(locator, "_integer", False))
    return f"{type(locator).__name__} {most}{whole}"


def tick_style(axis: Axis) -> str:
    tick = axis.get_major_ticks(1)[0]
    mark, label = tick.tick1line, tick.label1
    turned = f" turned {number(label.get_rotation())} {label.get_ha()} {label.get_rotation_mode()}" * bool(
        label.get_rotation()
    )
    shown = settings(axis.get_tick_params("major"))
    return (
        f"; marks {number(mark.get_markersize())} x {number(mark.get_markeredgewidth())}, labels "
        f"{number(label.get_fontsize())} pt {color(label.get_color())}{turned}, {shown}"
    )


def settings(shown: dict[str, Any]) -> str:
    """What is told of ticks and grids: a side that is drawn, and any size or color that was set."""
    told = [
        name if value is True else f"{name} {value if isinstance(value, str) else number(value)}"
        for name, value in sorted(shown.items())
        if value is not False
    ]
    return " ".join(told)


def color_bar(axis: Axes) -> Iterator[str]:
    bar, place = axis._colorbar, axis._colorbar_info
    yield (
        f"color bar {words(axis.xaxis.label)}, {bar.extend}, edge {number(bar.outline.get_linewidth())}, "
        + ", ".join(f"{name} {place[name]}" for name in ("location", "fraction", "pad", "aspect", "shrink"))
    )


def legend_lines(legend: Legend) -> Iterator[str]:
    place = getattr(legend, "_outside_loc", None) or legend._loc
    if legend.axes:
        tie = legend.get_bbox_to_anchor().transformed(legend.axes.transAxes.inverted())
        place = f"{place} at {numbers(tie.p0)} of the panel"
    title = f", {words(legend.get_title())}" if legend.get_title().get_text() else ""
    yield (
        f"legend {place}{title}, {legend._ncols} columns, handles {number(legend.handlelength)}, "
        f"gap {number(legend.columnspacing)}, framed {legend.get_frame_on()}"
    )
    for handle, text in zip(legend.legend_handles, legend.get_texts(), strict=True):
        told = line_style(handle) if isinstance(handle, Line2D) else patch_style(handle)
        yield f"{INDENT}{words(text)}: {told}"


def artist_lines(artist: Any, axis: Axes) -> Iterator[str]:
    if isinstance(artist, Line2D):
        points = points_of(artist.get_xdata(), artist.get_ydata())
        yield f"line {points}{tied_to(artist, axis)}: {line_style(artist)}{rest(artist, 2)}"
    elif isinstance(artist, Text):
        yield f"text {written(artist, axis)}{rest(artist, 3)}"
    elif isinstance(artist, Rectangle):
        corner, size = artist.get_xy(), (artist.get_width(), artist.get_height())
        yield f"box {numbers(corner)} + {numbers(size)}{tied_to(artist, axis)}: {patch_style(artist)}{rest(artist, 1)}"
    elif isinstance(artist, AxesImage):
        yield from image_lines(artist)
    elif isinstance(artist, Collection):
        yield from collection_lines(artist)
    else:
        raise TypeError(artist)


def written(text: Text, axis: Axes) -> str:
    if not hasattr(text, "xyann"):
        return f"{words(text)} at {numbers(text.get_position())}{tied_to(text, axis)}, {aligned(text)}"
    units = text.xycoords if isinstance(text.xycoords, str) else " and ".join(text.xycoords)
    moved = f", moved {numbers(text.xyann)} {text.anncoords}" if text.xyann != text.xy else ""
    outside = {False: "shown outside too", True: "hidden outside", None: "hidden outside data"}
    return f"{words(text)} at {numbers(text.xy)} {units}{moved}, {aligned(text)}, {outside[text.get_annotation_clip()]}"


def words(text: Text) -> str:
    """What is written, in which size and color."""
    bold = " bold" * (text.get_fontweight() == "bold")
    return f"{text.get_text()!r} {number(text.get_fontsize())} pt{bold} {color(text.get_color())}"


def aligned(text: Text) -> str:
    box = text.get_bbox_patch()
    told = f"{text.get_ha()} {text.get_va()}"
    if text.get_rotation():
        told += f" turned {number(text.get_rotation())}"
    if "\n" in text.get_text():
        told += f" lines {text._linespacing} apart"
    if box:
        pad = number(box.get_boxstyle().pad * text.get_fontsize())
        told += f" on {color(box.get_facecolor())} edge {color(box.get_edgecolor())} by {pad} pt"
    return told


def rest(artist: Any, usual_order: float) -> str:
    """What is told of any artist if it is not as usual."""
    return (
        f", order {number(artist.get_zorder())}" * (artist.get_zorder() != usual_order)
        + f", opacity {artist.get_alpha()}" * (artist.get_alpha() is not None)
        + ", not clipped" * (not artist.get_clip_on() and not isinstance(artist, Text))
        + ", out of the layout" * (not artist.get_in_layout())
    )


def line_style(line: Line2D) -> str:
    drawn, marked = line.get_linestyle() != "None", line.get_marker() not in ("None", None, "")
    told = []
    if drawn:
        steps = f" {line.get_drawstyle()}" * (line.get_drawstyle() != "default")
        caps = f" {line.get_solid_capstyle()}" if line.get_linestyle() == "-" else ""
        told.append(f"{color(line.get_color())} {number(line.get_linewidth())}{dash(line)}{steps}{caps}")
    if marked:
        fill = f" {color(line.get_markerfacecolor())}" if MarkerStyle(line.get_marker()).is_filled() else ""
        edge = f"edge {color(line.get_markeredgecolor())} {number(line.get_markeredgewidth())}"
        told.append(f"mark {line.get_marker()} {number(line.get_markersize())}{fill} {edge}")
    return ", ".join(told) or "not drawn"


def dash(line: Line2D) -> str:
    offset, pattern = line._unscaled_dash_pattern
    return f" dash {numbers(pattern)}" + f" from {number(offset)}" * bool(offset) if pattern else ""


def patch_style(patch: Patch) -> str:
    edge = f"edge {color(patch.get_edgecolor())} {number(patch.get_linewidth())}"
    return f"{color(patch.get_facecolor())} {edge}"


def collection_lines(found: Collection) -> Iterator[str]:
    order = 2 if isinstance(found, LineCollection) else 1
    if isinstance(found, LineCollection):
        look = f"{colors(found.get_colors())} {numbers(found.get_linewidths())}"
        yield f"lines: {look}{rest(found, order)}"
        yield from indented(points_of(*np.asarray(part).T) for part in found.get_segments() if len(part))
    elif isinstance(found, PathCollection):
        look = f"{colors(found.get_facecolors())} {numbers(found.get_sizes())} edges {numbers(found.get_linewidths())}"
        yield f"dots {points_of(*np.asarray(found.get_offsets()).T)}: {look}{rest(found, order)}"
    else:
        look = f"{colors(found.get_facecolors())} edges {numbers(found.get_linewidths())}"
        yield f"area: {look}{rest(found, order)}"
        yield from indented(points_of(*path.vertices.T) for path in found.get_paths())


def image_lines(image: AxesImage) -> Iterator[str]:
    low, high = image.get_clim()
    shades = [to_hex(image.cmap(part)) for part in (0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0)]
    missing = to_hex(image.cmap.get_bad())
    yield f"cells {number(low)}..{number(high)}: {' '.join(shades)}, missing {missing}, {image.get_interpolation()}"
    for row in np.ma.filled(image.get_array(), np.nan):
        yield INDENT + numbers(row)


def tied_to(artist: Any, axis: Axes) -> str:
    """What an artist's coordinates are parts of, where it is not data alone, and how far it is moved from there."""
    bases: dict[str, Transform] = {
        "": axis.transData,
        " in x data and y of the panel": axis.get_xaxis_transform(),
        " in x of the panel and y data": axis.get_yaxis_transform(),
        " in parts of the panel": axis.transAxes,
    }
    # A rectangle's own transform comes before that of what it is drawn in.
    own = artist.get_data_transform() if isinstance(artist, Patch) else artist.get_transform()
    if own == axis.transData:
        return ""
    probes = np.array([(0.5, 1.0), (1.0, 2.0)])
    for name, base in bases.items():
        moved = (own.transform(probes) - base.transform(probes)) * 72 / axis.figure.dpi
        if np.allclose(moved[0], moved[1], atol=1e-6):
            return name + (f" moved {numbers(moved[0])} pt" if np.abs(moved).max() > 1e-6 else "")
    raise LookupError(artist)


def points_of(xs: Any, ys: Any) -> str:
    return " ".join(
        f"({number(x)}, {number(y)})" for x, y in zip(np.atleast_1d(xs), np.atleast_1d(ys), strict=True)
    )


def numbers(values: Any) -> str:
    return " ".join(number(value) for value in np.atleast_1d(values))


def number(value: float) -> str:
    """Five digits: what differs less comes from the machine."""
    return f"{float(value) + 0.0:.5g}" if abs(float(value)) > 1e-9 or value != value else "0"


def colors(found: Any) -> str:
    """One color if all are the same."""
    names = [color(one) for one in found]
    return " ".join(names[:1] if len(set(names)) == 1 else names) or "no color"


def color(found: Any) -> str:
    if isinstance(found, str) and found.lower() == "none":
        return "none"
    name = to_hex(found, keep_alpha=True)
    return (
        "none"
        if name.endswith("00") and len(name) == 9
        else name.removesuffix("ff")
        if len(name) == 9
        else name
    )


def main() -> None:
    from tests.plots.examples import EXAMPLES

    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.glob("*.txt"):
        old.unlink()
    for name, draw in EXAMPLES.items():
        (FOLDER / f"{name}.txt").write_text(record(draw()), encoding="utf-8")
        print(FOLDER / f"{name}.txt")


if __name__ == "__main__":
    main()
