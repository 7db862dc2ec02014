"""Bytes to text, with the encoding said: UTF-8, UTF-16, or the Windows code page of a Western Excel."""

import codecs
import re

from studies.imports.errors import ImportRefused, RowError

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SAMPLE_BYTES = 4096
_MAGIC = {
    b"PK\x03\x04": "this is a zip archive or an Excel workbook; save the sheet as CSV first",
    b"\xd0\xcf\x11\xe0": "this is an old Excel or Word file; save the sheet as CSV first",
    b"%PDF": "this is a PDF; export the table as CSV first",
    b"\x1f\x8b": "this is a gzip archive; unpack it first",
    b"\xff\xfe\x00\x00": "this is UTF-32; save the file as UTF-8",
    b"\x00\x00\xfe\xff": "this is UTF-32; save the file as UTF-8",
}


def decode(content: bytes) -> tuple[str, str]:
    """The text of a file and the name of its encoding.

    UTF-16 is known by its byte order mark or by its zero bytes; what is not UTF-8 is read as
    Windows-1252. Refused (ImportRefused): other binary formats, undecodable bytes, control characters.
    """
    for magic, reason in _MAGIC.items():
        if content.startswith(magic):
            raise ImportRefused([RowError(None, None, None, reason)])
    encoding = _encoding_of(content)
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        reason = f"byte {error.start} cannot be read as {encoding}; save the file as UTF-8"
        raise ImportRefused([RowError(line, None, None, reason)]) from None
    _refuse_control_characters(text)
    return text, encoding.removesuffix("-sig").upper() if encoding != "cp1252" else "Windows-1252"


def _encoding_of(content: bytes) -> str:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if content.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    unmarked = _unmarked_utf16(content[:_SAMPLE_BYTES])
    if unmarked:
        return unmarked
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _unmarked_utf16(sample: bytes) -> str | None:
    """UTF-16 without a mark shows as Latin letters with every other byte zero."""
    even, odd = sample[0::2], sample[1::2]
    if not odd:
        return None
    if odd.count(0) > 0.9 * len(odd) and 0 not in even:
        return "utf-16-le"
    if even.count(0) > 0.9 * len(even) and 0 not in odd:
        return "utf-16-be"
    return None


def _refuse_control_characters(text: str) -> None:
    first = _CONTROL.search(text)
    if first is None:
        return
    line = text.count("\n", 0, first.start()) + 1
    reason = f"holds the control character {ord(first.group()):#04x}: this is not a text table"
    raise ImportRefused([RowError(line, None, None, reason)])
