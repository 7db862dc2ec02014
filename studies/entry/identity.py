"""Who is signed in, as the tablet's queue asks before it sends anything in a person's name."""

from django.http import JsonResponse
from django.middleware.csrf import get_token

from studies.endpoints import ANYONE, endpoint


@endpoint(ANYONE)
def whoami(request):
    """The person's id and a CSRF token of their login; nobody where nobody is signed in."""
    if not request.user.is_authenticated:
        return JsonResponse({"user": None})
    return JsonResponse({"user": request.user.pk, "csrf": get_token(request)})
