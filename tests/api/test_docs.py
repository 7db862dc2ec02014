"""docs/api.md names every operation with its method and path, and no other."""

import re
from pathlib import Path

from studies.api.api import api

PAGE = Path(__file__).parent.parent.parent / "docs" / "api.md"


def test_every_operation_is_documented_and_no_other():
    told = re.findall(r"^\| `(\w+)` \| `(\w+) (\S+?)(?:\?\S+)?` \|", PAGE.read_text(encoding="utf-8"), re.M)
    served = {
        (operation["operationId"], method.upper(), re.sub(r"\{\w+\}", "<id>", path))
        for path, methods in api.get_openapi_schema()["paths"].items()
        for method, operation in methods.items()
    }
    assert set(told) == served


def test_every_status_is_declared():
    for path, methods in api.get_openapi_schema()["paths"].items():
        for operation in methods.values():
            declared = {int(status) for status in operation["responses"]}
            assert declared >= {200, 400, 401, 403, 404, 422, 503, 507}, path
