"""What every response passes through."""

from django.conf import settings


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


class AdminContentSecurityPolicy:
    """Relax the content security policy for the admin theme, and for nothing else."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        if request.path.startswith("/admin/"):
            response._csp_replace = settings.ADMIN_CONTENT_SECURITY_POLICY
        return response
