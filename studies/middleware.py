"""What every response passes through."""

from django.conf import settings
from django.shortcuts import redirect


class NothingStored:
    """Pages are for the person signed in now: no browser or proxy keeps one, so Back after sign-out shows none.

    Static files never come here; they are served, and may be kept, before this.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        response.headers["Cache-Control"] = "no-store, private"
        return response


TABLET_COOKIE = "pdx_tablet"
CAGE_SIDE_ONLY = "cage_side_only"
CAGE_SIDE = ("/entry/", "/api/v1/", "/accounts/login/", "/accounts/logout/", "/static/")


class CageSideOnly:
    """Whoever came back by badge or PIN reaches the cage side and nothing else until a full sign-in."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if request.session.get(CAGE_SIDE_ONLY) and not request.path.startswith(CAGE_SIDE):
            return redirect("entry_today")
        return self.get_response(request)


class AdminContentSecurityPolicy:
    """Relax the content security policy for the admin theme, and for nothing else."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        if request.path.startswith("/admin/"):
            response._csp_replace = settings.ADMIN_CONTENT_SECURITY_POLICY
        return response
