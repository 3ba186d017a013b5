"""A training against a server that asks for a password: the password is found nowhere afterwards."""

from __future__ import annotations

import base64
import http.client
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest

from tests.e2e.conftest import clean_environment
from tests.e2e.test_server_away import Server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

USER, SECRET = "team", "hunter2swordfish"
FORMS = (SECRET.encode(), base64.b64encode(f"{USER}:{SECRET}".encode()))

TRAINING = """
arch: resnet18
opt: [sgd, adam]
width: 0.0625
epochs: 1
checkpoints: 2
planes: 3
grid: 4
fine_planes: 1
fine_grid: 5
probe_images: 40
probe_train: 40
train_size: 100
lr: 0.005
layers: stem|logits
figures: false
"""


class Gate(ThreadingHTTPServer):
    """Passes requests on to a server if they bring the password; counts those that do not."""

    daemon_threads = True

    def __init__(self, behind: str) -> None:
        self.behind = urlsplit(behind)
        self.refused = self.passed = 0
        super().__init__(("127.0.0.1", 0), _Passing)


class _Passing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Gate

    def _pass(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Authorization") != f"Basic {FORMS[1].decode()}":
            self.server.refused += 1
            self._answer(401, {"WWW-Authenticate": "Basic"}, b"")
            return
        self.server.passed += 1
        dropped = ("host", "authorization", "connection", "accept-encoding")
        headers = {k: v for k, v in self.headers.items() if k.lower() not in dropped}
        behind = http.client.HTTPConnection(self.server.behind.netloc, timeout=60)
        behind.request(self.command, self.path, content, headers)
        answer = behind.getresponse()
        body = answer.read()
        kind = {"Content-Type": answer.headers.get("Content-Type", "application/json")}
        self._answer(answer.status, kind, body)
        behind.close()

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _pass  # noqa: N815 (the base's)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base's name)
        pass


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def gate(server: Server) -> Iterator[Gate]:
    gate = Gate(server.address)
    Thread(target=gate.serve_forever, daemon=True).start()
    yield gate
    gate.shutdown()
    gate.server_close()


def command(
    *arguments: str, cwd: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "repdyn.cli", *arguments],
        capture_output=True,
        cwd=cwd,
        env=clean_environment() | environment,
        timeout=400,
    )


def holding(folder: Path) -> list[Path]:
    """Return the files of a folder in whose name or content the password is, in any form."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return [
        path
        for path in files
        if any(form in path.read_bytes() or form in os.fsencode(path) for form in FORMS)
    ]


@pytest.mark.parametrize("where", ["in the address", "in the environment"])
def test_the_password_is_found_nowhere(
    where: str, gate: Gate, server: Server, tmp_path: Path
) -> None:
    place = f"127.0.0.1:{gate.server_port}"
    if where == "in the address":
        uri, environment = f"http://{USER}:{SECRET}@{place}", {}
    else:
        uri = f"http://{place}"
        environment = {"MLFLOW_TRACKING_USERNAME": USER, "MLFLOW_TRACKING_PASSWORD": SECRET}
    (tmp_path / "run.yaml").write_text(TRAINING)
    at = ["--tracking-uri", uri]
    said = b""
    for arguments in (
        ["sweep", "--config", "run.yaml", "--name", "few"],
        ["show", "last"],
        ["report", "few"],
    ):
        done = command(*arguments, *at, cwd=tmp_path, environment=environment)
        said += done.stdout + done.stderr
        assert done.returncode == 0, (arguments, done.stderr[-500:])
    assert gate.passed > 50
    wrong = f"http://{USER}x:{SECRET}@{place}"
    done = command("runs", "--tracking-uri", wrong, cwd=tmp_path, environment={})
    assert done.returncode == 2
    assert gate.refused
    closed = f"http://{USER}:{SECRET}@127.0.0.1:9"
    away = command("runs", "--tracking-uri", closed, cwd=tmp_path, environment={})
    assert away.returncode == 2
    said += done.stdout + done.stderr + away.stdout + away.stderr
    assert not any(form in said for form in FORMS)
    assert list(tmp_path.rglob("*.html"))
    assert not holding(tmp_path)
    assert not holding(Path(server._folder))
