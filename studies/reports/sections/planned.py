"""Planned against performed: each setting as it was fixed before the data and as it was used, and what is post hoc."""

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from studies.reports import words
from studies.reports.blocks import Block, Bullets, Column, Heading, Paragraph, Section, Table
from studies.reports.sections.study import Study, record
from studies.volumes import FORMULAS

WITHHELD = "text withheld while arms are hidden"
AS_PLANNED, POST_HOC = "as planned", "post hoc: changed"
OPEN = {
    "default": "not in the plan: documented default",
    "table": "not in the plan: told by the data's design",
    "guessed": "not in the plan: guessed from names",
    "given": "post hoc: given after the lock",
}


def section(study: Study, table: pd.DataFrame) -> Section:
    planned = locked_plan(study)
    blocks: list[Block] = [
        Paragraph(_standing(study, planned), "plain" if planned is not None else "warning")
    ]
    changed = [row["key"] for row in compared(study) if row["status"].startswith("post hoc")]
    if planned is not None:
        text = f"Post hoc: {', '.join(changed)}." if changed else "No setting differs from the locked plan."
        blocks.append(Paragraph(text, "warning" if changed else "plain"))
    columns = [Column("key", "Setting"), Column("planned", "Planned"), Column("used", "Performed"),
               Column("status", "Standing")]  # fmt: skip
    if planned is None:
        columns.pop(1)
    blocks.append(Table("Each setting of the analysis.", columns, compared(study)))
    return Section("planned", "Planned and performed", [*blocks, *exploring(study), *changes(study)])


def locked_plan(study: Study) -> Mapping[str, Any] | None:
    """The settings of the plan first locked; None where none was locked, or it may not be told."""
    return (record(study).get("plan") or {}).get("planned")


def _standing(study: Study, planned: Mapping[str, Any] | None) -> str:
    told = record(study).get("plan") or {}
    if planned is not None:
        return f"Version {told['locked_version']} of the analysis plan was locked on {told['locked_at']}."
    if told.get("locked_version"):
        return "A plan was locked; it names arms and is not told while arms go by letters."
    origin = "The record holds no locked plan" if record(study) else "A file brings no locked plan"
    return f"{origin}, so nothing here is shown to have been fixed before the data were seen: read it as exploratory."


def compared(study: Study) -> list[dict[str, str]]:
    planned = locked_plan(study)
    rows = []
    for key, entry in study["plan"].items():
        row = {"key": key.replace("_", " "), "used": _spoken(key, entry["value"]), "planned": ""}
        if planned is None:
            status = {"given": "given by the plan", **OPEN}[entry["from"]].removeprefix("not in the plan: ")
            status = "given by the plan" if entry["from"] == "given" else status
        elif key in planned:
            row["planned"] = _spoken(key, planned[key])
            status = AS_PLANNED if _same(planned[key], entry["value"]) else POST_HOC
        else:
            status = OPEN[entry["from"]] if key not in RECORDED else "as the study is set up"
        rows.append({**row, "status": status})
    return rows


# Settings that a study itself declares, at its set-up and before any plan.
RECORDED = ("volume_formula", "lod_mm3", "controls", "expected_sign", "biomarker", "exclusions")


def _same(planned: Any, used: Any) -> bool:
    """Equal but for 21 and 21.0, and for what the analysis fills in beside what was planned."""
    if isinstance(planned, Mapping) and isinstance(used, Mapping):
        return all(key in used and _same(value, used[key]) for key, value in planned.items())
    if isinstance(planned, (list, tuple)) and isinstance(used, (list, tuple)):
        return len(planned) == len(used) and all(map(_same, planned, used))
    return planned == used


def exploring(study: Study) -> list[Block]:
    """Tests the analysis itself marks as exploratory."""
    rows = [row for row in study.get("families") or [] if row["exploratory"]]
    items = [f"{row['arm']} against {row['control']}: {row['question']} ({row['gate']})" for row in rows[:12]]
    if len(rows) > len(items):
        items.append(f"and {len(rows) - len(items)} more, in the section on multiplicity")
    return [Heading("Explored, not confirmed"), Bullets(items)] if items else []


def changes(study: Study) -> list[Block]:
    """Later versions of the plan, and amendments of the protocol."""
    told = record(study)
    if not told:
        return []
    later = (told["plan"] or {}).get("later") or []
    items = [
        f"Plan version {row['version']}, {row['locked_at'] or 'not locked'}: {row.get('reason', 'reason withheld')}"
        for row in later
    ]
    items += [
        f"Amendment {row['number']}, in force from {row['in_force_from']}: {row.get('what', WITHHELD)}"
        + (f" ({row['reason']})" if row.get("reason") else "")
        for row in told["amendments"]
    ]
    heading = Heading("Changes of protocol and plan")
    return [
        heading,
        Bullets(items) if items else Paragraph("Neither protocol nor plan was changed after activation."),
    ]


def spoken(value: object) -> str:
    if value is None or value in ({}, []):
        return "none"
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (dict, list)) and len(value) > 8:
        return f"{len(value)} entries, see analysis.json"
    if isinstance(value, dict):
        return "; ".join(f"{key}: {spoken(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return ", ".join(spoken(inner) for inner in value)
    return json.dumps(value, ensure_ascii=False)


def _spoken(key: str, value: object) -> str:
    """As `spoken`; words of the program without their underscores, names of arms as they are."""
    if key == "volume_formula" and value in FORMULAS:
        return FORMULAS[str(value)].name
    if key in ("roles", "expected_sign") and isinstance(value, dict):
        value = {arm: str(word).replace("_", " ") for arm, word in value.items()}
    return words.spoken(spoken(value))
