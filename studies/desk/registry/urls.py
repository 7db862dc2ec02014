"""Addresses of the registry. A PDX model's code may hold a slash, hence `path`."""

from django.urls import path

from studies.desk.registry import pdx_model_list, pdx_model_page, responses

urlpatterns = [
    path("pdx-models/", pdx_model_list.pdx_model_list, name="pdx_model_list"),
    path("pdx-models/<path:pdx_model>/responses/", responses.responses, name="pdx_model_responses"),
    path("pdx-models/<path:pdx_model>/", pdx_model_page.pdx_model_page, name="pdx_model"),
]
