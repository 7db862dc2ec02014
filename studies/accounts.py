"""How allauth behaves here: accounts are made by an administrator, never by signing up.

Whoever comes from the house's OpenID Connect provider is let in as the one active person whose e-mail
address, set by an administrator, the provider has verified; anybody else finds the door closed. What second
factors are made of is encrypted with a key outside the database.
"""

import base64
import hashlib
import hmac
import secrets

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_added, authenticator_removed, authenticator_reset
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.dispatch import receiver
from django.utils import timezone

from studies.actions.audit import INSTALLATION, Act, record_event, record_events
from studies.actions.own_sessions import end_sessions
from studies.actions.row_seals import seals_of_written_rows
from studies.actions.tablets import begin_shift, tablet_of
from studies.middleware import CAGE_SIDE_ONLY, TABLET_COOKIE
from studies.models import User
from studies.models.people import hashed_anew

# What somebody who knows the house would try first, and how much must be left of a password without it.
HOUSE_WORDS = ("pdx", "tracker", "tumor", "mouse", "mice", "xenograft", "study", "caliper", "map2k4", "arm",
               "vehicle", "cage", "password", "admin")  # fmt: skip
LEAST_LEFT = 4


class HouseWordsValidator:
    """Refuses a password that is little more than words of this house, digits and marks."""

    def validate(self, password: str, user=None) -> None:
        left = password.lower()
        for word in HOUSE_WORDS:
            left = left.replace(word, "")
        if (
            len({letter for letter in left if letter.isalpha()}) < 2
            or sum(map(str.isalpha, left)) < LEAST_LEFT
        ):
            raise ValidationError(self.get_help_text(), code="password_of_house_words")

    def get_help_text(self) -> str:
        return f"Beside words like {', '.join(HOUSE_WORDS[:4])} it needs at least {LEAST_LEFT} letters of its own."


class ClosedAccountAdapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request) -> bool:
        return False

    def post_login(self, request, user, **kwargs):
        """A full sign-in, second factor included, opens the whole house and, on a shared tablet, a shift."""
        request.session.pop(CAGE_SIDE_ONLY, None)
        tablet = tablet_of(request.COOKIES.get(TABLET_COOKIE))
        if tablet:
            begin_shift(tablet, user, timezone.now())
        return super().post_login(request, user, **kwargs)

    def set_password(self, user, password) -> None:
        """Of every choice of one's own an event: with the password people sign."""
        user.first_password_until = None
        with transaction.atomic():
            super().set_password(user, password)
            record_event("chose their own password", user, actor=user, at=timezone.now(), chain=INSTALLATION)


class SealedFactorsAdapter(DefaultMFAAdapter):
    """Seeds of codes as the database keeps them: encrypted with a key that follows from AUDIT_KEY."""

    def encrypt(self, text: str) -> str:
        return _cipher().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Under another AUDIT_KEY no code fits, as if it were mistyped."""
        try:
            return _cipher().decrypt(encrypted_text).decode()
        except InvalidToken:
            return base64.b32encode(secrets.token_bytes(20)).decode()


def _cipher() -> Fernet:
    key = hmac.new(settings.AUDIT_KEY.encode(), b"second factors", hashlib.sha256).digest()
    return Fernet(base64.urlsafe_b64encode(key))


@receiver([authenticator_added, authenticator_removed, authenticator_reset], dispatch_uid="studies.factors")
def end_other_sessions(sender, request, user, **signal) -> None:
    """Whoever was signed in by the factors of before is signed out."""
    why = "a second factor changed"
    end_sessions(user, actor=user, at=timezone.now(), but=request.session.session_key, why=why)


@receiver(hashed_anew, dispatch_uid="studies.hashed_anew")
def tell_of_renewed_hash(sender, user, **signal) -> None:
    record_event("password hashed anew", user, actor=user, at=timezone.now(), chain=INSTALLATION)


class WaysInOnRecord:
    """What is written at the pages of second factors and connected accounts is in an event of the same transaction."""

    PLACES = ("/accounts/2fa/", "/accounts/3rdparty/")

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if not request.path.startswith(self.PLACES):
            return self.get_response(request)
        with transaction.atomic():
            response, person = self.get_response(request), request.user
            rows = seals_of_written_rows()
            if response.status_code >= 500 or (rows and not person.is_authenticated):
                transaction.set_rollback(True)  # nobody came in by it
            elif rows:
                kinds = (
                    Authenticator.objects.filter(user=person).order_by("type").values_list("type", flat=True)
                )
                act = Act(person, new={"second_factors": list(kinds)})
                record_events("ways to sign in changed", [act], actor=person, at=timezone.now(),
                              chain=INSTALLATION, rows=rows)  # fmt: skip
        return response


class InvitedOnlyAdapter(DefaultSocialAccountAdapter):
    def is_open_for_signup(self, request, sociallogin) -> bool:
        return False

    def pre_social_login(self, request, sociallogin) -> None:
        """Connect a provider's account to the person it was meant for, the first time they come."""
        if sociallogin.is_existing or request.user.is_authenticated:
            return
        person = invited([address.email for address in sociallogin.email_addresses if address.verified])
        if person is None:
            return
        with transaction.atomic():
            sociallogin.connect(request, person)
            account = {"provider": sociallogin.account.provider, "uid": sociallogin.account.uid}
            record_event("connected a sign-in account", person, actor=person, at=timezone.now(),
                         chain=INSTALLATION, new=account)  # fmt: skip


def invited(verified_addresses: list[str]) -> User | None:
    """The one active person with such an address; None where there is none, or more than one."""
    found = [
        person
        for address in verified_addresses
        for person in User.objects.filter(email__iexact=address, is_active=True)
    ]
    return found[0] if len(found) == 1 and verified_addresses else None
