"""No password or token is shown or stored."""

import json
import stat
import traceback
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from repdyn.errors import UserError
from repdyn.redaction import redact, traceable, without_secrets
from repdyn.settings.schema import StoreConfig
from repdyn.storage.delivery.drain import _with_credentials, drain_folder
from repdyn.storage.delivery.operations import PutArtifact, SetTag
from repdyn.storage.delivery.queue_folder import ROOT, QueuedRun, QueueFolder
from repdyn.storage.search import list_runs

SECRET = "hunter2swordfish"


@pytest.mark.parametrize(
    "text",
    [
        f"http://user:{SECRET}@host:5000/x",
        f"http://{SECRET}@host",
        f"http://user:a@{SECRET}@host",
        f"http://user:a/{SECRET}@host: invalid URI",
        f"postgresql+psycopg2://u:{SECRET}@h/db?sslmode=require",
        f"x https://h/a?token={SECRET}&b=1",
        f"https://h/a?X-Amz-Signature={SECRET}",
        f"https://h/a?sv=2&sig={SECRET}",
        f"postgresql://h/db?user=u&password={SECRET}",
        f"connection failed: host=h password={SECRET} dbname=x",
        f"{{'Authorization': 'Bearer {SECRET}'}}",
        f"Authorization: Basic {SECRET}=",
    ],
)
def test_secrets_are_hidden(text: str) -> None:
    assert SECRET not in redact(text)
    assert "***" in redact(text)
    assert redact(redact(text)) == redact(text)
    assert SECRET not in str(UserError(text))


@pytest.mark.parametrize(
    "text",
    [
        "sqlite:////home/me@work/mlflow.db",
        "http://localhost:5000/#/experiments/1",
        "wasbs://container@account.blob.core.windows.net/x",
        "--arch-arg class_token=False",
        "arch_arg class_token=False",
        "a: b@c",
    ],
)
def test_other_text_stays(text: str) -> None:
    assert redact(text) == text
    assert without_secrets(text) == text


@pytest.mark.parametrize("name", ["MLFLOW_TRACKING_PASSWORD", "AWS_SECRET_ACCESS_KEY"])
def test_values_of_the_environment_are_hidden(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, f"{SECRET}/+")
    assert redact(f"refused {SECRET}/+ and {SECRET}%2F%2B") == "refused *** and ***"


def test_a_stored_address_has_no_credentials() -> None:
    assert without_secrets(f"http://u:{SECRET}@h:1/p?a=1&token={SECRET}#f") == "http://h:1/p?a=1#f"


def test_a_cause_with_a_secret_is_no_cause() -> None:
    assert traceable(ValueError(f"http://u:{SECRET}@h")) is None
    fine = ValueError("http://h")
    assert traceable(fine) is fine


class _Refuses(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(401)
        self.end_headers()

    do_POST = do_GET  # noqa: N815 (the name that the base looks for)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base's name)
        pass


def test_a_server_that_asks_for_credentials_is_one_line_without_them() -> None:
    server = HTTPServer(("127.0.0.1", 0), _Refuses)
    Thread(target=server.serve_forever, daemon=True).start()
    uri = f"http://user:{SECRET}@127.0.0.1:{server.server_port}"
    try:
        with pytest.raises(UserError, match="MLFLOW_TRACKING_PASSWORD") as raised:
            list_runs(StoreConfig(tracking_uri=uri))
    finally:
        server.shutdown()
        server.server_close()
    assert SECRET not in "".join(traceback.format_exception(raised.value))
    assert SECRET not in repr(StoreConfig(tracking_uri=uri))


def test_an_unreachable_server_and_its_queue_hold_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    uri = f"http://user:{SECRET}@127.0.0.1:9"
    queue = QueueFolder(ROOT / "run")
    queue.sign(QueuedRun(without_secrets(uri), "run", "host", "1"))
    queue.append(SetTag("a", "b"))
    queue.append(PutArtifact("x/y", b"z"))
    queue.close()
    with pytest.raises(UserError, match="no MLflow server responds") as raised:
        drain_folder(ROOT / "run", uri)
    assert SECRET not in "".join(traceback.format_exception(raised.value))
    files = [file for file in ROOT.rglob("*") if file.is_file()]
    assert not [file for file in files if SECRET.encode() in file.read_bytes()]
    written = [file for file in files if file.suffix == ".json" or file.name == "y"]
    assert len(written) == 4
    assert {stat.S_IMODE(file.stat().st_mode) for file in written} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (ROOT, ROOT / "run")} == {0o700}
    assert json.loads((ROOT / "run" / "run.json").read_text())["uri"] == "http://127.0.0.1:9"


def test_sync_takes_credentials_from_the_address_of_the_same_server() -> None:
    with_them = StoreConfig(tracking_uri=f"http://u:{SECRET}@h:1")
    assert _with_credentials("http://h:1", with_them) == with_them.tracking_uri
    assert _with_credentials("http://other:1", with_them) == "http://other:1"
