"""What can go wrong with a request as a whole, and the status each gets."""

from django.db import DatabaseError, DataError, IntegrityError, ProgrammingError
from ninja import NinjaAPI

from studies.actions.record_measurements import KeyReused
from studies.actions.sign import SigningRefused
from studies.actions.sign_session import NotSignable
from studies.api.auth import Forbidden
from studies.api.schemas import Problem
from studies.errors import is_full

PROBLEMS = dict.fromkeys((400, 401, 403, 404, 422, 503, 507), Problem)


def answer_problems(api: NinjaAPI) -> None:
    """Lay the answers to what a view may raise."""

    @api.exception_handler(Forbidden)
    def forbidden(request, error):
        return api.create_response(request, {"detail": str(error)}, status=403)

    @api.exception_handler(KeyReused)
    @api.exception_handler(NotSignable)
    @api.exception_handler(SigningRefused)
    def refused(request, error):
        return api.create_response(request, {"detail": str(error)}, status=422)

    @api.exception_handler(DatabaseError)
    def database_error(request, error):
        """Locked, read-only, gone or full: nothing was stored, and the client keeps its rows and tries again."""
        if isinstance(error, IntegrityError | DataError | ProgrammingError):
            raise error
        status = 507 if is_full(error) else 503
        why = "the disk of the server is full" if status == 507 else "the database takes no writing now"
        response = api.create_response(
            request, {"detail": f"{why}; nothing was stored, keep the rows and try again"}, status=status
        )
        response.headers["Retry-After"] = "5"
        return response
