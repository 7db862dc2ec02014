"""Lines that calipers, balances and readers send, each format one pattern that the browser runs too.

Named groups: `value` (digits with one decimal mark), `sign`, `unit`, `tag` (an RFID or barcode). A
format whose `refused` is set is recognized in order to be refused, such as a balance that still moves.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any


@dataclass(frozen=True)
class DeviceFormat:
    """One way a device writes a line (without CR, LF and Tab at its end)."""

    id: str
    name: str
    pattern: str
    unit: str = ""  # where the line names none
    refused: str = ""


FORMATS: tuple[DeviceFormat, ...] = (
    DeviceFormat("mitutoyo", "Mitutoyo SPC (U-Wave, USB-ITN)",
                 r"01A(?P<sign>[+-])(?P<value>[0-9]{1,8}\.?[0-9]{0,5})", unit="mm"),
    DeviceFormat("mitutoyo_error", "Mitutoyo SPC, no reading", r"91[12]", refused="the caliper sent no reading"),
    DeviceFormat("sylvac", "Sylvac", r"(?P<sign>[+-])(?P<value>[0-9]{1,4}\.[0-9]{1,4})", unit="mm"),
    DeviceFormat("and_stable", "A&D balance, stable",
                 r"(?:ST|QT),(?:GS,|NT,)?\s*(?P<sign>[+-])?\s*(?P<value>[0-9]+\.?[0-9]*)\s*(?P<unit>[A-Za-z]+)"),
    DeviceFormat("and_moving", "A&D balance, moving", r"(?:US|OL),.*", refused="the balance was not at rest"),
    DeviceFormat("mettler_stable", "Mettler-Toledo SICS, stable",
                 r"S\s+S\s+(?P<sign>-)?(?P<value>[0-9]+\.?[0-9]*)\s*(?P<unit>[A-Za-z]+)"),
    DeviceFormat("mettler_moving", "Mettler-Toledo SICS, moving",
                 r"S\s+[DI+-](?:\s.*)?", refused="the balance was not at rest"),
    DeviceFormat("sartorius", "Sartorius",
                 r"(?:N\s+)?(?P<sign>[+-])\s+(?P<value>[0-9]+\.?[0-9]*)\s*(?P<unit>[A-Za-z]+)"),
    DeviceFormat("ohaus_moving", "Ohaus, moving",
                 r"\s*[0-9.]+\s*[A-Za-z]+\s*\?.*", refused="the balance was not at rest"),
    DeviceFormat("iso11784", "RFID, ISO 11784 (15 digits)", r"(?P<tag>[0-9]{15})"),
    DeviceFormat("short_tag", "RFID or barcode", r"(?P<tag>[0-9]{8,14}|[A-Z]{1,6}[-_/]?[A-Z0-9][A-Z0-9/_-]{2,40})"),
    DeviceFormat("plain", "number, with or without a unit",
                 r"(?P<value>[0-9]+(?:[.,][0-9]+)?)\s*(?P<unit>[A-Za-z\"]+)?"),
)  # fmt: skip


@dataclass(frozen=True)
class DeviceLine:
    """What a line holds: a value in mm or g (or a unit nobody here uses), a tag, or why it is refused."""

    value: Decimal | None = None
    unit: str = ""
    tag: str = ""
    refused: str = ""
    format_id: str = ""


def read_device_line(text: str) -> DeviceLine:
    """The reading or tag in one line of a device; a line of no known format is refused."""
    line = text.strip(" \t\r\n")
    for known in FORMATS:
        found = re.fullmatch(known.pattern, line, re.ASCII)
        if found is None:
            continue
        parts = found.groupdict()
        if known.refused:
            return DeviceLine(refused=known.refused, format_id=known.id)
        if parts.get("tag"):
            return DeviceLine(tag=parts["tag"], format_id=known.id)
        if parts.get("sign") == "-":
            return DeviceLine(refused="the device shows a value below 0: zero it", format_id=known.id)
        return _in_our_unit(known, parts)
    return DeviceLine(refused=f"{line[:40]!r} is no line of a known device")


def _in_our_unit(known: DeviceFormat, parts: dict[str, Any]) -> DeviceLine:
    value = Decimal(parts["value"].replace(",", "."))
    unit = (parts.get("unit") or known.unit).lower()
    if unit in ("in", "inch", '"'):
        return DeviceLine(refused=f"the device reads in inches ({value}): set it to mm", format_id=known.id)
    if unit not in ("", "mm", "g"):
        return DeviceLine(refused=f"the device reads in {unit}: set it to mm or g", format_id=known.id)
    return DeviceLine(value=value, unit=unit, format_id=known.id)


def browser_pattern(pattern: str) -> str:
    """A pattern of `FORMATS` as a browser's RegExp spells it, to be matched against the whole line."""
    return "^(?:" + pattern.replace("(?P<", "(?<") + ")$"
