"""Numbers as the screens write them, decided once: digits per unit, minus sign, and what is not recorded."""

from django import template
from django.utils.html import format_html

from studies.wording import in_words

register = template.Library()
register.filter(in_words)
NOT_RECORDED = format_html('<span class="unrecorded">{}</span>', "not recorded")
MINUS = "\N{MINUS SIGN}"


@register.filter
def recorded(value):
    """The value, or "not recorded" where nothing (None, empty text or list) is on record. 0 is a value."""
    return NOT_RECORDED if value is None or value == "" or value == [] else value


@register.filter
def mm3(value) -> str:
    """A volume in mm³, without decimals; the unit stands in the header."""
    return NOT_RECORDED if value is None else _signed(value, 0)


@register.filter
def mm(value) -> str:
    """A length in mm, one decimal."""
    return NOT_RECORDED if value is None else _signed(value, 1)


@register.filter
def grams(value) -> str:
    """A weight in g, one decimal."""
    return NOT_RECORDED if value is None else _signed(value, 1)


@register.filter
def percent(value) -> str:
    """A percent (not a fraction), without decimals unless below 1."""
    if value is None:
        return NOT_RECORDED
    return _signed(value, 1 if 0 < abs(value) < 1 else 0)


@register.filter
def day(value) -> str:
    """A study day: whole where it is whole, a minus sign before day 0."""
    return NOT_RECORDED if value is None else f"{value:g}".replace("-", MINUS)


@register.filter
def p_value(value) -> str:
    """p to two significant digits, "< 0.001" below."""
    if value is None:
        return NOT_RECORDED
    return "< 0.001" if value < 0.001 else f"{float(f'{value:.2g}'):g}"


def _signed(value: float, digits: int) -> str:
    text = f"{value:,.{digits}f}".replace(",", "\N{THIN SPACE}")
    if not text.strip("-0."):  # no "-0"
        text = text.lstrip("-")
    return text.replace("-", MINUS)
