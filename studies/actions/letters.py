"""Send e-mail outside the request that asks for it: written in its transaction, sent by a worker, tried again.

A letter is sent at least once: a worker that dies between the mail server's yes and the note of it sends it twice.
"""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from studies.models import Letter, Study

FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=1)
IN_HAND = timedelta(minutes=5)  # what one try may take, before another worker takes the letter up
LATE = timedelta(minutes=10)
NOWHERE = "django.core.mail.backends.dummy.EmailBackend"

logger = logging.getLogger(__name__)


def write_letter(
    study: Study, recipients: Iterable[str], subject: str, body: str, *, at: datetime
) -> Letter | None:
    """Queue an e-mail within the caller's transaction; None where nobody has an address or no mail server is named."""
    addresses = sorted({address for address in recipients if address})
    if not addresses or settings.EMAIL_BACKEND == NOWHERE:
        return None
    letter = Letter.objects.create(
        study=study, recipients=addresses, subject=subject[:150], body=body, written_at=at, next_try_at=at
    )
    _queue(letter.pk)
    return letter


def send_letter(key: int, now: datetime | None = None) -> bool:
    """One try, unless it was sent, is in another worker's hand, or its next try is not due. Whether it is sent now."""
    now = now or timezone.now()
    due = Letter.objects.filter(pk=key, sent_at=None, next_try_at__lte=now)
    if not due.update(next_try_at=now + IN_HAND, attempts=F("attempts") + 1):
        return False
    letter = Letter.objects.get(pk=key)
    try:
        send_mail(letter.subject, letter.body, settings.DEFAULT_FROM_EMAIL, letter.recipients)
    except (OSError, SMTPException, ValueError) as error:
        logger.error("letter %s was not sent: %s", key, type(error).__name__)
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (letter.attempts - 1))
        letter.failure, letter.next_try_at = f"{type(error).__name__}: {error}"[:300], now + wait
    else:
        letter.sent_at, letter.failure = now, ""
    letter.save(update_fields=["failure", "next_try_at", "sent_at"])
    return letter.sent_at is not None


def send_waiting_letters(now: datetime) -> None:
    """Try every letter whose time has come: what the queue lost, and what the mail server refused before."""
    for key in list(Letter.objects.filter(sent_at=None, next_try_at__lte=now).values_list("pk", flat=True)):
        send_letter(key, now)


def late_letters(now: datetime):
    """Letters that should have been sent by now; the oldest first."""
    return Letter.objects.filter(sent_at=None, written_at__lt=now - LATE).order_by("written_at")


def _queue(key: int) -> None:
    from django_q.tasks import async_task

    with transaction.atomic():
        async_task("studies.actions.letters.send_letter", key)
