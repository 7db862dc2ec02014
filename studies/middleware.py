"""What every response passes through."""

from django.conf import settings


class AdminContentSecurityPolicy:
    """Relax the content security policy for the admin theme, and for nothing else."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        if request.path.startswith("/admin/"):
            response._csp_replace = settings.ADMIN_CONTENT_SECURITY_POLICY
        return response
