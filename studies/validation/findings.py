"""What a rule says about one row: which rule, which field, why, and how much it weighs."""

from dataclasses import dataclass

from studies.terms import Term


class Severity(Term):
    """Hard: nothing is stored. Soft: stored with a reason. Notice: stored; someone must act."""

    HARD = "hard"
    SOFT = "soft"
    NOTICE = "notice"


@dataclass(frozen=True)
class Finding:
    """One rule's word on one row; `field` names what to look at on the sheet."""

    rule: str
    field: str
    message: str
    severity: Severity

    @property
    def is_hard(self) -> bool:
        return self.severity is Severity.HARD


def hard(rule: str, field: str, message: str) -> Finding:
    return Finding(rule, field, message, Severity.HARD)


def soft(rule: str, field: str, message: str) -> Finding:
    return Finding(rule, field, message, Severity.SOFT)


def notice(rule: str, field: str, message: str) -> Finding:
    return Finding(rule, field, message, Severity.NOTICE)
