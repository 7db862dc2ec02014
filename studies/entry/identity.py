"""Who is signed in and what time it is, as the tablet's queue asks before it sends in a person's name."""

from django.http import JsonResponse
from django.middleware.csrf import get_token
from django.utils import timezone

from studies.endpoints import ANYONE, endpoint


@endpoint(ANYONE)
def whoami(request):
    """The person's id and a CSRF token of their login; nobody where nobody is signed in or the screen is locked."""
    if request.locked_user:
        return JsonResponse({"user": None, "locked": request.locked_user.pk, "csrf": get_token(request)})
    if not request.user.is_authenticated:
        return JsonResponse({"user": None})
    now = int(timezone.now().timestamp() * 1000)
    return JsonResponse({"user": request.user.pk, "csrf": get_token(request), "now": now})
