"""API tokens: known by a hash, ended by time, by hand and with their owner."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command

from studies.actions.api_tokens import TokenRefused, authenticate, create_token, revoke_token
from studies.models import ApiToken, AuditEvent, User
from studies.terms import TokenScope
from tests.people import make_user

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
BOTH = frozenset(TokenScope)


@pytest.fixture
def owner(db) -> User:
    return make_user("owner")


def issue(owner, **given):
    return create_token(owner, "scale", BOTH, **{"actor": owner, "at": NOON, "days": 90} | given)


def test_a_secret_is_known_again_and_kept_nowhere(owner):
    token, secret = issue(owner)
    assert authenticate(secret, NOON) == (owner, BOTH)
    stored = [str(value) for value in ApiToken.objects.values_list().get()]
    told = str(list(AuditEvent.objects.values()))
    assert not any(secret[12:] in text for text in [*stored, told])
    assert secret.startswith(token.hint)


def test_two_tokens_differ(owner):
    assert issue(owner)[1] != issue(owner)[1]


def test_a_stranger_is_nobody(owner):
    issue(owner)
    for secret in ("", "pdx_", "pdx_guess", "\u0000", "pdx_" + "é" * 40):
        assert authenticate(secret, NOON) is None


def test_a_token_ends_on_its_last_moment(owner):
    _, secret = issue(owner, days=1)
    assert authenticate(secret, NOON + timedelta(days=1, microseconds=-1))
    assert authenticate(secret, NOON + timedelta(days=1)) is None


def test_a_revoked_token_and_one_of_a_deactivated_owner_open_nothing(owner):
    token, secret = issue(owner)
    _, second = issue(owner)
    revoke_token(token, actor=owner, at=NOON)
    revoke_token(token, actor=owner, at=NOON + timedelta(hours=1))
    assert token.revoked_at == NOON
    assert authenticate(secret, NOON) is None
    User.objects.update(is_active=False)
    assert authenticate(second, NOON) is None
    acts = list(AuditEvent.objects.order_by("sequence").values_list("action", flat=True))
    assert acts == ["API token issued"] * 2 + ["API token revoked"]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"name": "  "}, "needs a name"),
        ({"scopes": []}, "at least one"),
        ({"scopes": ["write"]}, "scopes are"),
        ({"days": 0}, "1 to 365 days"),
        ({"days": 366}, "1 to 365 days"),
    ],
)
def test_what_makes_no_token_is_told(owner, given, reason):
    facts = {"name": "scale", "scopes": BOTH, "days": 90} | given
    with pytest.raises(TokenRefused, match=reason):
        create_token(owner, facts["name"], facts["scopes"], actor=owner, at=NOON, days=facts["days"])
    assert not ApiToken.objects.exists()


def test_the_command_prints_the_secret_alone(owner, capsys):
    call_command("api_token", "owner", "--name", "scale", "--scope", "entry")
    assert authenticate(capsys.readouterr().out.strip()) == (owner, BOTH)
    with pytest.raises(CommandError, match="no user nobody"):
        call_command("api_token", "nobody", "--name", "scale")
