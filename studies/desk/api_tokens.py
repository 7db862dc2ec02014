"""A person's API tokens: issue one, see its secret once, revoke it."""

from allauth.account.decorators import reauthentication_required
from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone

from studies.actions.api_tokens import LONGEST_DAYS, create_token, revoke_token
from studies.endpoints import SIGNED_IN, endpoint
from studies.terms import TokenScope


class TokenForm(forms.Form):
    name = forms.CharField(
        label="What will use it", max_length=80, help_text="Such as: scale in room 2, weekly export."
    )
    scope = forms.ChoiceField(label="It may", choices=TokenScope.choices())
    days = forms.IntegerField(label="For how many days", min_value=1, max_value=LONGEST_DAYS, initial=90)


@endpoint(SIGNED_IN, post=SIGNED_IN)
@reauthentication_required
def api_tokens(request: HttpRequest) -> HttpResponse:
    """The list and the form; a new secret is in the answer to its own request and nowhere else."""
    form, secret = TokenForm(request.POST or None), ""
    if request.method == "POST" and form.is_valid():
        scopes = {TokenScope.READ, TokenScope(form.cleaned_data["scope"])}
        _, secret = create_token(
            request.user,
            form.cleaned_data["name"],
            scopes,
            actor=request.user,
            at=timezone.now(),
            days=form.cleaned_data["days"],
        )
        form = TokenForm()
    tokens = list(request.user.api_tokens.order_by("-created_at", "-pk"))
    context = {"form": form, "secret": secret, "tokens": tokens, "now": timezone.now()}
    return render(request, "studies/desk/api_tokens.html", context)


@endpoint(post=SIGNED_IN)
def api_token_revoke(request: HttpRequest, key: int) -> HttpResponse:
    token = get_object_or_404(request.user.api_tokens, pk=key)
    revoke_token(token, actor=request.user, at=timezone.now())
    return redirect("api_tokens")
