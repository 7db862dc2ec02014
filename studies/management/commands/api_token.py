"""Issue an API token at the server's own shell; the secret is printed once and stored nowhere."""

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from studies.actions.api_tokens import LONGEST_DAYS, TokenRefused, create_token
from studies.models import User
from studies.terms import TokenScope


class Command(BaseCommand):
    help = "Issue an API token for a user and print its secret."

    def add_arguments(self, parser) -> None:
        parser.add_argument("username")
        parser.add_argument("--name", required=True, help="what will use it")
        parser.add_argument("--scope", choices=TokenScope.values(), default=TokenScope.READ)
        parser.add_argument("--days", type=int, default=90, help=f"how long it lasts, up to {LONGEST_DAYS}")

    def handle(self, *args, username: str, name: str, scope: str, days: int, **options) -> None:
        user = User.objects.filter(username=username).first()
        if user is None:
            raise CommandError(f"there is no user {username}", returncode=2)
        scopes = {TokenScope.READ, TokenScope(scope)}
        try:
            _, secret = create_token(user, name, scopes, actor=None, at=timezone.now(), days=days)
        except TokenRefused as refused:
            raise CommandError(str(refused), returncode=2) from None
        self.stdout.write(secret)
