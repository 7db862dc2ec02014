"""What changed between two reports: every number by its path in the JSON."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# A row of a list is found again by what it is about, not by its place: another mouse moves no other row.
NAMES = ("study", "pdx_model", "stratum", "map2k4_status", "arm", "control", "combination", "mouse", "endpoint",
         "contrast", "term", "name", "reason", "day")  # fmt: skip


@dataclass(frozen=True)
class Difference:
    """One value that is not the same; None where a report has nothing at this path."""

    path: str
    before: Any
    after: Any


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """Leaves that differ, in the order of the later document, those that are gone last."""
    old, new = dict(_leaves(before, "")), dict(_leaves(after, ""))
    paths = [*new, *(path for path in old if path not in new)]
    return [
        Difference(path, old.get(path), new.get(path))
        for path in paths
        if (path in old) != (path in new) or old[path] != new[path]
    ]


def _leaves(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _leaves(value, f"{path}.{key}" if path else str(key))
    elif isinstance(node, Sequence) and not isinstance(node, str):
        taken: dict[str, int] = {}
        for place, item in enumerate(node):
            name = _name(item) or str(place)
            taken[name] = taken.get(name, 0) + 1
            again = f" #{taken[name]}" if taken[name] > 1 else ""
            yield from _leaves(item, f"{path}[{name}{again}]")
    else:
        yield path, node


def _name(item: Any) -> str:
    if not isinstance(item, Mapping):
        return ""
    told = [f"{item[key]}" for key in NAMES if isinstance(item.get(key), str | int | float)]
    return ", ".join(told)
