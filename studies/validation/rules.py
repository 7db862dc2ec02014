"""The table of rules R1 to R30: what each asks, in words and in code.

The words are those of docs/measurement-rules.md (a test compares them), the code is run by the form,
the API, the importer and the replay of a sheet alike.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from studies.validation import circumstances, sizes, weights
from studies.validation.findings import Finding
from studies.validation.rows import Checked

Check = Callable[[Checked], Iterable[Finding]]


def elsewhere(row: Checked) -> Iterable[Finding]:
    """For rules that look at the whole sheet (sheets.py) or at a correction (corrections.py)."""
    return ()


@dataclass(frozen=True)
class Rule:
    """One line of the table; `hard` and `soft` say in words when it refuses and when it asks."""

    id: str
    name: str
    hard: str
    soft: str
    check: Check = elsewhere


RULES: tuple[Rule, ...] = (
    Rule("R1", "number syntax", "anything but digits with one decimal mark", "", sizes.of_numbers("R1")),
    Rule("R2", "precision", "more than 2 decimals", "", sizes.of_numbers("R2")),
    Rule("R3", "unit", "a unit that is not the field's", "60 % of the sheet near 0.1 or 10 times the last "
         "values, 0.001 or 1000 times for weight", sizes.of_numbers("R3")),
    Rule("R4", "length, width range", "0 or less, or above 50 mm", "below 1 or above 25 mm",
         sizes.range_of_lengths),
    Rule("R5", "length at least width", "", "length below width", sizes.length_over_width),
    Rule("R6", "aspect", "length above 8 times width", "length above 3 times width", sizes.aspect),
    Rule("R7", "volume", "above 10,000 mm³", "above 3,000 mm³, the last visit's not above half of it", sizes.volume),
    Rule("R8", "growth", "", "(V + 30 mm³) above 1.5 x 2^(days/3) times, or below 0.4^(days/3) times "
         "(0.4 up to 3 days), the last visit's; not palpable where even that could be felt", sizes.growth),
    Rule("R9", "one dimension jump", "", "more than 1.5 mm and 30 % while the other dimension did not go along",
         sizes.jump),
    Rule("R10", "tumor endpoint", "", "volume or a diameter at the study's cap: stored, an action is due",
         sizes.tumor_endpoint),
    Rule("R11", "weight range", "below 5 or above 80 g", "outside 14 to 40 g, or the strain and sex's range",
         weights.weight_range),
    Rule("R12", "weight change", "", "above 10 % within 3 days (and 9 % off the last three's median), both growing "
         "with the gap up to 20 %", weights.weight_change),
    Rule("R13", "weight endpoint", "", "a loss of 15 % or 20 %: stored, an action is due",
         weights.weight_endpoint),
    Rule("R14", "tumor burden", "", "tumors above 10 % of body weight: stored, an action is due",
         weights.burden),
    Rule("R15", "right mouse", "mouse not on this sheet", "the scanned tag is another mouse's",
         circumstances.right_mouse),
    Rule("R16", "swapped mice", "", "two rows fit each other's last values better than their own"),
    Rule("R17", "after exit", "after the day of death or removal", "on that day", circumstances.after_exit),
    Rule("R18", "before events", "before birth, or a size before implantation",
         "before randomization, whose baseline is locked", circumstances.before_events),
    Rule("R19", "future", "more than 5 min after server time", "more than 2 min after server time",
         circumstances.future),
    Rule("R20", "late entry", "", "more than 24 h after observation", circumstances.late),
    Rule("R21", "study day", "", "00:00 to 04:00 at the study's place", circumstances.which_day),
    Rule("R22", "duplicate", "the same client id with another body, or a place that is taken",
         "a second session on the same day", circumstances.second_session),
    Rule("R23", "copied down", "", "the last length and width again for 3 mice running, or a neighbor's row again"),
    Rule("R24", "device burst", "", "two readings less than 250 ms apart", circumstances.burst),
    Rule("R25", "missing", "blank without a code, or a code beside a size it denies",
         "more than 20 % of the sheet coded", circumstances.missing),
    Rule("R26", "device", "a retired device", "calibration overdue, or another device than last visit",
         circumstances.device),
    Rule("R27", "observer", "", "another observer than at baseline", circumstances.observer),
    Rule("R28", "state", "study not active, session closed, record locked", "", circumstances.state),
    Rule("R29", "correction", "no reason, or the same value", "corrected more than twice"),
    Rule("R30", "text", "more than 2,000 characters, or control characters", "starts with = + - @",
         circumstances.texts),
)  # fmt: skip
BY_ID: dict[str, Rule] = {rule.id: rule for rule in RULES}
