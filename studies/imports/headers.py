"""The headers of a file to columns, each meaning told once."""

from studies.columns import canonical_header
from studies.imports.delimited import Records
from studies.imports.errors import RowError


def canonical_headers(records: Records) -> tuple[dict[str, str], list[RowError]]:
    """File header -> column name, with what is doubled or missing."""
    names: dict[str, str] = {}
    spelled: dict[str, str] = {}
    defects = []
    for header in records.header:
        name = canonical_header(header) or header
        if name in spelled:
            reason = _doubled(header, spelled[name], name)
            defects.append(RowError(records.header_line, header, None, reason))
        else:
            spelled[name] = header
            names[header] = name
    return names, defects + _missing_columns(records, set(spelled))


def _doubled(header: str, first: str, name: str) -> str:
    if header == first:
        return "this header stands twice"
    return f'means {name}, as does the header "{first}"; rename one of them'


def _missing_columns(records: Records, found: set[str]) -> list[RowError]:
    needs = {
        "mouse": {"mouse"} & found,
        "day": {"day"} & found,
        "arm": {"arm", "treatment"} & found,
        "volume_mm3": {"volume_mm3"} & found or {"length_mm", "width_mm"} <= found,
    }
    have = ", ".join(records.header)
    words = {"arm": "arm (or treatment)", "volume_mm3": "volume_mm3 (or length_mm and width_mm)"}
    return [
        RowError(records.header_line, name, None, f"no column {words.get(name, name)}; the file has: {have}")
        for name, present in needs.items()
        if not present
    ]
