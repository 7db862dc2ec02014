"""What a deployment rests on besides settings: names of static files, and the laboratory's own certificate."""

import re
import shutil
import ssl
import subprocess
from pathlib import Path

from django.core.files.storage import FileSystemStorage

from pdx_tracker.static import HashedStatic
from studies.entry.worker import ASSETS

ROOT = Path(__file__).parent.parent
STATIC = ROOT / "studies" / "static"


def test_collected_scripts_import_the_names_that_a_tablet_keeps(tmp_path, settings):
    settings.DEBUG = False
    scripts = [name for name in ASSETS if name.endswith(".js")]
    for name in scripts:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(STATIC / name, tmp_path / name)
    storage = HashedStatic(location=tmp_path, base_url="/static/")
    files = FileSystemStorage(location=tmp_path)
    for name, _, processed in storage.post_process({name: (files, name) for name in scripts}):
        assert not isinstance(processed, Exception), name
    kept = {storage.stored_name(name) for name in scripts}
    for name in kept:
        for imported in re.findall(r'from "\./([^"]+)"', (tmp_path / name).read_text(encoding="utf-8")):
            assert str(Path(name).parent / imported) in kept, (name, imported)
    assert any("sheet." in name and name != "studies/js/entry/sheet.js" for name in kept)


def test_every_script_of_the_sheet_is_kept_for_work_without_a_network():
    entry = {f"studies/js/entry/{path.name}" for path in (STATIC / "studies/js/entry").glob("*.js")}
    assert entry <= set(ASSETS)


def test_the_documented_certificate_is_one_that_browsers_take(tmp_path):
    """The commands of docs/operations.md as they stand there, then a handshake by name and by address."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    commands = re.search(r"```sh\n(openssl req -x509.*?)```", text, re.S)[1]
    subprocess.run(["bash", "-e", "-c", commands], cwd=tmp_path, check=True, capture_output=True)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "pdx.crt", tmp_path / "pdx.key")
    for name in ("pdx.lab", "192.168.1.20"):
        assert "notAfter" in shake_hands(server, tmp_path / "lab-ca.crt", name)


def shake_hands(server: ssl.SSLContext, authority: Path, name: str) -> dict:
    """The certificate a client that trusts `authority` alone accepts for `name`; raises ssl.SSLError."""
    client = ssl.create_default_context(cafile=str(authority))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    here, there = ssl.MemoryBIO(), ssl.MemoryBIO()
    pair = (
        client.wrap_bio(here, there, server_hostname=name),
        server.wrap_bio(there, here, server_side=True),
    )
    for _ in range(4):
        for side in pair:
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return pair[0].getpeercert()
