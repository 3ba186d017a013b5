"""What is sent twice is there once; a server that is away is told from one that refuses."""

from __future__ import annotations

import math
import threading
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from unittest.mock import Mock

import mlflow
import pytest
from mlflow.entities import Run, RunData, RunInfo
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from packaging.version import Version

from repdyn.errors import UserError
from repdyn.settings.schema import StoreConfig
from repdyn.storage.delivery.executor import RetryableError, StoreExecutor
from repdyn.storage.delivery.operations import (
    Describe,
    EndRun,
    LogInput,
    LogMetrics,
    LogModel,
    Operation,
    PutArtifact,
    RemoveArtifact,
    RemoveModel,
    SetTag,
)
from tests.support.present import present

NAN, INF = float("nan"), float("inf")
METRICS = LogMetrics((("a", 1.0, 5, 0), ("a", 2.0, 6, 1), ("b", -INF, 5, 0), ("b", INF, 6, 1)))
MODEL = LogModel("mine", "checkpoints/a.safetensors", 1, (("a", 2.0, 6, 1), ("c", 0.5, 6, 1)))


@pytest.fixture
def client(sqlite_store: StoreConfig) -> MlflowClient:
    return MlflowClient(sqlite_store.tracking_uri)


def test_every_operation_may_be_done_twice(client: MlflowClient, tmp_path: Path) -> None:
    run = client.create_run("0")
    executor, run_id = StoreExecutor(client, run), run.info.run_id
    content = tmp_path / "x.npy"
    content.write_bytes(b"content")
    operations: list[Operation] = [
        METRICS,
        SetTag("tag", "value"),
        Describe("a *run*"),
        LogInput("digits", "abcd1234", '{"uri": "x"}', '{"images": 3}', "train"),
        PutArtifact("dynamics/x.npy", content),
        PutArtifact("dynamics/y.npy", b"bytes"),
        PutArtifact("dynamics/z.npy", b"gone"),
        RemoveArtifact("dynamics/z.npy"),
        MODEL,
        EndRun("KILLED", 1_700_000_000_000),
    ]
    for operation in operations:
        executor(operation)
        executor(operation)
    found = client.get_run(run_id)
    assert [(m.value, m.step) for m in client.get_metric_history(run_id, "a")] == [(1, 0), (2, 1)]
    assert len(client.get_metric_history(run_id, "b")) == 2
    assert found.data.tags["tag"] == "value"
    (given,) = present(found.inputs).dataset_inputs
    assert (given.dataset.name, given.dataset.digest) == ("digits", "abcd1234")
    assert [(tag.key, tag.value) for tag in given.tags] == [("mlflow.data.context", "train")]
    assert (found.info.status, found.info.end_time) == ("KILLED", 1_700_000_000_000)
    (model,) = client.search_logged_models(["0"])
    assert {metric.key: metric.value for metric in present(model.metrics)} == {"a": 2.0, "c": 0.5}
    (output,) = present(found.outputs).model_outputs
    assert (output.model_id, output.step) == (model.model_id, 1)
    folder = Path(found.info.artifact_uri) / "dynamics"
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == {
        "x.npy": b"content",
        "y.npy": b"bytes",
    }


@pytest.mark.skipif(
    Version(mlflow.__version__) < Version("3.16"), reason="earlier MLflows refuse NaN sent twice"
)
def test_nan_may_be_sent_twice(client: MlflowClient) -> None:
    run = client.create_run("0")
    executor = StoreExecutor(client, run)
    for _ in range(2):
        executor(LogMetrics((("a", 1.0, 5, 0), ("b", NAN, 5, 0))))
    (found,) = client.get_metric_history(run.info.run_id, "b")
    assert math.isnan(found.value)


@pytest.mark.parametrize("path", ["dynamics/x.npy", "../x.npy", "dynamics/../../x.npy"])
def test_nothing_is_written_or_removed_outside_of_the_runs_folder(
    path: str, client: MlflowClient, tmp_path: Path
) -> None:
    run = client.create_run("0")
    folder, outside = Path(run.info.artifact_uri), tmp_path / "outside"
    for there in (folder, outside):
        there.mkdir(parents=True)
    (folder / "dynamics").symlink_to(outside)
    for kept in (outside / "x.npy", folder.parent / "x.npy"):
        kept.write_text("kept")
    executor = StoreExecutor(client, run)
    operations: list[Operation] = [PutArtifact(path, b"new"), RemoveArtifact(path)]
    for operation in operations:
        with pytest.raises(UserError, match="points outside the run's folder"):
            executor(operation)
    assert (outside / "x.npy").read_text() == "kept"
    assert (folder.parent / "x.npy").read_text() == "kept"


def test_an_artifact_that_is_a_link_is_replaced(client: MlflowClient, tmp_path: Path) -> None:
    run = client.create_run("0")
    folder, outside = Path(run.info.artifact_uri), tmp_path / "outside"
    folder.mkdir(parents=True)
    outside.write_text("kept")
    (folder / "x.npy").symlink_to(outside)
    StoreExecutor(client, run)(PutArtifact("x.npy", b"new"))
    assert (outside.read_text(), (folder / "x.npy").read_bytes()) == ("kept", b"new")


class Answers(BaseHTTPRequestHandler):
    """Gives all requests one status."""

    status = 500
    body = b"{}"

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 (the names http.server calls)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], str]]:
    """Return what starts a server that gives a status; it returns the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")

    def serve(status: int, body: bytes = b"{}") -> str:
        monkeypatch.setattr(Answers, "status", status)
        monkeypatch.setattr(Answers, "body", body)
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    server.shutdown()
    server.server_close()
    thread.join()


def executor_of(address: str, artifacts: str | None = None) -> StoreExecutor:
    info = RunInfo(
        run_id=uuid.uuid4().hex,  # MLflow keeps where the artifacts of an id are
        experiment_id="0",
        user_id="",
        status="RUNNING",
        start_time=0,
        end_time=None,
        lifecycle_stage="active",
        artifact_uri=artifacts or f"{address}/api/2.0/mlflow-artifacts/artifacts/0/run/artifacts",
    )
    client = MlflowClient(address)
    # MLflow itself asks for the run where it looks for its artifacts
    get_run = Mock(return_value=Run(info, RunData()))
    client._tracking_client.get_run = get_run  # type: ignore[method-assign]
    return StoreExecutor(client, Run(info, RunData()))


JOBS: list[Operation] = [
    METRICS,
    SetTag("a", "b"),
    Describe("**a**"),
    PutArtifact("x/y.npy", b"z"),
    RemoveArtifact("x/y.npy"),
    MODEL,
    RemoveModel("checkpoints/a.safetensors"),
    EndRun("FAILED", 1),
]


@pytest.mark.parametrize("operation", JOBS, ids=lambda operation: type(operation).__name__)
@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 408])
def test_a_server_in_trouble_is_away(
    status: int, operation: Operation, served: Callable[[int], str]
) -> None:
    address = served(status)
    with pytest.raises(RetryableError) as raised:
        executor_of(address)(operation)
    assert str(raised.value).startswith(f"{address}: ")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("operation", JOBS, ids=lambda operation: type(operation).__name__)
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, b'{"error_code": "INVALID_PARAMETER_VALUE", "message": "bad"}'),
        (404, b'{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no run"}'),
        (403, b"forbidden"),
    ],
)
def test_a_refusal_is_not(
    status: int, body: bytes, operation: Operation, served: Callable[[int, bytes], str]
) -> None:
    executor = executor_of(served(status, body))
    with pytest.raises((MlflowException, OSError)) as raised:
        executor(operation)
    assert not isinstance(raised.value, RetryableError)


@pytest.mark.parametrize("operation", JOBS, ids=lambda operation: type(operation).__name__)
def test_a_server_that_is_not_there_is_away(
    operation: Operation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(RetryableError) as raised:
        executor_of("http://127.0.0.1:9")(operation)
    assert str(raised.value) == "http://127.0.0.1:9: does not respond"


def test_mlflow_ranks_checkpoints_each_of_which_is_listed_once(client: MlflowClient) -> None:
    run = client.create_run("0")
    executor = StoreExecutor(client, run)
    for step, value in enumerate((0.3, 0.9, 0.6)):
        metrics = (("test/acc", value, 7, step),)
        executor(LogMetrics(metrics))
        for _ in range(2):
            executor(LogModel(f"mine-{step}", f"checkpoints/{step}", step, metrics))
    for _ in range(2):
        executor(RemoveModel("checkpoints/0"))

    def ranked() -> list[str]:
        best = [{"field_name": "metrics.test/acc", "ascending": False}]
        return [model.name for model in client.search_logged_models(["0"], order_by=best)]

    assert ranked() == ["mine-1", "mine-2"]
    executor(LogModel("mine-0", "checkpoints/0", 0, (("test/acc", 0.3, 7, 0),)))
    assert ranked() == ["mine-1", "mine-2", "mine-0"]
    (model, *_) = client.search_logged_models(["0"], "name = 'mine-1'")
    assert model.source_run_id == run.info.run_id
    assert model.status == "READY"
    assert model.tags["repdyn.weights"] == "checkpoints/1"
    history = client.get_metric_history(run.info.run_id, "test/acc")
    assert [(metric.step, metric.value) for metric in history] == [(0, 0.3), (1, 0.9), (2, 0.6)]
    outputs = present(client.get_run(run.info.run_id).outputs).model_outputs
    assert sorted(output.step for output in outputs) == [0, 0, 1, 2]
    other = client.create_run("0")
    StoreExecutor(client, other)(RemoveModel("checkpoints/1"))
    assert "mine-1" in ranked(), "another run's weights have the same path"


def test_a_description_replaces_its_own_but_nobody_elses(client: MlflowClient) -> None:
    run = client.create_run("0")
    executor = StoreExecutor(client, run)

    def note() -> str:
        return str(client.get_run(run.info.run_id).data.tags["mlflow.note.content"])

    executor(Describe("first"))
    executor(Describe("second"))
    assert note() == "second"
    client.set_tag(run.info.run_id, "mlflow.note.content", "second, and what I think of it")
    executor(Describe("third"))
    assert note() == "second, and what I think of it"
    client.set_tag(run.info.run_id, "mlflow.note.content", "")
    executor(Describe("third"))
    assert note() == "third"


def test_a_description_that_was_there_before_stays(client: MlflowClient) -> None:
    run = client.create_run("0", tags={"mlflow.note.content": "mine"})
    StoreExecutor(client, run)(Describe("repdyn's"))
    assert client.get_run(run.info.run_id).data.tags["mlflow.note.content"] == "mine"


def test_a_server_that_hangs_is_away(
    served: Callable[[int], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    monkeypatch.setattr(Answers, "do_POST", lambda _: go_on.wait(30))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    address = served(200)
    with pytest.raises(RetryableError) as raised:
        executor_of(address)(SetTag("a", "b"))
    go_on.set()
    assert str(raised.value) == f"{address}: does not respond"


def test_what_is_wrong_with_the_file_is_no_matter_of_the_server(
    client: MlflowClient, tmp_path: Path
) -> None:
    executor = StoreExecutor(client, client.create_run("0"))
    with pytest.raises(FileNotFoundError):
        executor(PutArtifact("x", tmp_path / "none"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "away"), [(None, True), (500, True), (503, True), (403, False), (404, False)]
)
def test_so_is_an_s3_that_keeps_the_artifacts(
    status: int | None,
    away: bool,
    served: Callable[[int], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The driver itself, at a server that gives all requests one status, or at none."""
    pytest.importorskip("boto3", reason="comes with the dev extra")
    address = "http://127.0.0.1:9" if status is None else served(status)
    settings = {
        "MLFLOW_S3_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    executor = executor_of("http://127.0.0.1:9", f"s3://bucket/{status}")
    for operation in (PutArtifact("x/y.npy", b"z"), RemoveArtifact("x/y.npy")):
        with pytest.raises(Exception) as raised:
            executor(operation)
        assert isinstance(raised.value, RetryableError) == away, raised.value
