"""Watch what requests and actions write: every row of a sealed table must have gone into an audit event.

Every test that sends a request through Django's test client proves this for the URL it sends it to.
"""

from django.db import connection
from django.test import Client

from studies import triggers


def watch(monkeypatch) -> None:
    ask = Client.request

    def ask_and_look(client: Client, **request):
        if not connection.in_atomic_block:
            return ask(client, **request)  # each act has a transaction of its own, which ends with its notes
        triggers.take_notes(connection)
        response = ask(client, **request)
        if response.status_code < 500:
            left = [] if connection.needs_rollback else triggers.take_notes(connection)
            assert not left, f"{request.get('PATH_INFO')} wrote rows without an audit event: {left}"
        return response

    monkeypatch.setattr(Client, "request", ask_and_look)
