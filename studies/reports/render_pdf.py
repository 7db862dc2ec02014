"""The HTML page as a tagged PDF (PDF/UA-1), without touching network or disk."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from typing import Any


class FetchRefused(ValueError):
    """Something in the page asked for a resource outside itself."""


def render_pdf(html: str, made_at: datetime) -> bytes:
    """The PDF of a page made by `render_html`; the same page and time give the same bytes.

    Refused (FetchRefused): a page that refers to anything but data inside it.
    """
    from PIL import ImageFile
    from weasyprint import HTML
    from weasyprint.urls import FatalURLFetchingError

    ImageFile.LOAD_TRUNCATED_IMAGES = False  # WeasyPrint switches it on for all; a photo cut short is refused
    for name in ("fontTools", "weasyprint"):
        logging.getLogger(name).setLevel(logging.ERROR)
    page = HTML(string=html, url_fetcher=_sealed_fetcher()(), base_url=None)
    identifier = f"pdx-tracker-{made_at:%Y%m%dT%H%M%SZ}".encode()
    try:
        with _fonts_stamped(made_at):
            return page.write_pdf(pdf_variant="pdf/ua-1", pdf_identifier=identifier)
    except FatalURLFetchingError as error:  # not an Exception, so that WeasyPrint itself lets it through
        raise FetchRefused(str(error)) from None


@contextmanager
def _fonts_stamped(made_at: datetime) -> Iterator[None]:
    """fontTools writes the clock into every font it embeds, unless this variable tells it a time."""
    told = os.environ.get("SOURCE_DATE_EPOCH")
    os.environ["SOURCE_DATE_EPOCH"] = str(int(made_at.timestamp()))
    try:
        yield
    finally:
        if told is None:
            del os.environ["SOURCE_DATE_EPOCH"]
        else:
            os.environ["SOURCE_DATE_EPOCH"] = told


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
