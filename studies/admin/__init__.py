"""Study set-up on django-unfold: one file an aggregate.

Allocations and randomizations are not registered: what is not here cannot be looked up, filtered or
exported by hand. Tables of other packages are taken off, or come back read-only under System.
"""

# Imported first so that each registers its tables before they are taken off again.
import allauth.account.admin
import allauth.mfa.admin
import allauth.socialaccount.admin  # noqa: F401
import axes.admin  # noqa: F401
import django.contrib.auth.admin  # noqa: F401
import django_q.admin  # noqa: F401
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib import admin
from django.contrib.auth.models import Group
from django.shortcuts import redirect
from django_q.models import Failure, OrmQ, Schedule, Success
from tablib.formats import registry

admin.site.unregister([SocialAccount, SocialApp, SocialToken])
admin.site.unregister([EmailAddress, Authenticator, AccessAttempt, AccessFailureLog, AccessLog, Group])
admin.site.unregister([Failure, OrmQ, Schedule, Success])

# Only CSV is exchanged. The library tries every format it knows when it is imported, and its workbook
# reader may bring NumPy, which no page waits for.
registry._formats.pop("xlsx", None)

from studies.admin import arm, device, measurement, mouse, pdx_model, people, study, system  # noqa: E402, F401

admin.site.index_title = "Set-up"

# One front door: signing out and changing the password happen on our own pages.
admin.site.password_change = lambda request, extra_context=None: redirect("account_change_password")
admin.site.logout = lambda request, extra_context=None: redirect("account_logout")
