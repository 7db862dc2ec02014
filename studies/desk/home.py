"""The home page: what waits for this person, and the studies they have a part in."""

from collections import defaultdict

from django.shortcuts import render
from django.utils import timezone

from studies import access
from studies.actions.blinding import open_notices
from studies.actions.letters import late_letters
from studies.desk.study_list import described
from studies.endpoints import SIGNED_IN, endpoint
from studies.models import Letter, StudyMembership
from studies.terms import Role, StudyState
from studies.worklist import due_sessions

MEASURES = frozenset({Role.TECHNICIAN, Role.STUDY_DIRECTOR})


@endpoint(SIGNED_IN)
def home(request):
    roles = _roles_by_study(request.user)
    groups = [
        (state, studies)
        for state in (StudyState.ACTIVE, StudyState.DRAFT, StudyState.DATA_LOCKED, StudyState.UNBLINDED,
                      StudyState.ARCHIVED)
        if (studies := [row for row in described(request.user) if row.study.state == state])
    ]  # fmt: skip
    due = due_sessions(request.user, timezone.now()) if _measures(roles) else []
    context = {
        "nav": "home",
        "groups": [(state.label, [(row, roles[row.study.pk]) for row in rows]) for state, rows in groups],
        "due": due,
        "due_now": any(item.urgency == "now" for item in due),
        "measures": _measures(roles),
        "letters": _unsent_letters(request.user),
        "notices": open_notices(request.user),
    }
    return render(request, "studies/desk/home.html", context)


def _unsent_letters(user) -> list[Letter]:
    """E-mail that should have gone out, for those who look after the installation and for nobody else."""
    if not (user.is_superuser or Role.ADMINISTRATOR in access.studies_by_role(user)):
        return []
    return list(late_letters(timezone.now())[:1])


def _roles_by_study(user) -> dict[int, list[Role]]:
    roles = defaultdict(list)
    active = StudyMembership.objects.filter(user=user, is_active=True)
    for study, role in active.order_by("role").values_list("study", "role"):
        roles[study].append(Role(role))
    return roles


def _measures(roles: dict[int, list[Role]]) -> bool:
    return any(MEASURES & set(held) for held in roles.values())
