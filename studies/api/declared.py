"""Beside each view of the API, whom it answers: `studies/endpoints.py` for views that ninja calls.

    @router.get("/sessions/{int:session_id}/sheet", ...)
    @answers(SCIENCE_READERS)

The roles are held by `auth.py` before the request is read, and listed by `list_endpoints`.
"""

from collections.abc import Callable, Iterable

from ninja import NinjaAPI

from studies.endpoints import ANYONE, NOBODY, Endpoint

OF_NINJA = {"openapi-json": {"GET": ANYONE}, "api-root": {"GET": NOBODY}}


def answers(roles: Iterable[str]) -> Callable[[Callable], Callable]:
    """Declare the roles a view of the API answers."""

    def declare(view: Callable) -> Callable:
        view.answers = frozenset(roles)  # type: ignore[attr-defined]
        return view

    return declare


def declared_urls(api: NinjaAPI) -> tuple:
    """The API's URLs, each callback carrying its `endpoint`: GET and POST may answer different roles."""
    patterns, app, namespace = api.urls
    audiences: dict[str, dict[str, frozenset[str]]] = {}
    for prefix, router in api._routers:
        for path, view in router.path_operations.items():
            route = _route(prefix, path)
            audiences[route] = {
                method: operation.view_func.answers
                for operation in view.operations
                for method in operation.methods
            }
    for pattern in patterns:
        by_method = OF_NINJA.get(pattern.name) or audiences[str(pattern.pattern).strip("/")]
        pattern.callback.endpoint = Endpoint(by_method.get("GET"), by_method.get("POST"))
    return patterns, app, namespace


def _route(prefix: str, path: str) -> str:
    """Ninja writes {int:session_id} where Django's patterns write <int:session_id>."""
    return f"{prefix}/{path}".replace("{", "<").replace("}", ">").replace("//", "/").strip("/")
