"""A small OpenID Connect provider on this machine, for as long as a test runs."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt

CLIENT = "pdx-tracker"
SIGNED_WITH = "a key for nothing but this test, of 32 bytes and more"


class Provider(BaseHTTPRequestHandler):
    """`server.claims` is who signs in there."""

    def do_GET(self) -> None:
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        root = f"http://127.0.0.1:{self.server.server_port}"
        if path == "/.well-known/openid-configuration":
            self._json({
                "issuer": root, "authorization_endpoint": f"{root}/authorize", "token_endpoint": f"{root}/token",
                "userinfo_endpoint": f"{root}/userinfo", "jwks_uri": f"{root}/keys",
                "token_endpoint_auth_methods_supported": ["client_secret_post"],
            })  # fmt: skip
        elif path == "/authorize":
            self.server.asked = query
            back = urlencode({"code": "one-time", "state": query["state"][0]})
            self.send_response(302)
            self.send_header("Location", f"{query['redirect_uri'][0]}?{back}")
            self.end_headers()
        elif path == "/userinfo" and self.headers["Authorization"] == "Bearer access":
            self._json(self.server.claims)
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        if form["code"] != ["one-time"] or "code_verifier" not in form:
            return self.send_error(400)
        told = {"iss": f"http://127.0.0.1:{self.server.server_port}", "aud": CLIENT, **self.server.claims}
        times = {"iat": int(time.time()), "exp": int(time.time()) + 300}
        token = jwt.encode({**told, **times}, SIGNED_WITH, algorithm="HS256", headers={"kid": "one"})
        return self._json({"access_token": "access", "token_type": "bearer", "id_token": token})

    def _json(self, document: dict) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(document).encode())

    def log_message(self, *args) -> None:
        return None


@contextmanager
def running(claims: dict) -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    server.claims = claims
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
