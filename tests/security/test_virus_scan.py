"""Uploaded files go past the house's scanner first, and nothing is taken without it."""

import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from studies.models import Photo
from studies.virus_scan import virus_in
from tests.factories import make_mouse
from tests.writes import _photo

SIGNATURE = b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE"


def _answer(wire: socket.socket) -> None:
    """As clamd answers INSTREAM: chunks with their length until one of none, then what was found."""
    with wire, wire.makefile("rb") as stream:
        assert stream.read(10) == b"zINSTREAM\0"
        content = b""
        while size := struct.unpack("!L", stream.read(4))[0]:
            content += stream.read(size)
        wire.sendall(b"stream: Eicar-Signature FOUND\0" if SIGNATURE in content else b"stream: OK\0")


@pytest.fixture
def clamd(tmp_path, settings) -> Iterator[str]:
    listener = socket.socket(socket.AF_UNIX)
    settings.CLAMD = str(tmp_path / "clamd")
    listener.bind(settings.CLAMD)
    listener.listen()

    def serve() -> None:
        while True:
            try:
                wire, _ = listener.accept()
            except OSError:
                return
            _answer(wire)

    threading.Thread(target=serve, daemon=True).start()
    yield settings.CLAMD
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def upload(client, people, mouse, more: bytes = b""):
    photo = _photo()
    photo.seek(0, 2)
    photo.write(more)
    photo.seek(0)
    client.force_login(people.technician)
    return client.post(f"/entry/mice/{mouse.pk}/photos/", {"subject": "ulcer", "photo": photo})


def test_what_the_scanner_finds_is_refused_and_the_rest_is_taken(clamd, client, people, study):
    mouse = make_mouse(study)
    refused = upload(client, people, mouse, SIGNATURE)
    assert refused.status_code == 422 and b"Eicar-Signature" in refused.content and not Photo.objects.exists()
    assert upload(client, people, mouse).status_code == 302 and Photo.objects.count() == 1


def test_while_the_scanner_does_not_answer_no_file_is_taken(client, people, study, settings, tmp_path):
    settings.CLAMD = str(tmp_path / "nobody")
    assert upload(client, people, make_mouse(study)).status_code == 503 and not Photo.objects.exists()
    assert client.post("/accounts/logout/").status_code == 302  # what carries no file is answered


def test_clamd_is_asked_over_the_network_too_and_another_answer_is_none(clamd):
    assert virus_in([b"clean"], clamd) == ""
    with socket.create_server(("127.0.0.1", 0)) as other:
        threading.Thread(target=lambda: other.accept()[0].close(), daemon=True).start()
        with pytest.raises(OSError):
            virus_in([b"x"], f"127.0.0.1:{other.getsockname()[1]}")
