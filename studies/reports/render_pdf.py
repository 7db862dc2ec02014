"""The HTML page as a tagged PDF (PDF/UA-1), without touching network or disk."""

import logging
from datetime import datetime
from functools import cache
from typing import Any


def render_pdf(html: str, made_at: datetime) -> bytes:
    """The PDF of a page made by `render_html`; the same page gives the same bytes.

    A page that refers to anything but data inside it is refused (a FatalURLFetchingError).
    """
    from weasyprint import HTML

    for name in ("fontTools", "weasyprint"):
        logging.getLogger(name).setLevel(logging.ERROR)
    page = HTML(string=html, url_fetcher=_sealed_fetcher()(), base_url=None)
    identifier = f"pdx-tracker-{made_at:%Y%m%dT%H%M%SZ}".encode()
    return page.write_pdf(pdf_variant="pdf/ua-1", pdf_identifier=identifier)


@cache
def _sealed_fetcher() -> Any:
    """A fetcher that reads data: URLs and stops the rendering at any other."""
    from weasyprint.urls import FatalURLFetchingError, URLFetcher

    class Sealed(URLFetcher):
        def fetch(self, url: str, headers: Any = None) -> Any:
            if not url.startswith("data:"):
                raise FatalURLFetchingError(f"the report refers to {url[:80]}, outside itself")
            return super().fetch(url, headers)

    return Sealed
