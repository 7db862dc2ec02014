"""What every response passes through."""

from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.utils import timezone


class OwnOriginOnly:
    """No other site may embed or read what this one serves, static files included."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        return response


class ApiByTlsAlone:
    """A program that speaks plain HTTP is refused: sent on to TLS, it would go on sending its token in the clear."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        asks_api = request.path.startswith("/api/")
        if settings.SECURE_SSL_REDIRECT and asks_api and not request.is_secure():
            return JsonResponse({"detail": "The API answers by https alone."}, status=403)
        return self.get_response(request)


class SizeLimit:
    """A request that is too large is refused by what it says of itself, before a byte of it is read.

    So is one with NUL in its address, which no name here holds and PostgreSQL does not take.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not length.isdecimal() or int(length) > settings.UPLOAD_LIMIT_MB * 1_000_000:
            text = f"This is larger than {settings.UPLOAD_LIMIT_MB} MB; nothing was stored."
            return HttpResponse(text, status=413, content_type="text/plain; charset=utf-8")
        if "\x00" in request.path_info or "%00" in request.META.get("QUERY_STRING", ""):
            return HttpResponse(
                "There is no such address.", status=400, content_type="text/plain; charset=utf-8"
            )
        return self.get_response(request)


class OfProxy:
    """Behind our own proxy the caller's address is the last one it noted; what stands before it, anybody wrote."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        noted = request.META.get("HTTP_X_FORWARDED_FOR", "").rpartition(",")[2].strip()
        if settings.BEHIND_TLS_PROXY and noted:
            request.META["REMOTE_ADDR"] = noted
        return self.get_response(request)


class SecondFactorFirst:
    """Where the house asks for second factors, a full sign-in without one leads to enrolling it and nowhere else."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        asked = settings.SECOND_FACTOR_REQUIRED and request.user.is_authenticated
        at_account = request.path.startswith(("/accounts/", "/entry/whoami.json"))
        if (
            asked
            and not at_account
            and not request.session.get(CAGE_SIDE_ONLY)
            and not is_mfa_enabled(request.user)
        ):
            return redirect("mfa_index")
        return self.get_response(request)


class OwnPasswordFirst:
    """A password that somebody else set opens the page where one's own is chosen, for a week, and nothing else."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        until = request.user.is_authenticated and request.user.first_password_until
        if until and until < timezone.now():
            logout(request)
            return redirect("account_reset_password")
        at_account = request.path.startswith(("/accounts/", "/entry/whoami.json"))
        if until and not at_account and not request.session.get(CAGE_SIDE_ONLY):
            return redirect("account_change_password")
        return self.get_response(request)


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


TABLET_COOKIE = settings.TABLET_COOKIE
CAGE_SIDE_ONLY = "cage_side_only"
CAGE_SIDE = (
    "/entry/", "/api/v1/", "/accounts/login/", "/accounts/logout/", "/accounts/lock", "/static/",
)  # fmt: skip


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
