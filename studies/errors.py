"""The pages shown when something is refused or breaks: plain words, no details of the server."""

import sys

from django.db import OperationalError
from django.http import HttpResponse, HttpResponseServerError, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string

TEMPLATE = "errors/error.html"
FULL = ("disk is full", "no space left", "could not extend file", "disk full")


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
    error = sys.exc_info()[1]
    if isinstance(error, OperationalError):
        return _no_database(is_full(error))
    what = "Something broke on our side. Nothing you sent was stored unless the page said so."
    return HttpResponseServerError(render_to_string(TEMPLATE, {"title": "Server error", "what": what}))


def refused_file(request, found: str):
    what = f"The virus scanner found {found} in a file you sent. Nothing was stored; tell your administrator."
    return _refusal(request, "File refused", what, 422)


def unscanned_file(request):
    what = "The virus scanner does not answer, and no file is taken without it. Nothing was stored; try again soon."
    return _refusal(request, "Try again in a moment", what, 503)


def is_full(error: Exception) -> bool:
    """Whether a database's error says that there is no room left on its disk."""
    return any(words in str(error).lower() for words in FULL)


def _no_database(is_disk_full: bool) -> HttpResponse:
    """Away, busy or full: sheets keep their rows and send them again by themselves."""
    why = "The disk of the server is full." if is_disk_full else "The database takes no writing now."
    what = f"{why} Nothing you sent was stored; try again in a moment."
    page = render_to_string(TEMPLATE, {"title": "Try again in a moment", "what": what})
    return HttpResponse(page, status=507 if is_disk_full else 503, headers={"Retry-After": "5"})


def _refusal(request, title: str, what: str, status: int):
    if request.path.startswith(
        "/api/"
    ):  # an address that matches no route never reaches the API's own answers
        return JsonResponse({"detail": what}, status=status)
    return render(request, TEMPLATE, {"title": title, "what": what}, status=status)
