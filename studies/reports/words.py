"""Numbers and names as the report writes them, in one place: digits, minus sign, interval, missing."""

from collections.abc import Callable
from math import floor, isfinite, log10
from typing import Any

from studies import wording

LOWEST_PERCENT = -999.0
AS_GOOD_AS_ZERO = 1e-15  # a variance at its boundary is 0 but for rounding
MINUS, THIN, MISSING = "\N{MINUS SIGN}", "\N{THIN SPACE}", "\N{EN DASH}"


def fixed(value: float, digits: int) -> str:
    text = f"{value:,.{digits}f}".replace(",", THIN)
    return text.lstrip("-") if not text.strip("-0.") else text.replace("-", MINUS)


def significant(value: float, digits: int = 3) -> str:
    """`digits` significant digits without an exponent: 0.0412, 12.3, 1 230."""
    if not isfinite(value) or abs(value) < AS_GOOD_AS_ZERO:
        return "0"
    decimals = digits - 1 - floor(log10(abs(value)))
    if decimals > 9:
        return f"{value:.{digits - 1}e}".replace("-", MINUS)
    return fixed(round(value, decimals), max(decimals, 0))


def percent(value: float) -> str:
    """Without decimals unless below 1; an interval's end far below is not worth its digits."""
    if value < LOWEST_PERCENT:
        return f"< {MINUS}999"
    return fixed(value, 1 if 0 < abs(value) < 1 else 0)


def day(value: float) -> str:
    return f"{value:g}".replace("-", MINUS)


def p_value(value: float) -> str:
    """Two significant digits; "< 0.001" below."""
    return "< 0.001" if value < 0.001 else f"{float(f'{value:.2g}'):g}"


def p_phrase(value: float) -> str:
    """For a sentence: "p < 0.001" or "p = 0.012"."""
    text = p_value(value)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


STATUS_WORDS = {
    "loss_of_function": "loss of function",
    "wild_type": "wild type",
    "uncertain": "uncertain",
    "unknown": "unknown",
}
ALTERED = "altered"  # in place of loss of function, where a plan declares other words of the altered class


def status_words(altered: bool) -> dict[str, str]:
    """What the statuses are called, where the altered class is loss of function and where it is not."""
    return STATUS_WORDS | ({"loss_of_function": ALTERED} if altered else {})


KINDS: dict[str, Callable[[Any], str]] = {
    "text": str,
    "count": lambda value: fixed(value, 0),
    "day": day,
    "days": lambda value: fixed(value, 1),
    "percent": percent,
    "mm3": lambda value: fixed(value, 0),
    "grams": lambda value: fixed(value, 1),
    "ratio": lambda value: fixed(value, 2),
    "estimate": significant,
    "df": lambda value: fixed(value, 1),
    "p": p_value,
    "aligned": str,
    "flag": lambda value: "yes" if value else "no",
    "status": lambda value: STATUS_WORDS.get(value, value),
    "altered_status": lambda value: status_words(True).get(value, value),
    "role": lambda value: str(value).replace("_", " "),
}
NUMERIC_KINDS = frozenset(KINDS) - {"text", "flag", "status", "altered_status", "role"}


def cell(value: Any, kind: str) -> str:
    """A value as its kind is written; an interval is a pair; what is missing is a dash."""
    if isinstance(value, tuple):
        low, high = value
        return interval(low, high, kind)
    return MISSING if value is None or value == "" else KINDS[kind](value)


def interval(low: float | None, high: float | None, kind: str) -> str:
    if low is None or high is None:
        return MISSING
    return f"{KINDS[kind](low)} to {KINDS[kind](high)}"


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """ "1 mouse", "12 mice"."""
    return f"{number:,} {wording.noun(number, noun, plural)}".replace(",", THIN)


def joined(items: list[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else ""


def spoken(text: str) -> str:
    """A name of the analysis as the report writes it: units raised, methods under their own names."""
    return SPOKEN.get(text, text.replace("mm3", "mm³"))


SPOKEN = {
    "kenward-roger": "Kenward-Roger",
    "satterthwaite": "Satterthwaite",
    "mrecist": "mRECIST",
    "mrecist_time_weighted": "mRECIST, averages weighted by time",
    "pptc": "PPTC",
    "pdxnet": "PDXNet",
    "rc": "RC",
    "pdx_model": "PDX model",
}
