"""A proxy before a real server that answers some requests wrongly, or loses their answers."""

from __future__ import annotations

import http.client
import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LOGIN = b"<!DOCTYPE html><html><title>Sign in</title></html>"
HOUR = ("Retry-After", "3600")

FAULTS = (
    *("html", "empty", "json", "login", "404", "401", "403", "429", "500", "502", "503"),
    *("slow", "reset", "truncated", "lost"),
)
"""What may happen to a request; `slow` is answered rightly, `truncated` and `lost` are executed."""

ANSWERS: dict[str, tuple[int, bytes, tuple[tuple[str, str], ...]]] = {
    "html": (200, LOGIN, (("Content-Type", "text/html"),)),
    "empty": (200, b"", ()),
    "json": (200, b'{"login": "required"}', (("Content-Type", "application/json"),)),
    "login": (302, b"", (("Location", "/sign-in"),)),
    "404": (404, b"default backend - 404", ()),
    "401": (401, b"Unauthorized", ()),
    "403": (403, LOGIN, ()),
    "429": (429, b"", (HOUR,)),
    "500": (500, b"", ()),
    "502": (502, LOGIN, ()),
    "503": (503, b"", (HOUR,)),
}


class FaultProxy:
    """Forwards to a server; `choose` names the fault of a request, or None."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.choose: Callable[[str, str], str | None] = lambda method, path: None
        self.happened: list[str] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def _handle(self) -> None:
                proxy.handle(self)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815 (http.server's names)

            def log_message(self, *arguments: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *arguments: object) -> None:
                """Say nothing of clients that were killed."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @contextmanager
    def disturbed(self, choose: Callable[[str, str], str | None]) -> Iterator[None]:
        self.choose = choose
        try:
            yield
        finally:
            self.choose = lambda method, path: None

    def handle(self, client: BaseHTTPRequestHandler) -> None:
        body = client.rfile.read(int(client.headers.get("Content-Length", 0)))
        if client.path == "/sign-in":
            _answer(client, *ANSWERS["html"])
            return
        fault = self.choose(client.command, client.path)
        if fault is not None:
            self.happened.append(fault)
        if fault in ANSWERS:
            _answer(client, *ANSWERS[fault])
            return
        if fault == "reset":
            _reset(client)
            return
        if fault == "slow":
            time.sleep(0.2)
        status, headers, content = self._forwarded(client, body)
        if fault == "lost":
            _reset(client)
        elif fault == "truncated":
            client.send_response(status)
            client.send_header("Content-Length", str(len(content) + 10))
            client.end_headers()
            client.wfile.write(content)
            _reset(client)
        else:
            _answer(client, status, content, headers)

    def _forwarded(
        self, client: BaseHTTPRequestHandler, body: bytes
    ) -> tuple[int, tuple[tuple[str, str], ...], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._target, timeout=30)
        try:
            headers = {k: v for k, v in client.headers.items() if k.lower() != "host"}
            connection.request(client.command, client.path, body, headers)
            answer = connection.getresponse()
            kept = ("content-type",)
            found = tuple((k, v) for k, v in answer.getheaders() if k.lower() in kept)
            return answer.status, found, answer.read()
        finally:
            connection.close()


def _answer(
    client: BaseHTTPRequestHandler,
    status: int,
    body: bytes,
    headers: tuple[tuple[str, str], ...],
) -> None:
    client.send_response(status)
    for name, value in headers:
        client.send_header(name, value)
    client.send_header("Content-Length", str(len(body)))
    client.end_headers()
    client.wfile.write(body)


def _reset(client: BaseHTTPRequestHandler) -> None:
    client.close_connection = True
    linger = struct.pack("ii", 1, 0)
    client.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    client.connection.shutdown(socket.SHUT_RD)
    client.connection.close()


def at_random(seed: int, share: float = 0.3) -> Callable[[str, str], str | None]:
    """Return what disturbs a share of the requests by any of the faults."""
    rng = random.Random(seed)
    return lambda method, path: rng.choice(FAULTS) if rng.random() < share else None
