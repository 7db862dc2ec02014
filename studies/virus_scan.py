"""Where the house runs ClamAV, every uploaded file is shown to it before any view sees the request.

Talks to `clamd` by its INSTREAM command, over a socket file or "host:port" (setting CLAMD). A file it names
is refused; while it does not answer no file is taken.
"""

import socket
import struct
from collections.abc import Iterable
from itertools import chain

from django.conf import settings

from studies.errors import refused_file, unscanned_file

PATIENCE_SECONDS = 30


class ScannedFirst:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)

    def process_view(self, request, view, args, kwargs):
        if not settings.CLAMD or request.method in ("GET", "HEAD"):
            return None
        for file in chain.from_iterable(files for _, files in request.FILES.lists()):
            try:
                found = virus_in(file.chunks(), settings.CLAMD)
            except OSError:
                return unscanned_file(request)
            finally:
                file.seek(0)
            if found:
                return refused_file(request, found)
        return None


def virus_in(chunks: Iterable[bytes], address: str) -> str:
    """What clamd calls it, "" for nothing. Raises OSError where it gives no answer, or one that is neither."""
    with _connected(address) as wire:
        wire.sendall(b"zINSTREAM\0")
        for chunk in chunks:
            wire.sendall(struct.pack("!L", len(chunk)) + chunk)
        wire.sendall(struct.pack("!L", 0))
        answer = b""
        while part := wire.recv(4096):
            answer += part
    words = answer.rstrip(b"\0\n").decode(errors="replace").removeprefix("stream: ")
    if words == "OK":
        return ""
    if not words.endswith(" FOUND"):
        raise OSError(f"clamd answered {words!r}")
    return words.removesuffix(" FOUND")


def _connected(address: str) -> socket.socket:
    host, colon, port = address.rpartition(":")
    if colon:
        return socket.create_connection((host, int(port)), PATIENCE_SECONDS)
    wire = socket.socket(socket.AF_UNIX)
    wire.settimeout(PATIENCE_SECONDS)
    wire.connect(address)
    return wire
