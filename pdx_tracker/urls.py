"""Where the doors are mounted; nothing else."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path

from studies.admin.endpoints import ADMINISTRATORS, STAFF
from studies.api.api import urls as api_urls
from studies.endpoints import ANONYMOUS, ANYONE, NOBODY, SIGNED_IN, Endpoint

# The admin's own login form knows nothing of second factors, so the admin uses the one front door.
admin.autodiscover()
admin.site.login = secure_admin_login(admin.site.login)

urlpatterns = [
    path("accounts/", include("studies.desk.account_urls")),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
    path("api/v1/", api_urls),
    path("entry/", include("studies.entry.urls")),
    path("", include("studies.desk.urls")),
]

# Whom the URLs of packages answer; our own views say it themselves (studies/endpoints.py).
_FOR_ANYONE, _FOR_ACCOUNTS = Endpoint(ANYONE, ANYONE), Endpoint(SIGNED_IN, SIGNED_IN)
ENDPOINTS_OF_PACKAGES = {
    "account_login": _FOR_ANYONE,
    "account_logout": _FOR_ANYONE,
    "account_inactive": Endpoint(ANYONE),
    "account_reauthenticate": _FOR_ACCOUNTS,
    "account_change_password": _FOR_ACCOUNTS,
    "mfa_index": Endpoint(SIGNED_IN),
    "mfa_authenticate": _FOR_ANYONE,  # the second step of signing in
    "mfa_reauthenticate": _FOR_ACCOUNTS,
    "mfa_activate_totp": _FOR_ACCOUNTS,
    "mfa_deactivate_totp": _FOR_ACCOUNTS,
    "mfa_view_recovery_codes": Endpoint(SIGNED_IN),
    "mfa_generate_recovery_codes": _FOR_ACCOUNTS,
    "mfa_download_recovery_codes": Endpoint(SIGNED_IN),
    "mfa_login_webauthn": _FOR_ANYONE,  # signing in with a passkey
    "mfa_list_webauthn": Endpoint(SIGNED_IN),
    "mfa_add_webauthn": _FOR_ACCOUNTS,
    "mfa_reauthenticate_webauthn": _FOR_ACCOUNTS,
    "mfa_remove_webauthn": _FOR_ACCOUNTS,
    "mfa_edit_webauthn": _FOR_ACCOUNTS,
    "socialaccount_connections": _FOR_ACCOUNTS,
    "openid_connect_login": Endpoint(NOBODY),  # answers where a provider is named by setting
    "openid_connect_callback": Endpoint(NOBODY),
    "admin:login": Endpoint(STAFF | {ANONYMOUS}),  # leads to the one front door
    "admin:logout": _FOR_ANYONE,
    "admin:password_change": Endpoint(STAFF),
    "admin:password_change_done": Endpoint(STAFF),
    "admin:index": Endpoint(STAFF),
    "admin:search": Endpoint(STAFF),
    "admin:autocomplete": Endpoint(STAFF),
    "admin:jsi18n": Endpoint(STAFF),
    "admin:view_on_site": Endpoint(NOBODY),
    "admin:app_list": Endpoint(STAFF),
    "admin:auth_user_password_change": Endpoint(ADMINISTRATORS, ADMINISTRATORS, shared=True),
    "admin:": Endpoint(NOBODY),  # what is no page of the administration
}

handler403 = "studies.errors.forbidden"
handler404 = "studies.errors.not_found"
handler500 = "studies.errors.server_error"
