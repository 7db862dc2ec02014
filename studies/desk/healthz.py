"""`/healthz`: whether this server can do its work, for a monitor that asks without signing in."""

from django.http import HttpRequest, JsonResponse

from studies.actions.health import health
from studies.endpoints import ANYONE, endpoint


@endpoint(ANYONE)
def healthz(request: HttpRequest) -> JsonResponse:
    """200 while everything needed works, 503 with what does not; it names no study and no person."""
    found = health()
    told = {"ok": all(one.is_well for one in found)} | {
        one.name: {"ok": one.is_well, "says": one.says} for one in found
    }
    return JsonResponse(told, status=200 if told["ok"] else 503)
