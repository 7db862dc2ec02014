"""The API's one object: its version, its sign-in, its routes in order."""

import json
from decimal import Decimal
from typing import Any

from django.http import HttpRequest
from ninja import NinjaAPI
from ninja.parser import Parser

from studies.api import measurements, revisions, sheets
from studies.api.auth import AUTH
from studies.api.declared import declared_urls
from studies.api.problems import answer_problems


class ExactParser(Parser):
    """JSON whose numbers keep the digits they were sent with, and whose NaN stays a word for R1 to refuse."""

    def parse_body(self, request: HttpRequest) -> Any:
        return json.loads(request.body, parse_float=Decimal, parse_constant=str)


api = NinjaAPI(
    title="PDX tracker",
    version="1",
    description="Measurement entry. Described in docs/api.md.",
    auth=AUTH,
    parser=ExactParser(),
    docs_url=None,
)
answer_problems(api)
for module in (measurements, sheets, revisions):
    api.add_router("", module.router)
urls = declared_urls(api)
