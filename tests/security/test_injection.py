"""Code for every interpreter in every text field of the record, then every page, export and PDF fetched.

The text is written into the rows themselves, past every form, so that only how it is given back protects.
"""

import csv
import io
import json
from html.parser import HTMLParser
from urllib.parse import quote

import openpyxl
import pytest
from django.db import models, transaction
from django.test import Client
from django.urls import get_resolver, reverse
from pypdf import PdfReader

from pdx_tracker.urls import ENDPOINTS_OF_PACKAGES
from studies.endpoints import routes
from studies.exports import long_csv, workbook
from studies.models import AuditEvent, ReportFile, User
from tests.record import NOON, address, fill_record
from tests.support.databases import triggers_lifted

pytestmark = pytest.mark.django_db
# The first characters count most, since a field may be short: a formula, a script, an attribute, a template, a header.
ALIVE = (
    "=1+1<script>zq()</script>",
    '"><img src=x onerror=zq()>',
    "'onfocus=zq() autofocus ",
    "{{7*7}}zq{% now 'Y' %}",
    "zq\r\nSet-Cookie: zq=1",
    "@zq'; DROP TABLE studies_mouse;--",
    "+zq\u202e\u2066javascript:zq()",
    "\tzq`${zq()}`\u2028",
)
LONG = "".join(ALIVE)
RUN = ("=", "+", "-", "@", "\t", "\r", "\n")  # what a spreadsheet begins a formula with
# Words that tables and programs know by heart: never typed by a person as they like.
NOT_TYPED = {"time_zone", "password", "digest", "hint", "sha256", "badge_digest", "pin", "secret", "file_name",
             "chain", "username", "object_type", "object_id", "hash", "previous_hash", "seal", "head_hash", "path",
             "code", "signs"}  # fmt: skip


def text_fields(table: type[models.Model]) -> list[models.Field]:
    return [
        field
        for field in table._meta.concrete_fields
        if isinstance(field, models.CharField | models.TextField)
        and not (field.choices or field.primary_key or isinstance(field, models.UUIDField))
        and field.name not in NOT_TYPED
        and not field.name.endswith(("sha256", "hash"))
    ]


def poison() -> int:
    """Put code into every text of every row; returns how many were written."""
    written = 0
    tables = [table for table in get_tables() if table is not ReportFile and table._base_manager.exists()]
    with triggers_lifted(["default"]):
        for table in tables:
            for place, row in enumerate(table._base_manager.order_by("pk")):
                texts = {
                    field.name: shortened(field, written + number, place)
                    for number, field in enumerate(text_fields(table))
                }
                if texts:
                    table._base_manager.filter(pk=row.pk).update(**texts)
                    written += len(texts)
        for event in AuditEvent._base_manager.all():
            told = {"new": {**(event.new or {}), "said": LONG}, "old": {**(event.old or {}), LONG: LONG}}
            AuditEvent._base_manager.filter(pk=event.pk).update(reason=LONG, **told)
    return written


def shortened(field: models.Field, number: int, place: int) -> str:
    """One kind of code in a short field, all of them in a long one; another one in each row where rows must differ."""
    text = ALIVE[number % len(ALIVE)] if (field.max_length or 10_000) < len(LONG) else LONG
    mark = str(place) if field.unique or place else ""
    return text[: (field.max_length or 10_000) - len(mark)] + mark


def get_tables() -> list[type[models.Model]]:
    from django.apps import apps

    return [*apps.get_app_config("studies").get_models()]


class Living(HTMLParser):
    """What of a page runs although somebody typed it."""

    def __init__(self):
        super().__init__()
        self.found: list[str] = []
        self.in_script = False

    def handle_starttag(self, tag, attributes):
        self.in_script = tag == "script" and dict(attributes).get("type") != "application/json"
        for name, value in attributes:
            if (name.startswith("on") and "zq" in (value or "")) or (name == "onfocus"):
                self.found.append(f"<{tag} {name}={value}>")
            if name in ("href", "src", "action") and (value or "").strip().lower().startswith("javascript:"):
                self.found.append(f"<{tag} {name}={value}>")
        if tag == "img" and dict(attributes).get("src") == "x":
            self.found.append("<img src=x>")

    def handle_endtag(self, tag):
        self.in_script = False

    def handle_data(self, data):
        if self.in_script and "zq()" in data:
            self.found.append(f"script: {data[:80]}")


def comes_alive(response) -> list[str]:
    """What is wrong with an answer: code in the page, a template that was computed, a header of its own, a formula."""
    kind = response.headers.get("Content-Type", "").split(";")[0]
    content = b"".join(response.streaming_content) if response.streaming else response.content
    wrong = [
        f"header {name}" for name, value in response.headers.items() if "\n" in value or name.lower() == "zq"
    ]
    wrong += [f"cookie {name}" for name in response.cookies if name == "zq"]
    if kind == "application/pdf":
        told = "".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)
        return (
            wrong
            + [what for what in ("49zq",) if what in told]
            + [k for k in ("/JavaScript", "/JS ") if k.encode() in content]
        )
    text = content.decode(errors="replace")
    wrong += ["a template was computed"] if "49zq" in text else []
    if kind == "text/html":
        page = Living()
        page.feed(text)
        wrong += page.found
    elif kind == "application/json" and text:
        json.loads(text)
    elif kind == "text/csv":
        wrong += live_cells(text)
    return wrong


def live_cells(text: str) -> list[str]:
    """Cells a spreadsheet would run; a number with its sign is none."""
    rows = csv.reader(io.StringIO(text))
    return [cell for row in rows for cell in row if cell.startswith(RUN) and not is_number(cell)]


def is_number(cell: str) -> bool:
    try:
        return bool(float(cell)) or True
    except ValueError:
        return False


@pytest.fixture
def poisoned(study, people, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    record = fill_record(study, people)
    User.objects.filter(pk__in=[people.study_director.pk, people.administrator.pk]).update(is_staff=True)
    User.objects.filter(pk=people.administrator.pk).update(is_superuser=True)
    assert poison() > 150
    return record


def test_nothing_typed_comes_back_alive(poisoned, people, caplog):
    caplog.set_level("CRITICAL", logger="django.request")
    wrong, kinds, answered = [], {}, set()
    for name in ("study_director", "administrator", "doser", "allocation_custodian"):
        user = User.objects.get(pk=getattr(people, name).pk)
        client = Client(raise_request_exception=False)
        client.force_login(user)
        for route in routes(get_resolver(), ENDPOINTS_OF_PACKAGES):
            if route.path in answered or "logout" in route.path:
                continue
            response = client.get(address(route, poisoned, user))
            if response.status_code == 200:
                answered.add(route.path)
                kinds[response.headers["Content-Type"].split(";")[0]] = route.path
            if response.status_code >= 500 and route.path != "/healthz":  # a job of the past waits too long
                wrong.append(
                    f"{route.path} as {name}: {response.status_code} {(response.exc_info or [0, 0])[1]!r}"
                )
            wrong += [f"{route.path} as {name}: {what}" for what in comes_alive(response)]
    assert wrong == [], "\n".join(wrong)
    assert len(answered) > 90 and {"text/html", "application/json", "application/pdf", "text/csv"} <= set(
        kinds
    )


def test_no_export_holds_a_live_formula(poisoned, people):
    client = Client()
    client.force_login(User.objects.get(pk=people.study_director.pk))
    for table in ("mouse", "pdxmodel"):
        answer = client.post(reverse(f"admin:studies_{table}_export"), {"format": "0", "resource": ""})
        told = answer.content.decode()
        assert answer.status_code == 200 and live_cells(told) == [] and "zq" in told, table
    typed = [*ALIVE, *"=+-@\t", "-2+3"]
    columns = ["mouse", "=note", "volume_mm3"]
    rows = [{"mouse": text, "=note": text, "volume_mm3": -1.5} for text in typed]
    assert live_cells(long_csv(columns, rows).decode("utf-8-sig")) == []
    book = openpyxl.load_workbook(io.BytesIO(workbook({"=sheet": rows}, "=title", NOON)))
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert len(cells) > 30 and [cell.value for cell in cells if cell.data_type == "f"] == []


PLACES = ("/studies/{}/", "/pdx-models/{}/", "/admin/studies/mouse/?q={}", "/entry/sessions/1/?{}",
          "/accounts/login/?next={}", "/studies/?q={}", "/api/v1/{}")  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_nothing_in_an_address_comes_back_alive_or_breaks_the_server(people, place, caplog):
    caplog.set_level("CRITICAL", logger="django.request")
    client = Client()
    User.objects.filter(pk=people.study_director.pk).update(is_staff=True)
    client.force_login(User.objects.get(pk=people.study_director.pk))
    for text in (
        *ALIVE,
        "\x00",
        "a\x00b",
        "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
        "../" * 20,
        "9" * 400,
    ):
        response = client.get(place.format(quote(text, safe="")))
        assert response.status_code < 500 and comes_alive(response) == [], (place, text)


@pytest.mark.parametrize("text", [*ALIVE, "\x00", "a\x00b", "\u202e\u2066", "x" * 100_000])
def test_what_is_typed_into_forms_is_refused_or_kept_as_text(people, text):
    client = Client()
    client.force_login(people.study_director)
    for path, data in (
        ("/studies/new/", {"code": text, "title": text, "director": text, "time_zone": text}),
        (f"/studies/{people.study.code}/enrollment/", {"way": text, "reason": text, "mouse": text}),
        (f"/studies/{people.study.code}/deviations/", {"what": text, "happened_on": text, "reason": text}),
        ("/accounts/login/", {"login": text, "password": text}),
        ("/accounts/locked/", {"secret": text, "next": text}),
        ("/entry/switch/", {"badge": text, "person": text, "pin": text}),
    ):
        response = client.post(path, data)
        assert response.status_code < 500 and comes_alive(response) == [], path


def test_nothing_typed_runs_in_a_browser(
    transactional_db, live_server, page, sign_in, study, people, settings, tmp_path
):
    settings.MEDIA_ROOT = tmp_path
    with transaction.atomic():
        record = fill_record(study, people)
        poison()
    ran: list[str] = []
    page.on("dialog", lambda dialog: (ran.append(dialog.message), dialog.dismiss()))
    page.expose_function("zq", lambda: ran.append("zq"))
    page.on("console", lambda line: "Content Security Policy" in line.text and ran.append(line.text))
    sign_in(people.study_director)
    code = study.code
    of_study = [
        f"/studies/{code}/{page}" for page in ("", "alerts/", "setup/mice/", "deviations/", "reports/")
    ]
    at_cage = [f"/entry/mice/{record['mouse']}/", "/entry/today/", f"/entry/sessions/{record['session_id']}/"]
    for path in ("/", "/studies/", "/portfolio/", "/pdx-models/", "/accounts/tokens/", *of_study, *at_cage):
        page.goto(live_server.url + path)
        page.wait_for_load_state("networkidle")
    assert ran == []
