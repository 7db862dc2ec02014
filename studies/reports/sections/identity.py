"""What this report is of: study, versions, hashes, chain heads, blinding, and the rules its numbers follow."""

import pandas as pd

from studies.reports import words
from studies.reports.blocks import Block, Column, Facts, Heading, Section, Table
from studies.reports.sections.study import Study, is_pooled, plan, record
from studies.volumes import FORMULAS


def section(study: Study, table: pd.DataFrame) -> Section:
    blocks: list[Block] = [Facts([*_study(study), *_data(study), *_rules(study)])]
    if signed := record(study).get("signatures"):
        columns = [
            Column("act", "Signed"),
            Column("meaning", "Meaning"),
            Column("signer", "By"),
            Column("role", "As"),
            Column("signed_at", "At"),
        ]
        blocks += [Heading("Signatures"), Table("Signatures on record.", columns, signed)]
    return Section("identity", "What was analyzed", blocks)


def _study(study: Study) -> list[tuple[str, str]]:
    told = record(study)
    if not told:
        return [("Study", study["study"]), ("Blinding", "not told by a file")]
    version = told["plan"]["version"] if told["plan"] else "none"
    return [
        ("Study", f"{study['study']}, {told['title']}"),
        ("Protocol", told["protocol_number"] or "no number"),
        ("Analysis plan", f"version {version}"),
        ("Study director", told["director"] or "not named"),
        ("State", told["state"]),
        ("Blinding", told["blinding"]),
    ]


def _data(study: Study) -> list[tuple[str, str]]:
    chains = [
        (f"Audit chain {row['chain'].split(':')[0]}", f"{row['events']} events, head {row['head']}")
        for row in record(study).get("chains") or []
    ]
    snapshot = record(study).get("snapshot_sha256")
    return [
        ("Data SHA-256", study["input"]["table_sha256"]),
        *([("Record SHA-256", snapshot)] if snapshot else []),
        *chains,
        ("Computed with", ", ".join(f"{name} {version}" for name, version in study["versions"].items())),
    ]


def _rules(study: Study) -> list[tuple[str, str]]:
    if is_pooled(study):
        return [*_reading_rules(study), ("Compared", "nothing: arms are closed, all mice stand together")]
    day, source = plan(study, "day"), study["plan"]["day"]["from"]
    by = (
        "as planned"
        if source == "given"
        else "by the rule on follow-up (80 % of the control, half of each arm)"
    )
    signs = plan(study, "expected_sign")
    expected = "; ".join(f"{arm}: {sign.replace('_', ' ')}" for arm, sign in signs.items())
    return [
        *_reading_rules(study),
        ("Day of comparison", "none" if day is None else f"day {words.day(day)}, {by}"),
        ("Expected before the data", expected or "no direction declared"),
    ]


def _reading_rules(study: Study) -> list[tuple[str, str]]:
    return [
        ("Volume formula", FORMULAS[plan(study, "volume_formula")].name),
        ("Limit of detection", f"{plan(study, 'lod_mm3'):g} mm³"),
        ("Day 0", record(study).get("day0_rule") or "as the file counts"),
    ]
