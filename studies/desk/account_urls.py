"""Pages of the sign-in library that make no sense where nothing is sent by e-mail, told apart plainly."""

from django.urls import path, re_path
from django.views.generic import TemplateView

ask_administrator = TemplateView.as_view(template_name="account/ask_administrator.html")

urlpatterns = [
    path("signup/", ask_administrator),
    path("email/", ask_administrator),
    re_path(r"^confirm-email/.*$", ask_administrator),
    re_path(r"^password/(reset|set)/.*$", ask_administrator),
    re_path(r"^login/code/.*$", ask_administrator),
]
