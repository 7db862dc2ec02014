"""Rules that need the whole sheet: the whole-sheet half of R3, R16, R23 and the share in R25."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
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
    pairs = [(reading.numbers[name].value, getattr(last, name)) for name in names]
    return [now / then for now, then in pairs if now and then] if all(a and b for a, b in pairs) else []


def swapped_mice(rows: Sequence[SheetRow], n_mice: int, limits: Limits) -> Found:
    """R16: two rows that fit each other's last value clearly better than their own."""
    for place, row in enumerate(rows):
        own = misfit(row.reading, row.last)
        if not row.is_new or own is None:
            continue
        for other_place, other in enumerate(rows):
            if other_place == place or other.reading.row.mouse == row.reading.row.mouse:
                continue
            others_own = misfit(other.reading, other.last)
            crossed, back = misfit(row.reading, other.last), misfit(other.reading, row.last)
            if others_own is None or crossed is None or back is None:
                continue
            if own + others_own > SWAP_OWN and crossed + back < SWAP_CROSSED * (own + others_own):
                name = other.reading.row.mouse
                yield place, soft("R16", "mouse", f"fits {name} better, and {name} this one: swapped?")
                break


SWAP_OWN = 8.0  # two rows this far from their own last values (squared spreads) ...
SWAP_CROSSED = 0.25  # ... and much nearer to each other's
SPREAD_LENGTH, SPREAD_WEIGHT = 0.18, 0.05  # of the log ratio between visits


def misfit(reading: Reading, last: Visit | None) -> float | None:
    """How far a reading lies from a last visit: sum of squared log ratios over their usual spread."""
    if last is None:
        return None
    pairs = [
        (reading.length_mm, last.length_mm, SPREAD_LENGTH),
        (reading.width_mm, last.width_mm, SPREAD_LENGTH),
        (reading.weight_g, last.weight_g, SPREAD_WEIGHT),
    ]
    known = [(now, then, spread) for now, then, spread in pairs if now and then]
    if len(known) < 2:
        return None
    return sum((log(now / then) / spread) ** 2 for now, then, spread in known)


def copied_down(rows: Sequence[SheetRow], n_mice: int, limits: Limits) -> Found:
    """R23: the last visit's length and width again, for several mice running."""
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


def _is_copy(row: SheetRow) -> bool:
    last = row.last
    return (
        last is not None
        and row.reading.length_mm is not None
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
