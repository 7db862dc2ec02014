"""Pages under the account: API tokens, and those of the sign-in library that make no sense without e-mail."""

from django.urls import path, re_path
from django.views.generic import TemplateView

from studies.desk.api_tokens import api_token_revoke, api_tokens
from studies.desk.locked import lock_now, locked
from studies.desk.own_sessions import own_sessions
from studies.endpoints import ANYONE, endpoint

ask_administrator = endpoint(ANYONE)(TemplateView.as_view(template_name="account/ask_administrator.html"))

urlpatterns = [
    path("tokens/", api_tokens, name="api_tokens"),
    path("tokens/<int:key>/revoke/", api_token_revoke, name="api_token_revoke"),
    path("sessions/", own_sessions, name="own_sessions"),
    path("locked/", locked, name="locked"),
    path("lock/", lock_now, name="lock_now"),
    path("signup/", ask_administrator),
    path("email/", ask_administrator),
    re_path(r"^confirm-email/.*$", ask_administrator),
    re_path(r"^password/(reset|set)/.*$", ask_administrator),
    re_path(r"^login/code/.*$", ask_administrator),
    re_path(r"^(social|3rdparty/signup|3rdparty/login)/.*$", ask_administrator),
]
