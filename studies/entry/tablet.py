"""A shared tablet: register it, keep a PIN or badge, and change hands by them."""

from allauth.account.decorators import reauthentication_required
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.shortcuts import redirect, render
from django.utils import timezone

from studies.actions.tablets import (
    KeyRefused,
    on_shift,
    person_by_badge,
    person_by_pin,
    register_tablet,
    revoke_tablet,
    set_entry_key,
    tablet_of,
)
from studies.endpoints import ANYONE, SIGNED_IN, endpoint
from studies.middleware import CAGE_SIDE_ONLY, TABLET_COOKIE
from studies.models import Tablet
from studies.terms import Role

BACKEND = "django.contrib.auth.backends.ModelBackend"
ADMINISTRATORS = frozenset({Role.ADMINISTRATOR})
A_YEAR = 365 * 24 * 3600


class KeyForm(forms.Form):
    pin = forms.CharField(
        label="PIN", required=False, max_length=8, help_text="4 to 8 digits.",
        widget=forms.PasswordInput(attrs={"inputmode": "numeric", "autocomplete": "new-password"}),
    )  # fmt: skip
    badge = forms.CharField(
        label="Badge", required=False, max_length=200, help_text="Scan it here.",
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )  # fmt: skip


@endpoint(ANYONE, post=ANYONE)
def switch(request):
    """Who takes over: scan a badge, or name and PIN. Unsent rows stay each with their person."""
    tablet, now = tablet_of(request.COOKIES.get(TABLET_COOKIE)), timezone.now()
    if tablet is None:
        return render(request, "studies/entry/switch.html", {"tablet": None}, status=200)
    error = ""
    if request.method == "POST":
        try:
            user = _taker(tablet, request.POST, now)
        except KeyRefused as refused:
            error = str(refused)
        else:
            login(request, user, backend=BACKEND)
            request.session[CAGE_SIDE_ONLY] = True
            return redirect("entry_today")
    context = {"nav": "today", "tablet": tablet, "people": on_shift(tablet, now), "error": error}
    return render(request, "studies/entry/switch.html", context, status=403 if error else 200)


def _taker(tablet: Tablet, sent, now):
    if badge := sent.get("badge", "").strip():
        return person_by_badge(tablet, badge, now)
    person = sent.get("person", "")
    if not person.isdigit():
        raise KeyRefused("scan a badge, or choose a name")
    return person_by_pin(tablet, int(person), sent.get("pin", ""), now)


@endpoint(SIGNED_IN, post=SIGNED_IN)
@reauthentication_required
def entry_key(request):
    form = KeyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            set_entry_key(request.user, **form.cleaned_data, at=timezone.now())
        except KeyRefused as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, "Kept. It works on a tablet you signed in on in full this shift.")
            return redirect("entry_key")
    return render(request, "studies/entry/entry_key.html", {"form": form})


@endpoint(ADMINISTRATORS, post=ADMINISTRATORS, shared=True)
@reauthentication_required
def tablets(request):
    """For administrators: register the tablet in hand, revoke one that was lost."""
    now = timezone.now()
    if request.method == "POST" and request.POST.get("revoke", "").isdigit():
        found = Tablet.objects.filter(pk=int(request.POST["revoke"])).first()
        if found:
            revoke_tablet(found, actor=request.user, at=now)
        return redirect("tablets")
    if request.method == "POST":
        try:
            tablet, secret = register_tablet(request.POST.get("name", ""), actor=request.user, at=now)
        except KeyRefused as refused:
            messages.error(request, str(refused))
        else:
            messages.success(request, f"This tablet is {tablet.name} from now on.")
            response = redirect("tablets")
            response.set_cookie(
                TABLET_COOKIE, secret, max_age=A_YEAR, httponly=True, samesite="Strict", secure=settings.HTTPS
            )
            return response
    here = tablet_of(request.COOKIES.get(TABLET_COOKIE))
    return render(request, "studies/entry/tablets.html", {"tablets": Tablet.objects.all(), "here": here})
