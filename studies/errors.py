"""The pages shown when something is refused or breaks: plain words, no details of the server."""

import sys

from django.db import OperationalError
from django.http import HttpResponse, HttpResponseServerError, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string

TEMPLATE = "errors/error.html"


def forbidden(request, exception=None):
    return _refusal(request, "Not allowed", "Your role does not allow this.", 403)


def not_found(request, exception=None):
    what = "There is no such page, or it belongs to a study you are not a member of."
    return _refusal(request, "Not found", what, 404)


def csrf_failure(request, reason=""):
    what = "This form was too old to be accepted. Go back, reload the page and send it again."
    return _refusal(request, "Form expired", what, 403)


def server_error(request):
    """Rendered without the request: its context processors may need the very database that broke."""
    if isinstance(sys.exc_info()[1], OperationalError):
        return _no_database()
    what = "Something broke on our side. Nothing you sent was stored unless the page said so."
    return HttpResponseServerError(render_to_string(TEMPLATE, {"title": "Server error", "what": what}))


def _no_database() -> HttpResponse:
    """Away, busy or full: sheets keep their rows and send them again by themselves."""
    what = "The database takes no writing now. Nothing you sent was stored; try again in a moment."
    page = render_to_string(TEMPLATE, {"title": "Try again in a moment", "what": what})
    return HttpResponse(page, status=503, headers={"Retry-After": "5"})


def _refusal(request, title: str, what: str, status: int):
    if request.path.startswith(
        "/api/"
    ):  # an address that matches no route never reaches the API's own answers
        return JsonResponse({"detail": what}, status=status)
    return render(request, TEMPLATE, {"title": title, "what": what}, status=status)
