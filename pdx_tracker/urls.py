"""Where the doors are mounted; nothing else."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path

# The admin's own login form knows nothing of second factors, so the admin uses the one front door.
admin.autodiscover()
admin.site.login = secure_admin_login(admin.site.login)

urlpatterns = [
    path("accounts/", include("studies.desk.account_urls")),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
    path("", include("studies.desk.urls")),
]

handler403 = "studies.errors.forbidden"
handler404 = "studies.errors.not_found"
handler500 = "studies.errors.server_error"
