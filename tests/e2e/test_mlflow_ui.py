"""`mlflow ui` in the folder of a run shows it; MLflow as a server takes and gives one."""

import io
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import repdyn as api
from tests.e2e.conftest import clean_environment, repdyn


@contextmanager
def served(folder: Path, *arguments: str) -> Iterator[str]:
    """Run MLflow's server in a folder; gives its address once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", *arguments, "--port", str(port), "--workers", "1"]
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=clean_environment(), stdout=log, stderr=log
        )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(address, process, folder / "server.log")
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)


def wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a server answers; beside busy processes that has taken over a minute."""
    until = time.monotonic() + 240
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=1):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(log.read_text())


def fetched(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=20) as answer:
        content: bytes = answer.read()
        return content


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_mlflow_ui_shows_run_metrics_and_artifacts(store: Path) -> None:
    run_id = api.load_run("small").summary.run_id
    with served(store, "ui") as address:
        rest = f"{address}/ajax-api/2.0/mlflow"
        run = json.loads(fetched(f"{rest}/runs/get?run_id={run_id}"))["run"]
        assert run["info"]["run_name"] == "small"
        history = json.loads(
            fetched(
                f"{rest}/metrics/get-history?run_id={run_id}&metric_key=watched/cka_drift/logits"
            )
        )
        assert [int(metric["step"]) for metric in history["metrics"]] == [2, 4, 7, 12]
        artifact = f"{address}/get-artifact?run_uuid={run_id}&path="
        matrix = np.load(io.BytesIO(fetched(f"{artifact}dynamics/cka.npy")), allow_pickle=False)
        assert matrix.shape == (4, 6, 6)
        with Image.open(io.BytesIO(fetched(f"{artifact}figures/cka.png"))) as picture:
            assert picture.format == "PNG"
        assert b"<html" in fetched(address).lower()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_server_that_keeps_the_artifacts_takes_and_gives_a_run(
    trained: tuple[Path, str], tmp_path: Path
) -> None:
    (tmp_path / "run.yaml").write_text((trained[0] / "run.yaml").read_text())
    (tmp_path / "server").mkdir()
    with served(tmp_path / "server", "server") as address:
        arguments = ["--config", "run.yaml", "--epochs", "3", "--tracking-uri", address]
        said = repdyn("train", *arguments, cwd=tmp_path).stdout
        assert address in said
        record = api.load_run(tracking_uri=address)
        assert record.summary.status == "FINISHED"
        assert record.dynamics is not None
        assert record.dynamics.steps.tolist() == [0, 1, 2, 3]
        shown = repdyn("show", "--tracking-uri", address, cwd=tmp_path).stdout
        assert shown.startswith(record.summary.name)  # and not `small`, the run of the file
    assert not (tmp_path / "mlruns").exists(), "nothing is kept beside the server"
    with pytest.raises(urllib.error.URLError):
        fetched(address)
