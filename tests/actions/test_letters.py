"""Letters to people: tried again with growing patience, never twice at once, and known to be late."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core import mail

from studies.actions.letters import FIRST_WAIT, late_letters, send_letter, send_waiting_letters, write_letter
from studies.models import Letter

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def letter(study) -> Letter:
    return write_letter(
        study, ["b@example.org", "", "a@example.org", "b@example.org"], "x" * 151, "Look.", at=NOON
    )


def refuse(*_, **__):
    raise OSError("no mail server")


def test_a_letter_goes_once_to_everyone_with_an_address(letter):
    assert [send_letter(letter.pk, NOON) for _ in range(2)] == [True, False]
    [sent] = mail.outbox
    assert (sent.to, sent.subject) == (["a@example.org", "b@example.org"], "x" * 150)
    letter.refresh_from_db()
    assert (letter.sent_at, letter.attempts, letter.failure) == (NOON, 1, "")


def test_each_refusal_waits_twice_as_long_up_to_an_hour(letter, monkeypatch):
    monkeypatch.setattr("studies.actions.letters.send_mail", refuse)
    now, waits = NOON, []
    for _ in range(9):
        assert not send_letter(letter.pk, now)
        letter.refresh_from_db()
        waits.append((letter.next_try_at - now) / timedelta(minutes=1))
        assert not send_letter(letter.pk, letter.next_try_at - timedelta(seconds=1))
        now = letter.next_try_at
    first = FIRST_WAIT / timedelta(minutes=1)
    assert waits == [min(60, first * 2**n) for n in range(9)] and waits[-1] == 60
    assert (letter.attempts, letter.failure) == (9, "OSError: no mail server")


def test_a_refused_letter_goes_when_its_wait_is_over(letter, monkeypatch):
    monkeypatch.setattr("studies.actions.letters.send_mail", refuse)
    send_letter(letter.pk, NOON)
    monkeypatch.undo()
    send_waiting_letters(NOON + FIRST_WAIT - timedelta(seconds=1))
    assert mail.outbox == []
    send_waiting_letters(NOON + FIRST_WAIT)
    assert len(mail.outbox) == 1


def test_a_letter_is_late_after_ten_minutes(letter):
    assert not late_letters(NOON + timedelta(minutes=10)).exists()
    assert late_letters(NOON + timedelta(minutes=10, seconds=1)).get() == letter
    send_letter(letter.pk, NOON)
    assert not late_letters(NOON + timedelta(days=1)).exists()


def test_nobody_to_write_to_and_no_mail_server(study, settings):
    assert write_letter(study, ["", ""], "Subject", "Body", at=NOON) is None
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    assert write_letter(study, ["a@example.org"], "Subject", "Body", at=NOON) is None
    assert not Letter.objects.exists()
