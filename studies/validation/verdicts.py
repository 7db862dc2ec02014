"""Judge rows: every rule on every row, then the rules of the whole sheet, then what was confirmed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from studies.validation.findings import Finding, Severity
from studies.validation.rows import Checked, MouseFacts, Reading, Row, SheetFacts, read_row
from studies.validation.rules import RULES
from studies.validation.sheets import SHEET_RULES, SheetRow

UNKNOWN_MOUSE = MouseFacts("")


@dataclass(frozen=True)
class Verdict:
    """Everything the rules say about one row. `confirmed` holds the reasons given, by rule."""

    reading: Reading
    findings: tuple[Finding, ...]
    confirmed: Mapping[str, str]

    @property
    def refusals(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.is_hard)

    @property
    def open_questions(self) -> tuple[Finding, ...]:
        """Soft findings whose rule was not confirmed with a reason."""
        return tuple(
            finding
            for finding in self.findings
            if finding.severity is Severity.SOFT and not self.confirmed.get(finding.rule, "").strip()
        )

    @property
    def notices(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.severity is Severity.NOTICE)

    @property
    def is_accepted(self) -> bool:
        return not self.refusals and not self.open_questions


def judge(
    rows: Sequence[tuple[Row, MouseFacts | None]],
    sheet: SheetFacts,
    now: datetime,
    stored: Sequence[tuple[Reading, MouseFacts]] = (),
) -> list[Verdict]:
    """One verdict a row, in their order. `stored` are the readings the session holds already.

    Rows that a rule refuses stay out of the rules of the whole sheet, so that one slip asks one question.
    """
    readings = [read_row(row, sheet) for row, _ in rows]
    facts = [mouse or UNKNOWN_MOUSE for _, mouse in rows]
    findings = [
        [finding for rule in RULES for finding in rule.check(Checked(reading, mouse, sheet, now))]
        for reading, mouse in zip(readings, facts, strict=True)
    ]
    for place, finding in _of_the_sheet(readings, facts, findings, sheet, stored):
        findings[place].append(finding)
    return [
        Verdict(reading, tuple(found), reading.row.confirmations)
        for reading, found in zip(readings, findings, strict=True)
    ]


def _of_the_sheet(
    readings: list[Reading],
    facts: list[MouseFacts],
    findings: list[list[Finding]],
    sheet: SheetFacts,
    stored: Sequence[tuple[Reading, MouseFacts]],
) -> list[tuple[int, Finding]]:
    order = {mouse: place for place, mouse in enumerate(sheet.mice)}
    fit = [place for place, found in enumerate(findings) if not any(one.is_hard for one in found)]
    whole = [(SheetRow(reading, mouse, is_new=False), -1) for reading, mouse in stored]
    whole += [(SheetRow(readings[place], facts[place]), place) for place in fit]
    whole.sort(key=lambda pair: (order.get(pair[0].reading.row.mouse, -1), pair[0].reading.row.tumor))
    rows, places = [row for row, _ in whole], [place for _, place in whole]
    return [
        (places[found], finding)
        for rule in SHEET_RULES
        for found, finding in rule(rows, len(sheet.mice), sheet.limits)
        if places[found] >= 0
    ]
