"""The desk: home and study pages for directors and statisticians."""

from django.urls import path

from studies.desk import home

urlpatterns = [
    path("", home.home, name="home"),
]
