"""Whatever a server answers: it is delivered, or kept; no answer holds a run for long."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path, PurePosixPath

import pytest
from mlflow.tracking import MlflowClient

from repdyn.errors import UserError
from repdyn.settings.schema import StoreConfig
from repdyn.storage import opening, rest_client, retry
from repdyn.storage.deadline import OverdueError, within
from repdyn.storage.delivery import executor as executor
from repdyn.storage.delivery.executor import MissingError, RetryableError
from repdyn.storage.delivery.operations import (
    Describe,
    EndRun,
    LogInput,
    LogMetrics,
    Operation,
    PutArtifact,
    SetTag,
)
from repdyn.storage.delivery.retryable import ForeignAnswerError
from repdyn.storage.remote_artifacts import RemoteArtifacts
from repdyn.storage.rest_client import strict
from repdyn.storage.retry import Retry
from repdyn.storage.writer import RunWriter
from tests.storage.delivery.test_executor import executor_of
from tests.support.fault_proxy import ANSWERS

JOBS: list[Operation] = [
    LogMetrics((("a", 1.0, 5, 0),)),
    SetTag("a", "b"),
    Describe("**a**"),
    LogInput("digits", "abcd", "{}", "{}", "train"),
    EndRun("FINISHED", 1),
]


class Answers:
    """A server that sends the same bytes to every request, then a byte now and then if it drips."""

    def __init__(self, answer: bytes, drip: bytes = b"") -> None:
        self.requests = 0
        self._answer = answer
        self._drip = drip
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._over = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._over.set()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(client,), daemon=True).start()

    def _talk(self, client: socket.socket) -> None:
        with client:
            try:
                while b"\r\n\r\n" not in (got := client.recv(1 << 16)):
                    if not got:
                        return
                self.requests += 1
                client.sendall(self._answer)
                while self._drip and not self._over.wait(0.05):
                    client.sendall(self._drip)
                client.shutdown(socket.SHUT_WR)
                self._over.wait(0.2)
            except OSError:
                pass


@pytest.fixture
def served() -> Iterator[Callable[..., Answers]]:
    started: list[Answers] = []

    def serve(answer: bytes, drip: bytes = b"") -> Answers:
        started.append(Answers(answer, drip))
        return started[-1]

    yield serve
    for server in started:
        server.close()


def answer(fault: str) -> bytes:
    status, body, headers = ANSWERS[fault]
    lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in headers)]
    head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "Connection: close"])
    return f"{head}\r\n\r\n".encode() + body


@pytest.mark.parametrize("operation", JOBS, ids=lambda operation: type(operation).__name__)
@pytest.mark.parametrize("fault", ["html", "empty", "json"])
def test_an_answer_of_success_that_is_not_mlflows_delivers_nothing(
    fault: str, operation: Operation, served: Callable[..., Answers]
) -> None:
    server = served(answer(fault))
    with pytest.raises(RetryableError) as raised:
        executor_of(server.address)(operation)
    said = str(raised.value)
    assert said.startswith(server.address)
    assert "\n" not in said
    assert ("HTML page: a login or proxy page?" in said) == (fault == "html")
    assert len(said) < 200


@pytest.mark.parametrize("fault", ["html", "empty", "json"])
def test_an_answer_that_is_not_mlflows_is_not_taken_for_a_list_without_entries(
    fault: str, served: Callable[..., Answers]
) -> None:
    """Of which a run that goes on would conclude that none of its metrics has been logged."""
    client = strict(MlflowClient(served(answer(fault)).address))
    with pytest.raises(ForeignAnswerError):
        client.get_metric_history("run", "train/loss")
    with pytest.raises(ForeignAnswerError):
        client.search_runs(["0"])


@pytest.mark.parametrize("body", [b"{}", b'{"metrics": [], "of a later version": 1}'])
def test_mlflows_own_list_without_entries_is_one(
    body: bytes, served: Callable[..., Answers]
) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    client = strict(MlflowClient(served(head.encode() + body).address))
    assert client.get_metric_history("run", "train/loss") == []


@pytest.mark.parametrize(
    "operation", [JOBS[1], PutArtifact("x/y.npy", b"z")], ids=["tag", "artifact"]
)
@pytest.mark.parametrize("fault", ["429", "503"])
def test_a_server_does_not_say_how_long_a_run_waits(
    fault: str,
    operation: Operation,
    served: Callable[..., Answers],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not either where the environment asks MLflow to do as the server says, and often."""
    monkeypatch.setenv("MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER", "true")
    monkeypatch.setattr(executor, "ANSWER_SECONDS", 3.0)
    start = time.monotonic()
    with pytest.raises(RetryableError):
        executor_of(served(answer(fault)).address)(operation)
    assert time.monotonic() - start < 20


DRIPS = {
    "head": b"HTTP/1.1 200 OK\r\nX-Slow: ",
    "body": b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{",
}


@pytest.mark.parametrize("part", DRIPS)
def test_an_answer_that_drips_is_given_up(
    part: str, served: Callable[..., Answers], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "ANSWER_SECONDS", 0.5)
    start = time.monotonic()
    with pytest.raises(RetryableError, match="no complete response within"):
        executor_of(served(DRIPS[part], b"x").address)(JOBS[1])
    assert time.monotonic() - start < 10


def test_an_answer_without_end_is_not_kept_in_memory(
    served: Callable[..., Answers], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rest_client, "MOST_BYTES", 1 << 17)
    flood = served(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * (1 << 16))
    with pytest.raises(RetryableError, match="more than 131,072 bytes"):
        executor_of(flood.address)(JOBS[1])


@pytest.mark.parametrize(("fault", "tried"), [("503", True), ("html", True), ("401", False)])
def test_a_run_is_opened_or_refused_in_bounded_time(
    fault: str,
    tried: bool,
    served: Callable[..., Answers],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(opening.opening, "__defaults__", (1.5,))
    server = served(answer(fault))
    start = time.monotonic()
    with pytest.raises(UserError) as raised:
        RunWriter.create(StoreConfig(tracking_uri=server.address), "run", {}, {})
    assert time.monotonic() - start < 20
    assert raised.value.exit_code == 2
    assert "\n" not in str(raised.value)
    assert (server.requests > 1) == tried
    assert list(tmp_path.iterdir()) == []


def test_a_call_is_bounded_and_tells_its_own_errors_from_being_late() -> None:
    assert within(5, lambda: 3) == 3
    with pytest.raises(OverdueError, match="within 0 s"):
        within(0.05, lambda: time.sleep(1))
    own = TimeoutError("own")

    def fail() -> None:
        raise own

    with pytest.raises(TimeoutError) as raised:
        within(5, fail)
    assert raised.value is own


def test_a_server_that_comes_back_while_a_run_is_opened_gets_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retry, "PAUSES", (0.01, 0.02))
    ready: list[Exception] = [ForeignAnswerError("page")] * 3

    def call() -> str:
        if ready:
            raise ready.pop()
        return "run"

    assert Retry("http://server", 10)(call) == "run"


class Repository:
    """A store of artifacts, without a server before it, that may lose what it takes."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.loses = False

    def log_artifact(self, file: str, folder: str | None) -> None:
        if not self.loses:
            name = Path(file).name
            self.files[f"{folder}/{name}" if folder else name] = Path(file).read_bytes()

    def list_artifacts(self, folder: str | None) -> list[object]:
        from mlflow.entities import FileInfo

        return [
            FileInfo(path, False, len(content))
            for path, content in self.files.items()
            if (path.rpartition("/")[0] or None) == folder
        ]

    def download_artifacts(self, path: str, folder: str) -> str:
        (Path(folder) / "got").write_bytes(self.files[path])
        return str(Path(folder) / "got")

    def delete_artifacts(self, path: str) -> None:
        if not self.loses:
            del self.files[path]


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch) -> Repository:
    from repdyn.storage import remote_artifacts

    repository = Repository()
    monkeypatch.setattr(remote_artifacts, "get_artifact_repository", lambda *_: repository)
    return repository


@pytest.mark.parametrize("path", ["x/y.npy", "y.npy"])
@pytest.mark.parametrize("before", [None, b"other", b"longer one"])
@pytest.mark.parametrize("loses", [False, True])
def test_an_artifact_is_seen_if_and_only_if_it_is_there(
    path: str, before: bytes | None, loses: bool, repository: Repository, tmp_path: Path
) -> None:
    if before is not None:
        repository.files[path] = before
    repository.loses = loses
    file = tmp_path / "y.npy"
    file.write_bytes(b"bytes")
    remote = RemoteArtifacts("s3://bucket/run", "http://server")
    for _ in range(2):  # what is sent again is looked for again
        remote.put(PurePosixPath(path), file)
        assert remote.missing({path: file}) == ([path] if loses else [])


@pytest.mark.parametrize("loses", [False, True])
def test_so_is_a_removal(loses: bool, repository: Repository) -> None:
    repository.files["x/y"] = b""
    repository.loses = loses
    remote = RemoteArtifacts("s3://bucket/run", "http://server")
    remote.remove(PurePosixPath("x/y"))
    assert remote.missing({"x/y": None}) == (["x/y"] if loses else [])
    if not loses:
        remote.remove(PurePosixPath("x/y"))  # its first answer was lost


def test_what_is_lost_is_told_from_what_does_not_answer(
    repository: Repository, tmp_path: Path
) -> None:
    repository.loses = True
    (tmp_path / "y").write_bytes(b"bytes")
    put = PutArtifact("y", tmp_path / "y")
    with closing(socket.create_server(("127.0.0.1", 0))) as nobody:
        address = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        executor = executor_of(address, "s3://bucket/run")
        executor(put)
        with pytest.raises(MissingError, match="accepted y, but does not have it"):
            executor.check([put])
