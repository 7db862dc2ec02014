"""The report of error rates: what was counted, the rule it is held to, and what fell short of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

from tests.simulate.cells import CULL_MM3, SEED, Cell

Z99 = 2.5758
SIZE, MOST_SIZE, FEWEST_JUDGED = (0.04, 0.06), 0.065, 2000
COVERAGE, LEAST_FIELLER = (0.94, 0.96), 0.93
Record = Mapping[str, Any]

HEAD = """# Error rates, measured

How often does a test of this product cry wolf, and how often does an interval miss the truth? `make simulate` draws
studies whose truth is known, analyzes them by the product's own procedure, and counts. It writes this page and
`error-rates.json`, the counts themselves.

## What is simulated

ln V of a mouse is a line in time from an enrollment reading on day −1, read on days 0, 3, 7, 10, 14, 17 and 21;
vehicle tumors grow 8-fold in 21 days, mice differ by 0.02 per day in slope and by 0.2 in ln V at the start, a reading
errs by 0.15 on ln V. *Culls*: a mouse leaves at the first reading of {cull:g} mm³ or more, which is kept.
*Correlation* is that of a mouse's slope with its ln V at enrollment.

- *One model*: arm A does nothing, B lowers the slope by 0.04 per day, A+B adds them. Size is that of A against vehicle,
  coverage that of B.
- *Nothing acts*: four equal arms, for Dunnett's family.
- *Programs*: a vehicle and a treated arm in 3 or 6 PDX models of each MAP2K4 status; models differ by 0.15 in ln V,
  by 0.015 per day in growth, and by *tau* per day in the treated arm's effect, which has nothing to do with status.

Every study counts, singular and refused ones too: a study that is refused rejects nothing. The batched analysis is
tested against `analyze_study` study by study, to 1e-6.

*Rule, fixed beforehand.* The 99 % Monte-Carlo interval of a size reaches into 4-6 % and no size is above 6.5 %; that
of a coverage reaches into 94-96 %; Fieller's interval covers at least 93 %. A cell whose true variance component is
0 may be conservative and is named. Cells that break an assumption on purpose (calipers, deaths, curves that bend)
are reported, not held to the rule. Below 2,000 studies a cell is preliminary: 6.5 % is then asked of the interval's
lower end.

*Seeds.* {seed}, the cell's name (its CRC-32) and the number of the piece, fixed beforehand: any machine draws the
same studies. {studies:,} studies were analyzed, {refused:,} of them refused, in {hours:.1f} processor-hours.

"""


@dataclass(frozen=True)
class Line:
    """One rate of one cell with its 99 % Monte-Carlo interval, and whether it keeps the rule."""

    cell: str
    what: str
    rate: float
    low: float
    high: float
    kept: bool
    excuse: str = ""

    @property
    def shown(self) -> str:
        mark = "" if self.kept and not self.excuse else " °" if self.kept else " **✗**"
        return f"{100 * self.rate:.2f} ({100 * self.low:.2f}-{100 * self.high:.2f}){mark}"


def rate_line(cell: Cell, what: str, hits: float, trials: float, kind: str) -> Line:
    """`kind`: "size", "coverage", "fieller", or "reported" where no rule is held against it."""
    rate = hits / trials
    # the interval of a share that is all or nothing still has the width of half a study
    half = Z99 * sqrt(max(rate * (1 - rate), 0.5 / trials) / trials)
    low, high = max(rate - half, 0.0), min(rate + half, 1.0)
    kept, excuse = True, ""
    if cell.bounded and kind == "size":
        above = rate if trials >= FEWEST_JUDGED else low
        kept = low <= SIZE[1] and above <= MOST_SIZE and high >= SIZE[0]
        if not kept and cell.zero and rate < SIZE[0]:
            kept, excuse = True, f"conservative, {cell.zero} is truly 0"
    elif cell.bounded and kind == "coverage":
        kept = low <= COVERAGE[1] and high >= COVERAGE[0]
        if not kept and cell.zero and rate > COVERAGE[1]:
            kept, excuse = True, f"conservative, {cell.zero} is truly 0"
    elif cell.bounded and kind == "fieller":
        kept = high >= LEAST_FIELLER
    return Line(cell.name, what, rate, low, high, kept, excuse)


def lines_of(cell: Cell, sums: Mapping[str, float]) -> dict[str, Line]:
    """Every judged rate of a cell, by name."""
    n = sums["studies"]

    def size(name: str, kind: str = "size", what: str = "rejected") -> Line:
        return rate_line(cell, f"size {name}", sums.get(f"{name}:{what}", 0), n, kind)

    def held(name: str, kind: str = "coverage") -> Line:
        return rate_line(
            cell, f"coverage {name}", sums.get(f"{name}:held", 0), sums[f"{name}:estimated"], kind
        )

    if cell.kind == "program":
        return {
            "size": size("interaction A"), "coverage": held("interaction A"),
            "arm": held("contrast A", "reported"), "model level": size("model level", "reported"),
            "model level coverage": held("model level", "reported"),
        }  # fmt: skip
    lines = {"size": size("contrast A"), "bliss": size("bliss A+B"), "bliss coverage": held("bliss A+B")}
    if cell.kind == "null":
        plain = size("family", "reported", "rejected unadjusted")
        return {"family": size("family"), "plain family": plain, **lines}
    bent = cell.design.slowing_per_day or any(arm.delay_days for arm in cell.design.arms)
    lines["coverage"] = held("contrast B", "reported" if bent else "coverage")
    lines["model TGI"] = held("tgi mixed model")
    name = "tgi delta"
    estimated, unbounded = sums[f"{name}:estimated"], sums.get(f"{name}:unbounded", 0)
    lines["fieller"] = rate_line(
        cell,
        "coverage Fieller",
        sums[f"{name}:held"] + unbounded,
        estimated,
        "fieller" if not _culled(cell) else "",
    )
    lines["fieller bounded"] = rate_line(
        cell, "Fieller, bounded", sums[f"{name}:held"], max(estimated - unbounded, 1), "reported"
    )
    lines["unbounded"] = rate_line(cell, "Fieller, unbounded", unbounded, estimated, "reported")
    return lines


def judged(cells: Sequence[Cell], records: Sequence[Record]) -> list[Line]:
    named = {record["cell"]: record for record in records}
    return [
        line for cell in cells if cell.name in named
        for line in lines_of(cell, named[cell.name]["sums"]).values()
    ]  # fmt: skip


def write_report(cells: Sequence[Cell], records: Sequence[Record]) -> str:
    named = {record["cell"]: record["sums"] for record in records}
    found = [cell for cell in cells if cell.name in named]
    text = HEAD.format(
        cull=CULL_MM3, seed=SEED, studies=int(sum(sums["studies"] for sums in named.values())),
        refused=int(sum(sums["refused"] for sums in named.values())),
        hours=sum(record["cpu_seconds"] for record in records) / 3600,
    )  # fmt: skip
    text += _verdict(judged(cells, records))
    text += "Rates in percent with their 99 % Monte-Carlo interval; ✗ breaks the rule, ° is conservative and named.\n"
    by_kind = {kind: [cell for cell in found if cell.kind == kind] for kind in ("effects", "null", "program")}
    straight = [cell for cell in by_kind["effects"] if cell.bounded]
    broken = [cell for cell in by_kind["effects"] if not cell.bounded]
    text += _one_model("One PDX model", straight, named) + _null(by_kind["null"], named)
    text += _one_model("Where an assumption does not hold (reported, not held to the rule)", broken, named)
    text += _programs(by_kind["program"], named) + _biases([cell for cell in found if cell.biases], named)
    return text


def _verdict(lines: Sequence[Line]) -> str:
    broken = [line for line in lines if not line.kept]
    excused = [line for line in lines if line.excuse]
    text = "## Verdict\n\n"
    text += f"{len(lines) - len(broken)} of {len(lines)} rates keep the rule.\n\n"
    for line in broken:
        text += f"- ✗ {line.cell}: {line.what} {line.shown}\n"
    for line in excused:
        text += f"- ° {line.cell}: {line.what} {line.shown}, {line.excuse}\n"
    return text + ("\n" if broken or excused else "")


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]], note: str = "") -> str:
    if not rows:
        return ""
    head = f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}\n"
    body = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    return f"\n## {title}\n\n{note}{head}{body}"


def _one_model(title: str, cells: Sequence[Cell], named: Mapping[str, Any]) -> str:
    rows = []
    for cell in cells:
        sums, lines = named[cell.name], lines_of(cell, named[cell.name])
        keys = ("size", "coverage", "bliss", "bliss coverage", "model TGI", "fieller", "fieller bounded")
        shown = [lines[key].shown for key in keys]
        ends = _percent(lines["unbounded"].rate), _singular(sums)
        rows.append([cell.name, f"{sums['studies']:,}", *shown, *ends])
    heads = [
        "cell", "studies", "size, slope contrast", "coverage, slope contrast", "size, Bliss", "coverage, Bliss",
        "coverage, TGI_model", "coverage, Fieller", "Fieller where bounded", "Fieller unbounded, %", "singular, %",
    ]  # fmt: skip
    note = (
        "The slope contrast is M1's with Kenward-Roger degrees of freedom. TGI_model is its interval carried to the "
        "day arms are compared at. Fieller's set counts as covering where it is unbounded; the share of those, in "
        "which the product prints no interval, stands beside it. Under culls Fieller's interval aims at the mean of "
        "the mice still followed: reported only.\n\n"
    )
    if any(not cell.bounded for cell in cells):
        note += (
            "Where curves bend no one slope is true: the coverage of the slope contrast is then that of the drug's "
            "effect while it acts, 0.04 per day, which no line through the window estimates; TGI_model's is that of "
            "the day.\n\n"
        )
    return _table(title, heads, rows, note)


def _null(cells: Sequence[Cell], named: Mapping[str, Any]) -> str:
    rows = []
    for cell in cells:
        sums, lines = named[cell.name], lines_of(cell, named[cell.name])
        shown = [lines[key].shown for key in ("family", "plain family", "size", "bliss")]
        rows.append([cell.name, f"{sums['studies']:,}", *shown, _singular(sums)])
    heads = ["cell", "studies", "family-wise size, Dunnett", "the same unadjusted", "size of one contrast",
             "size, Bliss", "singular, %"]  # fmt: skip
    note = "At least one of three arms is called active where none is.\n\n"
    return _table("Dunnett's family", heads, rows, note)


def _programs(cells: Sequence[Cell], named: Mapping[str, Any]) -> str:
    rows = []
    for cell in cells:
        sums, lines = named[cell.name], lines_of(cell, named[cell.name])
        shown = [
            lines[key].shown for key in ("size", "coverage", "model level", "model level coverage", "arm")
        ]
        rows.append([cell.name, f"{sums['studies']:,}", *shown, _singular(sums)])
    heads = ["cell", "studies", "size, interaction", "coverage, interaction", "size, model-level t test",
             "coverage, model-level t test", "coverage, arm over models", "singular, %"]  # fmt: skip
    plain = [
        rate_line(
            cell, "size", named[cell.name].get("model level:rejected", 0), named[cell.name]["studies"], "size"
        )
        for cell in cells
    ]
    note = (
        "The interaction by the product's rule: M4 with Kenward-Roger degrees of freedom, at most models less 2, and "
        "the t test on model-level effects where M4 estimates tau as 0. Beside it that t test in every study, which "
        "the analysis prints with every interaction: "
        f"{sum(line.kept and not line.excuse for line in plain)} of {len(plain)} of its sizes keep the rule.\n\n"
        "The arm's effect over models is M4's throughout: where tau is estimated as 0 it pools what models differ by "
        "with what mice differ by and keeps the few degrees of freedom of the models, so its interval is too wide "
        "wherever tau is small beside what mice differ by.\n\n"
    )
    return _table("The MAP2K4 interaction", heads, rows, note)


def _biases(cells: Sequence[Cell], named: Mapping[str, Any]) -> str:
    text = ""
    for cell in cells:
        sums = named[cell.name]
        names = sorted(key.rsplit(":", 1)[0] for key in sums if key.endswith(":absolute"))
        rows = [
            [name, *(f"{sums[f'{name}:{what}'] / sums[f'{name}:estimated']:.1f}"
                     for what in ("truth", "error", "absolute")),
             _percent(_held_where_bounded(sums, name))]
            for name in names
        ]  # fmt: skip
        culled = 100 * sums["culled"] / sums["mice"]
        text += _table(
            f"TGI against its truth: {cell.name}",
            ["measure", "truth, %", "mean error, points", "mean absolute error, points", "coverage where bounded, %"],
            rows, f"{culled:.0f} % of mice culled; {sums['studies']:,} studies.\n\n",
        )  # fmt: skip
    if not text:
        return ""
    return text + (
        "\nRows named *last day* are read on day 21 whoever is left: available cases (the mice still followed), the "
        "last reading carried forward (which the product never does), and the mixed model. The other rows are read on "
        "the day of the day rule. Errors are cut at 200 points.\n"
    )


def _held_where_bounded(sums: Mapping[str, float], name: str) -> float:
    return sums.get(f"{name}:held", 0) / max(sums[f"{name}:estimated"] - sums.get(f"{name}:unbounded", 0), 1)


def _singular(sums: Mapping[str, float]) -> str:
    return _percent(sums["singular"] / sums["studies"])


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _culled(cell: Cell) -> bool:
    return cell.design.limits.volume_cap_mm3 <= CULL_MM3
