"""The pages shown when something is refused or breaks: plain words, no details of the server."""

from django.http import HttpResponseServerError
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
    what = "Something broke on our side. Nothing you sent was stored unless the page said so."
    return HttpResponseServerError(render_to_string(TEMPLATE, {"title": "Server error", "what": what}))


def _refusal(request, title: str, what: str, status: int):
    return render(request, TEMPLATE, {"title": title, "what": what}, status=status)
