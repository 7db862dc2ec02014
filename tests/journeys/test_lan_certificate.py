"""A laboratory's own certificate, made as docs/operations.md says: over it a sheet works without the network."""

import re
import shutil
import socket
import ssl
import subprocess
import threading
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from playwright.sync_api import expect

from tests.journeys.cage import enter, make_sheet, open_row, stored, wait_for_unsent, wait_until_all_is_stored
from tests.support.doctor import in_ci

DOC = Path(__file__).parents[2] / "docs" / "operations.md"
NAME = "pdx.lab"
MOST_DAYS = 398  # browsers take no certificate for longer


@pytest.fixture
def certificates(tmp_path) -> Path:
    """The folder in which the document's own commands were run."""
    if shutil.which("openssl") is None:
        (pytest.fail if in_ci() else pytest.skip)("no openssl")
    section = DOC.read_text(encoding="utf-8").split("### A certificate for the laboratory's own network")[1]
    commands = re.search(r"```sh\n(.*?)```", section, re.S)[1]
    subprocess.run(["sh", "-ec", commands], cwd=tmp_path, check=True, capture_output=True, timeout=60)
    return tmp_path


@pytest.fixture
def port(transactional_db, certificates, settings):
    """Where the server speaks TLS itself, with that certificate."""
    settings.ALLOWED_HOSTS = [NAME]
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    answer = WSGIHandler()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificates / "pdx.crt", certificates / "pdx.key")
    server = ThreadedWSGIServer(("127.0.0.1", 0), WSGIRequestHandler)
    server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.set_app(lambda environ, start: answer({**environ, "wsgi.url_scheme": "https"}, start))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def key_pin(certificates: Path) -> str:
    """By which Chromium takes this one key, as a tablet takes what its authority signed."""
    command = ["openssl", "pkey", "-in", certificates / "pdx.key", "-pubout", "-outform", "DER"]
    return b64encode(
        sha256(subprocess.run(command, check=True, capture_output=True).stdout).digest()
    ).decode()


def test_the_certificate_is_of_the_name_and_signed_by_the_authority(certificates, port):
    tablet = ssl.create_default_context(cafile=certificates / "lab-ca.crt")
    with (
        socket.create_connection(("127.0.0.1", port)) as plain,
        tablet.wrap_socket(plain, server_hostname=NAME) as secure,
    ):
        found = secure.getpeercert()
    first, last = (ssl.cert_time_to_seconds(found[end]) for end in ("notBefore", "notAfter"))
    assert (last - first) / 86_400 < MOST_DAYS
    assert ("IP Address", "192.168.1.20") in found["subjectAltName"]


def test_over_it_a_sheet_opens_and_is_filled_without_the_network(
    certificates, port, client, browser_type, browser_type_launch_args
):
    session, study = make_sheet(6)
    client.force_login(study.memberships.get().user)
    trust = [
        f"--ignore-certificate-errors-spki-list={key_pin(certificates)}",
        f"--host-resolver-rules=MAP {NAME} 127.0.0.1",
    ]
    arguments = browser_type_launch_args | {"args": [*browser_type_launch_args["args"], *trust]}
    browser = browser_type.launch(**arguments)
    page, address = browser.new_page(), f"https://{NAME}:{port}"
    cookie = {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": address, "secure": True}
    page.context.add_cookies([cookie])
    page.goto(f"{address}/entry/sessions/{session.pk}/")
    page.wait_for_selector("html[data-ready][data-offline=ready]")
    assert page.evaluate("isSecureContext && Boolean(navigator.serviceWorker.controller)")
    expect(page.locator("[data-part=insecure]")).to_be_hidden()
    page.context.set_offline(True)
    page.reload()
    page.wait_for_selector("html[data-ready]")
    open_row(page, "M001")
    enter(page, "11.2", "8.4", "22.5")
    wait_for_unsent(page, 1, "no connection")
    page.context.set_offline(False)
    wait_until_all_is_stored(page)
    assert stored(session) == {"M001": (11.2, 8.4, 22.5, "measured")}
    browser.close()
