"""Whom the administration's pages answer, told by the class of each table: see studies/endpoints.py."""

from studies.endpoints import NOBODY, Endpoint
from studies.terms import Role

READERS = frozenset({Role.STUDY_DIRECTOR, Role.STATISTICIAN, Role.QUALITY_ASSURANCE})
DIRECTORS = frozenset({Role.STUDY_DIRECTOR})
ADMINISTRATORS = frozenset({Role.ADMINISTRATOR})
STAFF = READERS | ADMINISTRATORS


class Declared:
    """Roles (of people marked as staff) that read, change, add or remove rows of a table."""

    readers: frozenset[str] = NOBODY
    writers: frozenset[str] = NOBODY
    adders: frozenset[str] = NOBODY
    removers: frozenset[str] = NOBODY
    shared = False
    blinded_safe = True

    def endpoint_of(self, url_name: str | None) -> Endpoint | None:
        """The declaration of one of the table's own pages; None for a page this class knows nothing of."""
        options = self.opts  # type: ignore[attr-defined]
        page = (url_name or "").removeprefix(f"{options.app_label}_{options.model_name}_")
        pages: dict[str, tuple[frozenset[str] | None, frozenset[str] | None]] = {
            "": (STAFF, None),  # an address without its last part leads to the form
            "changelist": (self.readers, None),
            "history": (self.readers, None),
            "change": (self.readers, self.writers),
            "add": (self.adders, self.adders),
            "delete": (self.removers, self.removers),
        }
        if page not in pages:
            return None
        return Endpoint(*pages[page], self.blinded_safe, self.shared or page == "")
