"""The stored words."""

import inspect

import pytest

from studies import terms
from studies.terms import ExitReason, SurvivalCoding, Term

TERMS = [
    kind
    for _, kind in inspect.getmembers(terms, inspect.isclass)
    if issubclass(kind, Term) and kind is not Term
]


@pytest.mark.parametrize("kind", TERMS, ids=lambda kind: kind.__name__)
def test_every_word_is_its_value_and_has_a_label(kind):
    for member in kind:
        assert kind(str(member)) is member
        assert member.label.strip()
    assert kind.choices() == [(member.value, member.label) for member in kind]


def test_every_exit_has_a_survival_coding():
    assert {reason.survival_coding for reason in ExitReason} == set(SurvivalCoding)


@pytest.mark.parametrize(
    ("reason", "coding"),
    [
        ("tumor_size", "event"),
        ("ulceration", "event"),
        ("scheduled_end", "censored"),
        ("accident", "censored"),
        ("sampled", "censored"),
        ("body_weight", "competing"),
        ("found_dead", "competing"),
        ("treatment_toxicity", "competing"),
    ],
)
def test_how_an_exit_counts(reason, coding):
    assert ExitReason(reason).survival_coding == coding
