"""The form a signature is given in: user id and password, again, in the request that signs."""

from django import forms
from django.utils import timezone

from studies.actions.set_up import SetUpRefused
from studies.actions.sign import Signer, SigningRefused, verify_signer


class SigningForm(forms.Form):
    username = forms.CharField(
        label="Your user name", max_length=150, widget=forms.TextInput({"autocomplete": "off"})
    )
    password = forms.CharField(
        label="Your password", strip=False, widget=forms.PasswordInput({"autocomplete": "off"})
    )

    def signer(self, request) -> Signer:
        """The person at the keyboard, checked now. Raises SigningRefused."""
        told = self.cleaned_data
        return verify_signer(request.user, told["username"], told["password"], timezone.now())

    def refuse(self, error: SetUpRefused | SigningRefused) -> None:
        for reason in getattr(error, "reasons", (str(error),)):
            self.add_error(None, reason)


class ReasonedSigningForm(SigningForm):
    reason = forms.CharField(max_length=2000, widget=forms.Textarea({"rows": 2}))
    field_order = ("reason", "username", "password")
