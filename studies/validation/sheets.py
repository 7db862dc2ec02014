"""Rules that need the whole sheet: the whole-sheet half of R3, R16, R23 and the share in R25."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from math import log

from studies.terms import MeasurementStatus
from studies.validation.findings import Finding, soft
from studies.validation.limits import Limits
from studies.validation.rows import MouseFacts, Reading, Visit

# Codes under which nothing was read. Not palpable is a finding of its own: complete responses are the
# best news of a study, and asking for each at every visit would teach people to confirm unread.
CODED = frozenset(
    {
        MeasurementStatus.NOT_DONE,
        MeasurementStatus.TOO_SMALL,
        MeasurementStatus.ULCERATED,
        MeasurementStatus.DEAD,
        MeasurementStatus.EXCLUDED,
    }
)
FEWEST_ROWS = 3  # below this a sheet has no habit to compare a row with
NEAR = Decimal("1.6")  # a length grows less than this between visits, and 10 or 0.1 times is beyond it


@dataclass(frozen=True)
class SheetRow:
    """One row of the sheet so far, in the order of the sheet; `is_new` while it is being judged."""

    reading: Reading
    mouse: MouseFacts
    is_new: bool = True

    @property
    def last(self) -> Visit | None:
        return self.mouse.last


Found = Iterator[tuple[int, Finding]]
SheetRule = Callable[[Sequence[SheetRow], int, Limits], Found]


def unit_slip(rows: Sequence[SheetRow], n_mice: int, limits: Limits) -> Found:
    """R3, whole sheet: most rows near 0.1 or 10 times their last values are in another unit."""
    for names, factor, hint in (
        (("length_mm", "width_mm"), Decimal(10), "were these read in cm?"),
        (("weight_g",), Decimal(1000), "was this weighed in kg or mg?"),
    ):
        compared = {
            place: ratios
            for place, row in enumerate(rows)
            if row.last and (ratios := _ratios(row.reading, row.last, names))
        }
        for slipped in (factor, 1 / factor):
            near = [
                place
                for place, ratios in compared.items()
                if all(1 / NEAR < ratio / slipped < NEAR for ratio in ratios)
            ]
            if len(compared) >= FEWEST_ROWS and len(near) >= limits.unit_slip_share * len(compared):
                for place in near:
                    share = f"{len(near)} of {len(compared)} rows are near {slipped:f} times"
                    yield place, soft("R3", names[0], f"{share} their last values: {hint}")


def _ratios(reading: Reading, last: Visit, names: tuple[str, ...]) -> list[Decimal]:
    """Now over then, of each name; none at all where a value is missing."""
    pairs = [(reading.numbers[name].value, getattr(last, name)) for name in names]
    found = [now / then for now, then in pairs if now and then]
    return found if len(found) == len(names) else []


def swapped_mice(rows: Sequence[SheetRow], n_mice: int, limits: Limits) -> Found:
    """R16: two rows of a cage's reach that fit each other's last value well and their own badly."""
    growth = common_growth(rows)
    misfits = [misfit(row.reading, row.last, growth) for row in rows]
    for place, row in enumerate(rows):
        own = misfits[place] if row.is_new else None
        if own is None:
            continue
        for there in range(max(0, place - CAGE_REACH), min(len(rows), place + CAGE_REACH + 1)):
            other, others_own = rows[there], misfits[there]
            gain = NEIGHBORS_GAIN if abs(there - place) == 1 else SWAP_GAIN
            if other is row or others_own is None or (apart := own + others_own) <= gain:
                continue  # rows that fit their own so well gain too little by any exchange
            crossed, back = misfit(row.reading, other.last, growth), misfit(other.reading, row.last, growth)
            if crossed is None or back is None:
                continue
            across = crossed + back
            if across < SWAP_FITS and apart - across > gain:
                name = other.reading.row.mouse
                yield place, soft("R16", "mouse", f"fits {name} better, and {name} this one: swapped?")
                break


CAGE_REACH = 5  # a cage holds at most five mice
# Squared spreads over the two rows: crosswise they fit, straight they do not. Neighbors are swapped more often.
SWAP_FITS, SWAP_GAIN, NEIGHBORS_GAIN = 8.0, 10.0, 6.0
OWN_FITS = 3.0  # what three numbers of an honest row come to on average
COPY_GAIN, FELT_GAIN = 0.0, 6.0  # two mice without a tumor often weigh the same
SMALL_MM = 3  # a tumor at the limit of detection honestly reads the same again
# Of the log ratio between visits. Length and width grow together, so their ratio tells a mouse best.
SPREAD_SIZE, SPREAD_ASPECT, SPREAD_WEIGHT = 0.18, 0.12, 0.04
# Where nothing was palpable, now or then: of the log ratio of volumes, each with the caliper's own error added.
FELT_MM3, SPREAD_FELT = 30, 0.54
FARTHEST = 9.0  # one number far off must not outweigh the others


def common_growth(rows: Sequence[SheetRow]) -> float:
    """The median log ratio of a length to its last, over the whole sheet and so over all arms pooled."""
    ratios = sorted(
        log(row.reading.length_mm / row.last.length_mm)
        for row in rows
        if row.reading.length_mm and row.last and row.last.length_mm
    )
    return ratios[len(ratios) // 2] if len(ratios) >= FEWEST_ROWS else 0.0


def misfit(reading: Reading, last: Visit | None, growth: float) -> float | None:
    """How far a reading lies from a last visit: squared log ratios of size, aspect and weight over their spread."""
    if last is None:
        return None
    found = []
    if reading.length_mm and reading.width_mm and last.length_mm and last.width_mm:
        length, width = log(reading.length_mm / last.length_mm), log(reading.width_mm / last.width_mm)
        found = [((length + width) / 2 - growth) / SPREAD_SIZE, (length - width) / SPREAD_ASPECT]
    elif (now := _felt_mm3(reading)) is not None and last.volume_mm3 is not None:
        found = [log((now + FELT_MM3) / (last.volume_mm3 + FELT_MM3)) / SPREAD_FELT]
    if reading.weight_g and last.weight_g:
        found.append(log(reading.weight_g / last.weight_g) / SPREAD_WEIGHT)
    return None if len(found) < 2 else sum(min(FARTHEST, one**2) for one in found)


def _felt_mm3(reading: Reading) -> Decimal | None:
    """The volume, 0 where nothing was palpable; None where nothing was read."""
    return Decimal(0) if reading.status is MeasurementStatus.NOT_PALPABLE else reading.volume_mm3


def copied_down(rows: Sequence[SheetRow], n_mice: int, limits: Limits) -> Found:
    """R23: the last visit's length and width again for several mice running, or one row written twice."""
    run: list[int] = []
    for place, row in enumerate([*rows, None]):
        if row is not None and _is_copy(row):
            run.append(place)
            continue
        if len(run) >= limits.copied_run:
            for copied in run:
                message = f"{len(run)} mice running have exactly their last length and width"
                yield copied, soft("R23", "length_mm", message)
        run = []
    growth = common_growth(rows)
    for place, other in _alike(rows):
        if rows[place].is_new and _is_neighbors(rows[place], rows[other], growth):
            who = rows[other].reading.row.mouse
            yield place, soft("R23", "mouse", f"has length, width and weight of its neighbor {who}")


def _alike(rows: Sequence[SheetRow]) -> Iterator[tuple[int, int]]:
    """Both orders of two neighbors with the same values; three and more running are no slip of one row."""
    for values, found in groupby(range(len(rows)), key=lambda place: _values(rows[place])):
        places = tuple(found)
        if values and len(places) == 2:
            yield from (places, places[::-1])


def _is_neighbors(row: SheetRow, other: SheetRow, growth: float) -> bool:
    """Whether a row's values fit its neighbor's last visit better than its own, and its own badly.

    Without a last visit nothing tells which mouse they are of.
    """
    own, others = misfit(row.reading, row.last, growth), misfit(row.reading, other.last, growth)
    if own is None or others is None:
        return False
    return own > OWN_FITS and own - others > (COPY_GAIN if row.reading.length_mm else FELT_GAIN)


def _values(row: SheetRow) -> tuple[Decimal | None, Decimal | None, Decimal] | None:
    """Length, width and weight of a row that has them all, or of one that felt nothing and has a weight."""
    length, width, weight = row.reading.length_mm, row.reading.width_mm, row.reading.weight_g
    is_whole = (length and width) or row.reading.status is MeasurementStatus.NOT_PALPABLE
    return (length, width, weight) if is_whole and weight else None


def _is_copy(row: SheetRow) -> bool:
    last = row.last
    return (
        last is not None
        and row.reading.length_mm is not None
        and row.reading.length_mm >= SMALL_MM
        and (row.reading.length_mm, row.reading.width_mm) == (last.length_mm, last.width_mm)
    )


def coded_share(rows: Sequence[SheetRow], n_mice: int, limits: Limits) -> Found:
    """R25, its soft half: more of the sheet coded than usual."""
    coded = [
        place
        for place, row in enumerate(rows)
        if row.reading.status in CODED and not row.reading.has_size_text
    ]
    mice = {rows[place].reading.row.mouse for place in coded}
    if n_mice and len(mice) > limits.coded_share * n_mice:
        for place in coded:
            yield place, soft("R25", "status", f"{len(mice)} of {n_mice} mice of this sheet are coded")


SHEET_RULES: tuple[SheetRule, ...] = (unit_slip, swapped_mice, copied_down, coded_share)
