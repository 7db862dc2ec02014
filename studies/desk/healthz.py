"""`/healthz`: whether this server can do its work, for a monitor that asks without signing in."""

from django.http import HttpRequest, HttpResponse, JsonResponse

from studies.actions.health import health
from studies.actions.health import metrics as figures
from studies.endpoints import ANYONE, endpoint


@endpoint(ANYONE)
def healthz(request: HttpRequest) -> JsonResponse:
    """200 while everything needed works, 503 with what does not; it names no study and no person."""
    found = health()
    told = {"ok": all(one.is_well for one in found)} | {
        one.name: {"ok": one.is_well, "says": one.says} for one in found
    }
    return JsonResponse(told, status=200 if told["ok"] else 503)


@endpoint(ANYONE)
def metrics(request: HttpRequest) -> HttpResponse:
    """The same and a few figures of operation, in the text format that Prometheus reads."""
    lines = [f"{name} {value:.15g}" for name, value in figures().items()]
    return HttpResponse("\n".join([*lines, ""]), content_type="text/plain; version=0.0.4; charset=utf-8")
