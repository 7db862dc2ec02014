"""The pages shown when something is refused or breaks: plain words, no details of the server."""

from django.shortcuts import render


def forbidden(request, exception=None):
    return render(
        request,
        "errors/error.html",
        {"title": "Not allowed", "what": "Your role does not allow this."},
        status=403,
    )


def not_found(request, exception=None):
    what = "There is no such page, or it belongs to a study you are not a member of."
    return render(request, "errors/error.html", {"title": "Not found", "what": what}, status=404)


def csrf_failure(request, reason=""):
    what = "This form was too old to be accepted. Go back, reload the page and send it again."
    return render(request, "errors/error.html", {"title": "Form expired", "what": what}, status=403)


def server_error(request):
    what = "Something broke on our side. Nothing you sent was stored unless the page said so."
    return render(request, "errors/error.html", {"title": "Server error", "what": what}, status=500)
