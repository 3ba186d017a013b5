"""Addresses of runs in MLflow's UI."""

import pytest
from mlflow.tracking import MlflowClient

from repdyn.settings.schema import StoreConfig
from repdyn.storage import web


@pytest.fixture
def run(sqlite_store: StoreConfig) -> tuple[str, str]:
    client = MlflowClient(sqlite_store.tracking_uri)
    experiment = client.create_experiment("mine")
    return experiment, client.create_run(experiment).info.run_id


def test_the_page_of_a_run_opens_on_training(
    sqlite_store: StoreConfig, run: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment, run_id = run
    page = f"#/experiments/{experiment}/runs/{run_id}?workflowType=machine_learning"
    assert web.local_address(sqlite_store, run_id) == f"http://127.0.0.1:5000/{page}"
    assert web.address(sqlite_store, run_id) is None
    client = MlflowClient(sqlite_store.tracking_uri)
    monkeypatch.setattr(web, "connect_existing", lambda _: client)
    for uri in ("https://ml.example/mlflow", "https://user:secret@ml.example/mlflow/"):
        served = StoreConfig(tracking_uri=uri)
        assert web.address(served, run_id) == f"https://ml.example/mlflow/{page}"
        assert web.local_address(served, run_id) is None
