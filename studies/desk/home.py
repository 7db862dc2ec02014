"""The home page: what waits for this person."""

from django.contrib.auth.decorators import login_required
from django.shortcuts import render

from studies import access


@login_required
def home(request):
    return render(request, "studies/desk/home.html", {"studies": access.studies_of(request.user)})
